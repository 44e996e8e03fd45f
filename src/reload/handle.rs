//! How the rest of the process asks for a reload, and what it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, UnixTime};
use crate::snapshot::Snapshot;

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReloadReport {
    /// Whether a new snapshot is in force.
    pub applied: bool,
    /// The generation in force now.
    pub generation: u64,
    /// What changed: `route "x" added`, `keys of issuer "y": a added, b removed`, `certificate "z" changed`.
    pub changes: Vec<String>,
    /// What changed and needs a restart.
    pub needs_restart: Vec<String>,
    /// Why it was not applied.
    pub error: Option<String>,
    /// When, in RFC 3339.
    pub at: String,
}

/// Asks for a reload. Cheap to clone.
#[derive(Clone)]
pub struct ReloadHandle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) known: Arc<Known>,
}

/// One request for a reload.
pub(super) struct Request {
    pub(super) dry_run: bool,
    pub(super) reply: oneshot::Sender<ReloadReport>,
}

/// What the reloader lets others see.
pub(super) struct Known {
    pub(super) publisher: Arc<ArcSwap<Snapshot>>,
    pub(super) clock: Clock,
    pub(super) last: Mutex<Option<ReloadReport>>,
    pub(super) loaded: Mutex<KeyTimes>,
}

/// When each key was first loaded, by issuer and thumbprint.
pub(super) type KeyTimes = HashMap<(Arc<str>, [u8; 32]), UnixTime>;

impl ReloadHandle {
    /// Reloads now. `dry_run` says what would change and changes nothing.
    pub async fn reload(&self, dry_run: bool) -> ReloadReport {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { dry_run, reply }).await.is_ok()
            && let Ok(report) = answer.await
        {
            return report;
        }
        self.known.report(Err("the process is ending".to_owned()))
    }

    /// The last reload, if there was one since the start.
    #[must_use]
    pub fn last(&self) -> Option<ReloadReport> {
        lock(&self.known.last).clone()
    }

    /// When a key that is in force was first loaded.
    #[must_use]
    pub fn key_loaded_at(&self, issuer: &Arc<str>, thumbprint: &[u8; 32]) -> Option<UnixTime> {
        let key = (Arc::clone(issuer), *thumbprint);
        lock(&self.known.loaded).get(&key).copied()
    }
}

impl Known {
    /// A report as of now: the changes, or why there are none.
    pub(super) fn report(&self, outcome: Result<Vec<String>, String>) -> ReloadReport {
        let (changes, error) = match outcome {
            Ok(changes) => (changes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        ReloadReport {
            applied: false,
            generation: self.publisher.load().generation,
            changes,
            needs_restart: Vec::new(),
            error,
            at: format!("{:.3}", self.clock.timestamp()),
        }
    }

    /// Notes the keys in force now. A key that was in force before keeps its time; one that was `seen` earlier has that.
    pub(super) fn note_keys(
        &self,
        keys: impl Iterator<Item = (Arc<str>, [u8; 32])>,
        seen: &KeyTimes,
    ) {
        let now = self.clock.now();
        let mut loaded = lock(&self.loaded);
        let times = keys.map(|key| {
            let since = loaded.get(&key).copied().unwrap_or(now);
            let seen = seen.get(&key).copied().unwrap_or(now);
            (key, since.min(seen))
        });
        *loaded = times.collect::<KeyTimes>();
    }
}

/// Locks, also after a panic of another holder: what is behind is replaced whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
