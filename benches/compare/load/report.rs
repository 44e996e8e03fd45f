//! What is counted, and how it is told.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::Outcome;

/// Answers by status, of one thread; read by another while it counts.
#[derive(Debug)]
pub(crate) struct Tally {
    by_status: Vec<AtomicU64>,
    /// Connections that broke where they should not have.
    pub(crate) broken: AtomicU64,
    /// TLS handshakes that resumed a session.
    pub(crate) resumed: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            by_status: (0..600).map(|_| AtomicU64::new(0)).collect(),
            broken: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        }
    }
}

impl Tally {
    pub(crate) fn answer(&self, status: u16) {
        let status = usize::from(status).min(599);
        self.by_status[status].fetch_add(1, Relaxed);
    }
}

/// The sum of several tallies at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    by_status: Vec<u64>,
    broken: u64,
    resumed: u64,
}

impl Counts {
    pub(crate) fn of<'t>(tallies: impl IntoIterator<Item = &'t Tally>) -> Self {
        let mut sum = Self {
            by_status: vec![0; 600],
            broken: 0,
            resumed: 0,
        };
        for tally in tallies {
            for (sum, one) in sum.by_status.iter_mut().zip(&tally.by_status) {
                *sum += one.load(Relaxed);
            }
            sum.broken += tally.broken.load(Relaxed);
            sum.resumed += tally.resumed.load(Relaxed);
        }
        sum
    }

    pub(crate) fn answers(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// What has come since `earlier`, as the end of a window.
    pub(crate) fn since(&self, earlier: &Self, seconds: f64) -> Value {
        let statuses: serde_json::Map<String, Value> = (0..600)
            .map(|status| (status, self.by_status[status] - earlier.by_status[status]))
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| (status.to_string(), json!(count)))
            .collect();
        json!({
            "event": "end",
            "seconds": seconds,
            "answers": self.answers() - earlier.answers(),
            "total": self.answers(),
            "statuses": statuses,
            "broken": self.broken - earlier.broken,
            "resumed": self.resumed - earlier.resumed,
        })
    }
}

/// One line for the harness, at once.
pub(crate) fn tell(event: &Value) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{event}")?;
    out.flush()?;
    Ok(())
}
