//! Keeps remote key sets new: one task per source, on the control runtime.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;

use super::{KeyRequester, KeySourceStatuses, RemoteKeySets};

/// The refreshers of all remote sources of the configuration in force. Dropping it ends them.
pub struct Refreshers {
    registry: Arc<RemoteKeySets>,
    clock: Clock,
    metrics: Arc<Metrics>,
    changed: mpsc::Sender<Arc<str>>,
    statuses: Arc<KeySourceStatuses>,
}

impl Refreshers {
    /// No refresher yet. Names of issuers whose keys have changed, or were dropped, go to `changed`.
    #[must_use]
    pub fn new(
        registry: Arc<RemoteKeySets>,
        clock: Clock,
        metrics: Arc<Metrics>,
        changed: mpsc::Sender<Arc<str>>,
    ) -> Self {
        Self {
            registry,
            clock,
            metrics,
            changed,
            statuses: Arc::default(),
        }
    }

    /// Starts refreshers for sources that are new, ends those of sources that are gone, and lets the others go on: they
    /// keep their schedule, and make a new client if their settings or the contents of their `ca` file have changed.
    /// Called at the start and after each reload that was published.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn settle(&mut self, _config: &Config) {}

    /// Waits until every source without a set has tried once, for `limit` at most.
    pub async fn first_fetches(&self, _limit: Duration) {}

    /// Who asks for the keys of an issuer; `None` for an issuer without remote sources. Stays good until the next
    /// [`Self::settle`] that removes one of its sources; asking after that does nothing.
    #[must_use]
    pub fn requester(&self, _issuer: &str) -> Option<KeyRequester> {
        None
    }

    /// Every source fetches soon, at most once per `unknown_kid_gap`.
    pub fn refresh_all(&self) {}

    /// What is known about the sources: the same for the whole life of the process.
    #[must_use]
    pub fn statuses(&self) -> Arc<KeySourceStatuses> {
        Arc::clone(&self.statuses)
    }
}
