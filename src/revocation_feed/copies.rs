//! When the copy on disk is written: soon after a change, not at each of many, and never by who reads the store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use crate::clock::UnixTime;
use crate::revocation::RevocationSet;

use super::disk::{Checksum, Disk};

/// Shortest time between two copies ..
const PAUSE: Duration = Duration::from_secs(5);

/// .. and at least so many times what the last one took: a copy of millions is a burden for a disk.
const SHARE: u32 = 20;

/// After a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// Which part of `stale_for` may pass until a copy that has not changed is confirmed ..
const CONFIRM_PART: u32 = 20;

/// .. and how much at most.
const CONFIRM_MOST: Duration = Duration::from_secs(30);

/// The copies of one process.
pub(super) struct Copies {
    disk: Arc<Disk>,
    confirm_after: Duration,
    /// Changes so far.
    changes: u64,
    /// The last copy, and how many changes are in it.
    last: Option<(Checksum, u64)>,
    next: Instant,
    /// When the last copy was last known to be the list.
    confirmed: Instant,
    job: Option<JoinHandle<Written>>,
    is_failing: bool,
}

/// What came of a copy.
struct Written {
    result: io::Result<Checksum>,
    changes: u64,
    took: Duration,
}

impl Copies {
    pub(super) fn new(disk: Arc<Disk>, stale_for: Duration) -> Self {
        let now = Instant::now();
        Self {
            disk,
            confirm_after: (stale_for / CONFIRM_PART).min(CONFIRM_MOST),
            changes: 0,
            last: None,
            next: now,
            confirmed: now,
            job: None,
            is_failing: false,
        }
    }

    /// The list has changed.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// The set is the store's list at `now`: lets a copy be written, or the one that there is be confirmed, if it is time.
    pub(super) fn keep(&mut self, set: &Arc<RevocationSet>, now: UnixTime) {
        if self.is_busy() || Instant::now() < self.next {
            return;
        }
        let (disk, changes) = (Arc::clone(&self.disk), self.changes);
        let began = Instant::now();
        match self.last {
            Some((checksum, written)) if written == changes => {
                if self.confirmed.elapsed() < self.confirm_after {
                    return;
                }
                self.job = Some(spawn_blocking(move || Written {
                    result: disk.confirm(&checksum, now).map(|()| checksum),
                    changes,
                    took: began.elapsed(),
                }));
            }
            Some(_) | None => {
                let set = Arc::clone(set);
                self.job = Some(spawn_blocking(move || Written {
                    result: disk.save(&set, now),
                    changes,
                    took: began.elapsed(),
                }));
            }
        }
        self.confirmed = began;
    }

    /// Whether one is being written; learns what came of one that was.
    fn is_busy(&mut self) -> bool {
        match self.job.take() {
            Some(job) if !job.is_finished() => {
                self.job = Some(job);
                true
            }
            Some(job) => {
                // It is finished: this does not wait.
                if let Some(Ok(written)) = futures_util::FutureExt::now_or_never(job) {
                    self.learn(written);
                }
                false
            }
            None => false,
        }
    }

    fn learn(&mut self, written: Written) {
        let Written {
            result,
            changes,
            took,
        } = written;
        let pause = match result {
            Ok(checksum) => {
                self.last = Some((checksum, changes));
                self.is_failing = false;
                PAUSE.max(took * SHARE)
            }
            Err(error) => {
                if !self.is_failing {
                    tracing::warn!(%error, "revocations cannot be kept on disk: a start without the store will have none");
                }
                self.is_failing = true;
                PAUSE_AFTER_FAILURE
            }
        };
        self.next = Instant::now() + pause;
    }

    /// Differs whenever something was written.
    #[cfg(test)]
    pub(super) fn state(&self) -> (Option<(Checksum, u64)>, Instant) {
        (self.last, self.confirmed)
    }

    /// Waits for what is being written.
    #[cfg(test)]
    pub(super) async fn settle(&mut self) {
        if let Some(job) = self.job.take() {
            let written = job.await.expect("a copy does not panic");
            self.learn(written);
        }
    }
}
