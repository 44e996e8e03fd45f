//! How the workers are: each beats, and others look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::metrics::WorkerId;

/// How the workers are, for whoever watches them. Cheap to clone.
#[derive(Clone)]
pub struct Pulse(Arc<Beats>);

struct Beats {
    start: Instant,
    /// Milliseconds from `start` to the last beat of each worker; [`ENDED`] when it has ended.
    last: Vec<AtomicU64>,
    cut_off: AtomicUsize,
}

impl Pulse {
    pub(super) fn new(workers: usize) -> Self {
        Self(Arc::new(Beats {
            start: Instant::now(),
            last: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            cut_off: AtomicUsize::new(0),
        }))
    }

    /// The longest time since a running worker last beat: each beats every second.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let now = self.now();
        let last = self.0.last.iter().map(|last| last.load(Relaxed)).min();
        Duration::from_millis(now.saturating_sub(last.unwrap_or(ENDED)))
    }

    /// Connections that were open when the workers ended: 0 after a drain in which all could finish.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        self.0.cut_off.load(Relaxed)
    }

    /// Whether that worker runs and has beaten lately; `now` is of [`Self::now`].
    pub(super) fn is_well(&self, worker: usize, now: u64) -> bool {
        let last = self.0.last.get(worker).map(|last| last.load(Relaxed));
        last.is_some_and(|last| last != ENDED && now.saturating_sub(last) <= WELL)
    }

    /// A worker has ended, with so many connections open.
    pub(super) fn end(&self, worker: WorkerId, left: usize) {
        self.0.cut_off.fetch_add(left, Relaxed);
        self.set(worker, ENDED);
    }

    pub(super) fn beat(&self, worker: WorkerId) {
        self.set(worker, self.now());
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(ENDED)
    }

    fn set(&self, worker: WorkerId, milliseconds: u64) {
        if let Some(last) = self.0.last.get(worker.0) {
            last.store(milliseconds, Relaxed);
        }
    }
}

/// No beat is expected any more.
const ENDED: u64 = u64::MAX;

/// Milliseconds: a worker that has missed more than a beat gets no connection of another.
const WELL: u64 = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_counts_until_a_worker_has_ended() {
        let pulse = Pulse::new(2);
        pulse.end(WorkerId(0), 0);
        while pulse.silence() < Duration::from_millis(5) {
            std::thread::yield_now();
        }
        pulse.end(WorkerId(1), 3);
        assert_eq!(pulse.silence(), Duration::ZERO);
        assert_eq!(pulse.cut_off(), 3);
    }

    #[test]
    fn a_worker_is_well_until_it_is_silent_or_has_ended() {
        let pulse = Pulse::new(2);
        for (now, is_well) in [(0, true), (WELL, true), (WELL + 1, false)] {
            assert_eq!(pulse.is_well(0, now), is_well, "{now}");
        }
        pulse.set(WorkerId(0), 5000);
        assert!(pulse.is_well(0, 6000) && !pulse.is_well(1, 6000));
        assert!(pulse.is_well(0, 4999), "beaten since the look");
        pulse.end(WorkerId(0), 0);
        assert!(!pulse.is_well(0, 6000));
        assert!(!pulse.is_well(2, 0), "there is no such worker");
    }
}
