//! Keeps remote key sets new: one task per source, on the control runtime.

mod attempt;
mod held;
mod outage;
mod remote;
mod settings;
mod task;
mod unknown_kids;
mod warnings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;

use self::remote::{MakeSource, make_remote};
use self::settings::Settings;
use self::task::{Shared, Task};
use super::requester::Line;
use super::status::StatusCell;
use super::stored::StoredKeys;
use super::{KeyRequester, KeySourceStatuses, RemoteKeySets, SourceId};

/// The refreshers of all remote sources of the configuration in force. Dropping it ends them.
pub struct Refreshers {
    registry: Arc<RemoteKeySets>,
    clock: Clock,
    metrics: Arc<Metrics>,
    changed: mpsc::Sender<Arc<str>>,
    make: MakeSource,
    statuses: Arc<KeySourceStatuses>,
    /// In the order of the configuration.
    running: Vec<Running>,
    requesters: HashMap<Arc<str>, KeyRequester>,
}

/// The refresher of one source, as seen from outside. Dropping it ends the task, a fetch in flight, and its connections.
struct Running {
    id: SourceId,
    line: Line,
    settings: watch::Sender<Arc<Settings>>,
    status: Arc<StatusCell>,
    /// Whether it has a set, or has tried to get one.
    tried: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
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
        Self::with(registry, clock, metrics, changed, Arc::new(make_remote))
    }

    fn with(
        registry: Arc<RemoteKeySets>,
        clock: Clock,
        metrics: Arc<Metrics>,
        changed: mpsc::Sender<Arc<str>>,
        make: MakeSource,
    ) -> Self {
        Self {
            registry,
            clock,
            metrics,
            changed,
            make,
            statuses: Arc::default(),
            running: Vec::new(),
            requesters: HashMap::new(),
        }
    }

    /// Starts refreshers for sources that are new, ends those of sources that are gone, and lets the others go on: they
    /// keep their schedule, and make a new client if their settings or the contents of their `ca` file have changed.
    /// Called at the start and after each reload that was published.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn settle(&mut self, config: &Config) {
        let mut before = std::mem::take(&mut self.running);
        for issuer in &config.issuers {
            for source in issuer.keys.remote() {
                let id = SourceId::of(issuer, source);
                if self.running.iter().any(|running| running.id == id) {
                    continue;
                }
                let settings = Arc::new(Settings::new(issuer, source));
                let running = match before.iter().position(|running| running.id == id) {
                    Some(at) => {
                        let running = before.swap_remove(at);
                        running.settings.send_replace(settings);
                        running
                    }
                    None => self.start(id, settings),
                };
                self.running.push(running);
            }
        }
        // Ends those of sources that are gone.
        drop(before);
        self.requesters = self.gather_requesters();
        let cells = self.running.iter();
        let cells = cells.map(|running| Arc::clone(&running.status));
        let stored = config
            .issuers
            .iter()
            .filter(|issuer| issuer.keys.are_stored());
        let stored = stored.map(|issuer| StoredKeys {
            id: SourceId::of_store(issuer),
            stale_for: issuer.refresh.stale_for,
            registry: Arc::clone(&self.registry),
            clock: self.clock.clone(),
        });
        self.statuses.replace(cells.collect(), stored.collect());
    }

    fn start(&self, id: SourceId, settings: Arc<Settings>) -> Running {
        let next = Arc::default();
        let (line, requests) = Line::new(Arc::clone(&next));
        let status = Arc::new(StatusCell::new(settings.status(&id)));
        let (settings, watched) = watch::channel(settings);
        let (tried, has_tried) = watch::channel(false);
        let shared = Shared {
            registry: Arc::clone(&self.registry),
            clock: self.clock.clone(),
            counters: self.metrics.keys(id.issuer()),
            age: self.metrics.key_set_age(id.issuer()),
            changed: self.changed.clone(),
            make: Arc::clone(&self.make),
            status: Arc::clone(&status),
            next,
            tried,
        };
        let task = Task::new(id.clone(), shared, watched, requests);
        Running {
            id,
            line,
            settings,
            status,
            tried: has_tried,
            task: tokio::spawn(task.run()),
        }
    }

    fn gather_requesters(&self) -> HashMap<Arc<str>, KeyRequester> {
        let mut lines: HashMap<Arc<str>, Vec<Line>> = HashMap::new();
        for running in &self.running {
            let issuer = Arc::clone(running.id.issuer());
            lines.entry(issuer).or_default().push(running.line.clone());
        }
        lines
            .into_iter()
            .map(|(issuer, lines)| {
                let counters = self.metrics.keys(&issuer);
                (issuer, KeyRequester::new(lines, counters))
            })
            .collect()
    }

    /// Waits until every source without a set has tried once, for `limit` at most.
    pub async fn first_fetches(&self, limit: Duration) {
        let tried = self.running.iter().map(|running| {
            let mut tried = running.tried.clone();
            async move {
                // An error is a task that has ended: nothing is to be expected of it.
                let _ = tried.wait_for(|tried| *tried).await;
            }
        });
        // What takes longer comes in when it is there.
        let _ = tokio::time::timeout(limit, join_all(tried)).await;
    }

    /// Who asks for the keys of an issuer; `None` for an issuer without remote sources. Stays good until the next
    /// [`Self::settle`] that changes its sources; asking after that reaches those that are still there.
    #[must_use]
    pub fn requester(&self, issuer: &str) -> Option<KeyRequester> {
        self.requesters.get(issuer).cloned()
    }

    /// Every source fetches soon, at most once per `unknown_kid_gap`.
    pub fn refresh_all(&self) {
        for requester in self.requesters.values() {
            requester.refresh_now();
        }
    }

    /// What is known about the sources: the same for the whole life of the process.
    #[must_use]
    pub fn statuses(&self) -> Arc<KeySourceStatuses> {
        Arc::clone(&self.statuses)
    }
}

#[cfg(test)]
mod tests;
