//! Keys that were fetched, on their way into snapshots.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::config::Issuer;
use crate::jwt::{KeySet, SkippedKey, VerifyingKey};
use crate::keys::{self, KeySourceStatuses, Refreshers, RemoteKeySets, SourceId};
use crate::snapshot::{Fixtures, Snapshot};

use super::changes::key_changes;

/// Messages of refreshers that may wait: they say which issuer, not which keys, so that a late one costs nothing.
const WAITING: usize = 64;

/// The refreshers of remote sources, and what they say: made before the first snapshot is published, and then the reloader's.
///
/// What was fetched is in the registry. A message only says that it is time to look there.
pub struct KeyFeed {
    sets: Arc<RemoteKeySets>,
    refreshers: Refreshers,
    tell: mpsc::Sender<Arc<str>>,
    changed: mpsc::Receiver<Arc<str>>,
}

impl KeyFeed {
    /// With no refresher yet.
    #[must_use]
    pub fn new(fixtures: &Fixtures) -> Self {
        let (tell, changed) = mpsc::channel(WAITING);
        let (sets, clock) = (Arc::clone(&fixtures.keys), fixtures.clock.clone());
        let metrics = Arc::clone(&fixtures.metrics);
        Self {
            refreshers: Refreshers::new(Arc::clone(&sets), clock, metrics, tell.clone()),
            sets,
            tell,
            changed,
        }
    }

    /// Where to send the name of an issuer for whom another set was put into the registry: the local issuer speaks there like
    /// a refresher.
    #[must_use]
    pub fn teller(&self) -> mpsc::Sender<Arc<str>> {
        self.tell.clone()
    }

    /// What is known about the sources: the same for the whole life of the process.
    #[must_use]
    pub fn statuses(&self) -> Arc<KeySourceStatuses> {
        self.refreshers.statuses()
    }

    /// Fetches for the sources of a snapshot that is about to be published, and for no others; gives it those whom workers
    /// ask for newer keys.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn settle(&mut self, snapshot: &mut Snapshot) {
        let config = Arc::clone(&snapshot.config);
        let ids: Vec<SourceId> = config.issuers.iter().flat_map(SourceId::all_of).collect();
        let sets = Arc::clone(&self.sets);
        // It removes files; an error is a runtime that ends. Before the refreshers: nothing is taken for a source that the
        // registry was not told of.
        let _ = spawn_blocking(move || sets.retain(&ids)).await;
        self.refreshers.settle(&config);
        let requester = |issuer: &Issuer| self.refreshers.requester(&issuer.name);
        snapshot.key_requesters = config.issuers.iter().map(requester).collect();
    }

    /// Waits until every source that has nothing at all has tried once, for `limit` at most.
    pub async fn first_fetches(&self, limit: Duration) {
        self.refreshers.first_fetches(limit).await;
    }

    /// Every source fetches soon, within its gap.
    pub(super) fn refresh_all(&self) {
        self.refreshers.refresh_all();
    }

    /// Waits for issuers whose keys may have changed. May be dropped and called again without losing one.
    pub(super) async fn changed(&mut self) -> BTreeSet<Arc<str>> {
        let mut issuers = BTreeSet::new();
        // Its own sender is always there, so it is never `None`.
        issuers.extend(self.changed.recv().await);
        while let Ok(issuer) = self.changed.try_recv() {
            issuers.insert(issuer);
        }
        issuers
    }

    /// Looks at what the registry has for issuers of a snapshot; all that fetch if none are named.
    pub(super) async fn look(
        &self,
        running: Arc<Snapshot>,
        issuers: Option<BTreeSet<Arc<str>>>,
    ) -> Option<NewKeys> {
        let sets = Arc::clone(&self.sets);
        let look = move || {
            let concerned = |name: &Arc<str>| issuers.as_ref().is_none_or(|all| all.contains(name));
            new_keys(&running, &sets, concerned)
        };
        spawn_blocking(look).await.unwrap_or_else(|error| {
            tracing::error!(%error, "fetched keys are not taken");
            None
        })
    }

    /// The first snapshot with what the first fetches gave; `None` if they gave nothing.
    ///
    /// Takes as long as reading the sets: not for the workers of a runtime.
    #[must_use]
    pub fn take_first(&self, snapshot: &Snapshot) -> Option<Snapshot> {
        new_keys(snapshot, &self.sets, |_| true).map(|found| found.snapshot)
    }
}

/// A snapshot with other keys.
pub(super) struct NewKeys {
    pub(super) snapshot: Snapshot,
    /// The issuers that have other keys now, and what differs.
    pub(super) changes: Vec<(Arc<str>, String)>,
}

/// The snapshot that follows `running`, if the registry has other keys for an issuer.
fn new_keys(
    running: &Snapshot,
    sets: &RemoteKeySets,
    concerned: impl Fn(&Arc<str>) -> bool,
) -> Option<NewKeys> {
    let mut new: Option<NewKeys> = None;
    for (index, issuer) in running.config.issuers.iter().enumerate() {
        if !issuer.keys.come_later() || !concerned(&issuer.name) {
            continue;
        }
        let loaded = keys::load_remote(issuer, &running.local_keys[index], sets);
        let old = &running.issuers[index];
        let same = facts(&old.keys) == facts(&loaded.keys)
            && reasons(&running.skipped_keys[index]) == reasons(&loaded.skipped);
        if same {
            continue;
        }
        loaded.log_skipped(&issuer.name);
        let change = key_changes(&old.keys, &loaded.keys);
        let before = new.as_ref().map_or(running, |new| &new.snapshot);
        let snapshot = before.with_issuer_keys(index, loaded);
        let mut changes = new.map(|new| new.changes).unwrap_or_default();
        changes.extend(change.map(|change| (Arc::clone(&issuer.name), change)));
        new = Some(NewKeys { snapshot, changes });
    }
    new
}

/// What can be seen of keys, in whatever order.
fn facts(keys: &KeySet) -> BTreeSet<String> {
    let fact = |key: &VerifyingKey| {
        let algorithms: Vec<_> = key.algorithms().iter().collect();
        let (kid, source) = (key.kid(), key.source());
        format!("{kid:?} {:?} {algorithms:?} {source:?}", key.thumbprint())
    };
    keys.iter().map(fact).collect()
}

/// What is said of keys that are left out, in whatever order.
fn reasons(skipped: &[SkippedKey]) -> BTreeSet<String> {
    let reason = |key: &SkippedKey| format!("{:?} {:?} {}", key.source, key.kid, key.error);
    skipped.iter().map(reason).collect()
}
