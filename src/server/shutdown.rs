//! The end: readyz 503, `drain_delay`, listeners closed, connections finished up to `drain_timeout`.

use std::cell::Cell;

use tokio::sync::{Notify, watch};

/// Starts the drain. Cheap to clone.
#[derive(Clone)]
pub struct DrainHandle(watch::Sender<Signal>);

/// What workers watch.
#[derive(Clone)]
pub struct Drain(watch::Receiver<Signal>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Signal {
    None,
    Drain,
    Cut,
}

impl DrainHandle {
    /// A handle and what it steers.
    #[must_use]
    pub fn new() -> (Self, Drain) {
        let (sender, receiver) = watch::channel(Signal::None);
        (Self(sender), Drain(receiver))
    }

    /// TERM was received. Each worker then waits for `drain_delay`, closes its listeners and ends with its last
    /// connection, after `drain_timeout` at the latest.
    pub fn start(&self) {
        self.raise(Signal::Drain);
    }

    /// No more time: connections are cut.
    pub fn cut(&self) {
        self.raise(Signal::Cut);
    }

    fn raise(&self, signal: Signal) {
        self.0.send_if_modified(|now| {
            let raised = signal > *now;
            *now = signal.max(*now);
            raised
        });
    }
}

impl Drain {
    /// Until the drain starts. A process that has dropped its handles drains as well.
    pub(super) async fn started(&mut self) {
        let _ = self.0.wait_for(|signal| *signal >= Signal::Drain).await;
    }

    /// Until connections are cut.
    pub(super) async fn cut(&mut self) {
        if self
            .0
            .wait_for(|signal| *signal == Signal::Cut)
            .await
            .is_err()
        {
            // Without a handle only time ends the drain.
            std::future::pending::<()>().await;
        }
    }
}

/// How far a worker's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Not at all.
    Serving,
    /// Still accepting; connections are told to close.
    Delay,
    /// Listeners are closed, connections finish.
    Draining,
}

/// The stage of one worker: read by its connections whenever they run.
pub(super) struct Stages {
    now: Cell<Stage>,
    draining: Notify,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self {
            now: Cell::new(Stage::Serving),
            draining: Notify::new(),
        }
    }

    pub(super) fn now(&self) -> Stage {
        self.now.get()
    }

    /// The worker wakes its connections itself, by their deadlines.
    pub(super) fn set(&self, stage: Stage) {
        self.now.set(stage);
        if stage == Stage::Draining {
            self.draining.notify_waiters();
        }
    }

    /// Until listeners are to close.
    pub(super) async fn draining(&self) {
        // Before the look: a change in between is not lost.
        let changed = self.draining.notified();
        if self.now() < Stage::Draining {
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_signal_is_never_taken_back() {
        let (handle, mut drain) = DrainHandle::new();
        assert!(drain.started().now_or_never().is_none());
        handle.start();
        assert!(drain.started().now_or_never().is_some());
        assert!(drain.cut().now_or_never().is_none());
        handle.cut();
        handle.start();
        assert!(drain.started().now_or_never().is_some());
        assert!(drain.cut().now_or_never().is_some());
    }

    #[test]
    fn without_a_handle_the_drain_starts_and_is_not_cut() {
        let (handle, mut drain) = DrainHandle::new();
        drop(handle);
        assert!(drain.started().now_or_never().is_some());
        assert!(drain.cut().now_or_never().is_none());
    }

    #[test]
    fn listeners_hear_of_the_drain_whenever_they_ask() {
        let stages = Stages::new();
        let mut early = Box::pin(stages.draining());
        assert!(early.as_mut().now_or_never().is_none());
        stages.set(Stage::Delay);
        assert!(early.as_mut().now_or_never().is_none());
        stages.set(Stage::Draining);
        assert!(early.as_mut().now_or_never().is_some());
        assert!(stages.draining().now_or_never().is_some());
    }
}
