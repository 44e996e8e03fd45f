//! Worker threads: one runtime each, `LocalRuntime`, nothing shared but what is read.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::proxy::{AccessLog, SharedState};

use super::{Drain, Listeners};

/// What the workers are made of.
pub struct WorkerParts {
    /// Their sockets.
    pub listeners: Listeners,
    /// What they share.
    pub shared: Arc<SharedState>,
    /// What they count.
    pub metrics: Arc<Metrics>,
    /// Where they log.
    pub access_log: AccessLog,
    /// When they end.
    pub drain: Drain,
}

/// The running worker threads.
pub struct Workers {}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be made.
    pub fn start(_parts: WorkerParts) -> std::io::Result<Self> {
        todo!("server helper")
    }

    /// Waits until all have ended. `Err` if one panicked: the process ends with 1.
    ///
    /// # Errors
    /// The number of the worker that died.
    pub fn join(self) -> Result<(), usize> {
        todo!()
    }

    /// The longest time since a worker last beat, for livez: each beats every second.
    #[must_use]
    pub fn silence(&self) -> std::time::Duration {
        todo!()
    }
}
