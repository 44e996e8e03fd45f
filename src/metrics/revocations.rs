//! What is counted of the list of revocations. Off the path of requests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The list in force, and how it is kept up.
#[derive(Debug)]
pub struct RevocationMetrics {
    entries: AtomicI64,
    age: AtomicI64,
    reads: [AtomicU64; 2],
    logouts: [AtomicU64; 2],
}

/// No list.
const NONE: i64 = -1;

impl Default for RevocationMetrics {
    fn default() -> Self {
        Self {
            entries: AtomicI64::new(NONE),
            age: AtomicI64::new(NONE),
            reads: Default::default(),
            logouts: Default::default(),
        }
    }
}

impl RevocationMetrics {
    /// So many revocations are in force: `portcullis_revocations`.
    pub fn entries(&self, entries: usize) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.entries.store(entries, Ordering::Relaxed);
    }

    /// So many seconds ago the list was that of the store; `None` if there is no list: `portcullis_revocation_age_seconds`.
    pub fn age(&self, seconds: Option<i64>) {
        // A clock that was set back makes no list younger than new.
        let seconds = seconds.map_or(NONE, |seconds| seconds.max(0));
        self.age.store(seconds, Ordering::Relaxed);
    }

    /// The store was asked for changes: `portcullis_revocation_reads_total{result}`.
    pub fn read(&self, success: bool) {
        count(&self.reads, success);
    }

    /// A provider said that someone has signed out: `portcullis_back_channel_logouts_total{result}`.
    pub fn logout(&self, success: bool) {
        count(&self.logouts, success);
    }

    /// Entries and age, where there is a list.
    pub(super) fn list(&self) -> [Option<i64>; 2] {
        [&self.entries, &self.age].map(|value| {
            let value = value.load(Ordering::Relaxed);
            (value != NONE).then_some(value)
        })
    }

    /// Successes and failures.
    pub(super) fn reads(&self) -> [u64; 2] {
        self.reads.each_ref().map(|n| n.load(Ordering::Relaxed))
    }

    /// Successes and failures.
    pub(super) fn logouts(&self) -> [u64; 2] {
        self.logouts.each_ref().map(|n| n.load(Ordering::Relaxed))
    }
}

fn count(counts: &[AtomicU64; 2], success: bool) {
    counts[usize::from(!success)].fetch_add(1, Ordering::Relaxed);
}
