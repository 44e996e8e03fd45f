//! The end: readyz 503, `drain_delay`, listeners closed, connections finished up to `drain_timeout`.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::connection::Surroundings;
use super::slots::Slots;

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

/// How long a drain may take.
#[derive(Clone, Copy)]
pub(super) struct DrainTimes {
    /// From its start to closed listeners.
    pub(super) delay: Duration,
    /// From closed listeners to the end.
    pub(super) timeout: Duration,
}

/// Waits for the drain and then for the connections to end: how many have not. `accepting` lets them in, and is over
/// some time after [`Stages::draining`]; `begin` is called when the drain starts.
pub(super) async fn serve_until_drained(
    accepting: impl Future,
    surroundings: &Surroundings,
    slots: &Slots,
    mut drain: Drain,
    begin: impl FnOnce() -> DrainTimes,
) -> usize {
    let Surroundings { deadlines, stages } = surroundings;
    let closing = async {
        drain.started().await;
        let DrainTimes { delay, timeout } = begin();
        stages.set(Stage::Delay);
        deadlines.wake_all();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = drain.cut() => {}
        }
        // Ends the accepting, after what is left in the queues.
        stages.set(Stage::Draining);
        deadlines.wake_all();
        timeout
    };
    let (_, timeout) = tokio::join!(accepting, closing);
    tokio::select! {
        biased;
        () = slots.none_left() => {}
        () = tokio::time::sleep(timeout) => {}
        () = drain.cut() => {}
    }
    slots.open()
}

#[cfg(test)]
mod tests;
