//! Coarse deadlines of one worker: armed for a few nanoseconds, swept several times a second, no timer per request.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

/// The deadlines of one worker. Cheap to clone; not `Send`.
///
/// A deadline is never early, and late by at most two [`Self::RESOLUTION`]s: the coarse present may be one old when it
/// is armed, and the sweep that finds it comes up to one later.
#[derive(Clone)]
pub struct Deadlines(Rc<Shared>);

struct Shared {
    now: Cell<Instant>,
    /// No armed deadline is before it; a sweep before it looks at none.
    earliest: Cell<Option<Instant>>,
    armed: RefCell<Slab<Armed>>,
    /// Room for the wakers of one sweep, kept so that a sweep does not allocate.
    due: Cell<Vec<Waker>>,
}

struct Armed {
    at: Option<Instant>,
    waker: Option<Waker>,
}

/// One armed deadline, disarmed when dropped. It may be moved, and polled from its own task only.
pub struct Deadline {
    deadlines: Deadlines,
    key: usize,
}

/// The deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl Deadlines {
    /// How often a worker sweeps.
    pub const RESOLUTION: Duration = Duration::from_millis(250);

    /// None yet; `now` is the first coarse time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Rc::new(Shared {
            now: Cell::new(now),
            earliest: Cell::new(None),
            armed: RefCell::new(Slab::new()),
            due: Cell::new(Vec::new()),
        }))
    }

    /// The coarse present: as of the last sweep.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.now.get()
    }

    /// Sets the coarse present and wakes the tasks whose deadline has passed. The worker calls it every
    /// [`Self::RESOLUTION`].
    pub fn sweep(&self, now: Instant) {
        self.0.now.set(now);
        if self
            .0
            .earliest
            .get()
            .is_some_and(|earliest| earliest <= now)
        {
            self.wake(Some(now));
        }
    }

    /// Wakes every task that has polled a deadline, so that it looks at what else has changed: the drain.
    pub fn wake_all(&self) {
        self.wake(None);
    }

    /// A deadline `after` now; `None` never expires until it is set.
    #[must_use]
    pub fn arm(&self, after: Option<Duration>) -> Deadline {
        let at = self.moment(after);
        let key = self.0.armed.borrow_mut().insert(Armed { at, waker: None });
        Deadline {
            deadlines: self.clone(),
            key,
        }
    }

    /// Runs `future` for `limit` beyond the present, as exactly as a deadline is.
    ///
    /// # Errors
    /// [`Expired`].
    pub async fn within<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Expired> {
        let mut deadline = self.arm(Some(limit));
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => deadline.poll_expired(cx).map(Err),
        })
        .await
    }

    /// When a deadline `after` now passes, noted as a candidate for the earliest.
    fn moment(&self, after: Option<Duration>) -> Option<Instant> {
        // A moment beyond what the clock can name never comes.
        let at = self
            .now()
            .checked_add(after?.checked_add(Self::RESOLUTION)?)?;
        let earliest = self
            .0
            .earliest
            .get()
            .map_or(at, |earliest| earliest.min(at));
        self.0.earliest.set(Some(earliest));
        Some(at)
    }

    /// Wakes what passed by `now`, or everything, and finds the earliest again.
    fn wake(&self, now: Option<Instant>) {
        let mut due = self.0.due.take();
        let mut earliest: Option<Instant> = None;
        for (_, armed) in self.0.armed.borrow_mut().iter_mut() {
            let passed = |at: Instant| now.is_none_or(|now| at <= now);
            if armed.at.map_or(now.is_none(), passed) {
                due.extend(armed.waker.take());
            }
            // A passed one stays passed: its task has been woken, and sees it when it polls.
            if let Some(at) = armed.at.filter(|at| *at > self.now()) {
                earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            }
        }
        self.0.earliest.set(earliest);
        // Nothing is borrowed any more: a waker may run whatever it likes.
        due.drain(..).for_each(Waker::wake);
        self.0.due.set(due);
    }
}

impl Deadline {
    /// Moves it.
    pub fn set(&self, after: Option<Duration>) {
        let at = self.deadlines.moment(after);
        if let Some(armed) = self.deadlines.0.armed.borrow_mut().get_mut(self.key) {
            armed.at = at;
        }
    }

    /// Ready when it has passed; keeps the waker otherwise.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        let now = self.deadlines.now();
        let replaced = {
            let mut all = self.deadlines.0.armed.borrow_mut();
            let Some(armed) = all.get_mut(self.key) else {
                return Poll::Pending;
            };
            if armed.at.is_some_and(|at| at <= now) {
                return Poll::Ready(Expired);
            }
            match &armed.waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                Some(_) | None => armed.waker.replace(cx.waker().clone()),
            }
        };
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let removed = self.deadlines.0.armed.borrow_mut().try_remove(self.key);
        // After the borrow has ended: a waker may own what drops a deadline in turn.
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    const SECOND: Duration = Duration::from_secs(1);
    const SLACK: Duration = Deadlines::RESOLUTION;

    #[test]
    fn a_deadline_is_never_early_and_wakes_once() {
        let start = Instant::now();
        let deadlines = Deadlines::new(start);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut deadline = deadlines.arm(Some(SECOND));
        assert!(deadline.poll_expired(&mut cx).is_pending());
        deadlines.sweep(start + SECOND + SLACK.mul_f32(0.99));
        assert!(deadline.poll_expired(&mut cx).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        deadlines.sweep(start + SECOND + SLACK);
        deadlines.sweep(start + SECOND + SLACK + SLACK);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(deadline.poll_expired(&mut cx), Poll::Ready(Expired));
    }

    #[test]
    fn a_deadline_can_be_moved_and_switched_off() {
        let start = Instant::now();
        let deadlines = Deadlines::new(start);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut deadline = deadlines.arm(None);
        deadlines.sweep(start + SECOND * 100);
        assert!(deadline.poll_expired(&mut cx).is_pending());
        deadline.set(Some(SECOND));
        deadline.set(Some(SECOND * 5));
        deadlines.sweep(start + SECOND * 103);
        assert!(deadline.poll_expired(&mut cx).is_pending());
        deadline.set(None);
        deadlines.sweep(start + SECOND * 200);
        assert!(deadline.poll_expired(&mut cx).is_pending());
        deadline.set(Some(Duration::MAX));
        deadlines.sweep(start + SECOND * 300);
        assert!(deadline.poll_expired(&mut cx).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        deadlines.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_earliest_is_found_again_after_each_sweep() {
        let start = Instant::now();
        let deadlines = Deadlines::new(start);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut all: Vec<_> = (1..=9)
            .rev()
            .map(|seconds| deadlines.arm(Some(SECOND * seconds)))
            .collect();
        for deadline in &mut all {
            assert!(deadline.poll_expired(&mut cx).is_pending());
        }
        drop(all.pop());
        for second in 1..=9_u32 {
            deadlines.sweep(start + SECOND * second + SLACK);
            let woken = usize::try_from(second).unwrap() - 1;
            assert_eq!(
                count.0.load(Ordering::Relaxed),
                woken,
                "the one of 1 s was dropped"
            );
        }
        drop(all);
        assert!(deadlines.0.armed.borrow().is_empty());
    }

    #[test]
    fn a_future_runs_within_its_limit() {
        let start = Instant::now();
        let deadlines = Deadlines::new(start);
        let (_, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut quick = pin!(deadlines.within(SECOND, std::future::ready(7)));
        assert_eq!(quick.as_mut().poll(&mut cx), Poll::Ready(Ok(7)));
        let mut never = pin!(deadlines.within(SECOND, std::future::pending::<()>()));
        assert!(never.as_mut().poll(&mut cx).is_pending());
        deadlines.sweep(start + SECOND * 2);
        assert_eq!(never.as_mut().poll(&mut cx), Poll::Ready(Err(Expired)));
    }
}
