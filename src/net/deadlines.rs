//! Coarse deadlines of one worker: armed for a few nanoseconds, swept several times a second, no timer per request.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The deadlines of one worker. Cheap to clone; not `Send`.
#[derive(Clone)]
pub struct Deadlines(Rc<()>);

/// One armed deadline, disarmed when dropped. It may be moved, and polled from its own task only.
pub struct Deadline {}

/// The deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl Deadlines {
    /// None yet; `now` is the first coarse time.
    #[must_use]
    pub fn new(_now: Instant) -> Self {
        todo!("net helper")
    }
    /// The coarse present: as of the last sweep.
    #[must_use]
    pub fn now(&self) -> Instant {
        let _ = Cell::new(0);
        todo!()
    }
    /// Sets the coarse present and wakes the tasks whose deadline has passed. The worker calls it every
    /// [`Self::RESOLUTION`].
    pub fn sweep(&self, _now: Instant) {
        todo!()
    }
    /// How often a worker sweeps, and how late a deadline can be.
    pub const RESOLUTION: Duration = Duration::from_millis(250);
    /// A deadline `after` now; `None` never expires until it is set.
    #[must_use]
    pub fn arm(&self, _after: Option<Duration>) -> Deadline {
        todo!()
    }
    /// Runs `future` for at most `limit` beyond the coarse present.
    ///
    /// # Errors
    /// [`Expired`].
    pub async fn within<F: Future>(
        &self,
        _limit: Duration,
        _future: F,
    ) -> Result<F::Output, Expired> {
        todo!()
    }
}

impl Deadline {
    /// Moves it.
    pub fn set(&self, _after: Option<Duration>) {
        todo!()
    }
    /// Ready when it has passed; keeps the waker otherwise.
    pub fn poll_expired(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Expired> {
        todo!()
    }
}
