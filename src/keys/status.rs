//! What an operator may know about remote sources: written by their refreshers, read by the admin listener.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::UnixTime;

use super::stored::StoredKeys;

/// What is known about one remote source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// The issuer's name.
    pub issuer: Arc<str>,
    /// `discovery`, `jwks_url` or `store`.
    pub kind: &'static str,
    /// What its keys name as their source: the URL that gateway.toml says or implies, without query.
    pub source: Arc<str>,
    /// What is fetched, or the metadata document that says what: without query.
    pub url: String,
    /// What its keys are.
    pub state: SourceState,
    /// When the last fetch began.
    pub last_attempt: Option<UnixTime>,
    /// When the set in force was last fetched, or confirmed by the provider; before this start, if it came from disk.
    pub last_success: Option<UnixTime>,
    /// When the next fetch is due; `None` while one runs.
    pub next_attempt: Option<UnixTime>,
    /// When the set in force is dropped unless a fetch succeeds.
    pub serves_until: Option<UnixTime>,
    /// Why the last fetch failed; `None` after a success.
    pub last_error: Option<String>,
    /// Failed fetches since the last success.
    pub failures: u32,
    /// Fetches since the start, failed ones too.
    pub fetches: u64,
    /// Usable keys of the set in force.
    pub keys: usize,
    /// What is odd about the source or its set, and goes on.
    pub warnings: Vec<SourceWarning>,
    /// The last `kid`s that tokens named and the provider does not have: printable, shortened, newest last.
    pub unknown_kids: Vec<String>,
}

/// What the keys of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// None were ever there.
    Never,
    /// Kept on disk by an earlier process, and not confirmed yet.
    FromDisk,
    /// The last fetch succeeded.
    Fresh,
    /// The last fetch failed: those fetched before it serve.
    Stale,
    /// Dropped, because they were older than `stale_for`.
    Expired,
}

/// One thing that is odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceWarning {
    /// What it is.
    pub text: String,
    /// Since when.
    pub since: UnixTime,
}

impl SourceState {
    /// Its name in `/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never fetched",
            Self::FromDisk => "from disk",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// The sources of the configuration in force whose keys come later: fetched ones in its order, then the store. Made once per
/// process.
#[derive(Debug, Default)]
pub struct KeySourceStatuses(Mutex<Sources>);

#[derive(Default)]
struct Sources {
    fetched: Vec<Arc<StatusCell>>,
    stored: Vec<StoredKeys>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Sources {
    fn all(&self) -> impl Iterator<Item = SourceStatus> {
        let fetched = self.fetched.iter().map(|cell| cell.read());
        fetched.chain(self.stored.iter().map(StoredKeys::status))
    }
}

/// One source's status, which its refresher writes.
#[derive(Debug)]
pub(super) struct StatusCell(Mutex<SourceStatus>);

impl KeySourceStatuses {
    /// All sources, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<SourceStatus> {
        lock(&self.0).all().collect()
    }

    /// The sources of one issuer.
    #[must_use]
    pub fn of(&self, issuer: &str) -> Vec<SourceStatus> {
        let mut all = self.all();
        all.retain(|status| &*status.issuer == issuer);
        all
    }

    /// These sources, as they are.
    #[cfg(test)]
    pub(crate) fn of_test(statuses: Vec<SourceStatus>) -> Self {
        let cells = statuses
            .into_iter()
            .map(|status| Arc::new(StatusCell::new(status)));
        Self(Mutex::new(Sources {
            fetched: cells.collect(),
            stored: Vec::new(),
        }))
    }

    pub(super) fn replace(&self, fetched: Vec<Arc<StatusCell>>, stored: Vec<StoredKeys>) {
        *lock(&self.0) = Sources { fetched, stored };
    }
}

impl StatusCell {
    pub(super) fn new(status: SourceStatus) -> Self {
        Self(Mutex::new(status))
    }

    pub(super) fn read(&self) -> SourceStatus {
        lock(&self.0).clone()
    }

    pub(super) fn write(&self, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut lock(&self.0));
    }
}

/// Locks, also after a panic of another holder: each field is right by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
