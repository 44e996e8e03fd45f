//! What is counted of remote keys. Off the path of requests, but for one count of a token that is refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::registry::lock;

/// Counters of one issuer's remote keys.
#[derive(Debug, Default)]
pub struct KeyMetrics {
    fetches: [AtomicU64; KeyFetch::ALL.len()],
    requests: AtomicU64,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum KeyFetch {
    /// Another set than before.
    New,
    /// The set that is in force.
    Same,
    /// Status 304: the set that is in force.
    NotModified,
    /// No usable set.
    Failed,
}

impl KeyFetch {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 4] = [Self::New, Self::Same, Self::NotModified, Self::Failed];

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::NotModified => "not_modified",
            Self::Failed => "failed",
        }
    }
}

impl KeyMetrics {
    /// A fetch ended: `portcullis_key_fetches_total{issuer,outcome}`.
    pub fn fetched(&self, outcome: KeyFetch) {
        self.fetches[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A token named a key that is not in force: `portcullis_key_requests_total{issuer}`.
    pub fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fetches(&self, outcome: KeyFetch) -> u64 {
        self.fetches[outcome as usize].load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// The age of one remote source's set: shown while its holder keeps it.
#[derive(Debug)]
pub struct KeySetAge {
    issuer: Arc<str>,
    seconds: AtomicI64,
}

/// No set.
const NONE: i64 = -1;

impl KeySetAge {
    /// So many seconds ago the set was fetched or confirmed; `None` if there is no set.
    pub fn set(&self, seconds: Option<i64>) {
        // A clock that was set back makes no set younger than new.
        let seconds = seconds.map_or(NONE, |seconds| seconds.max(0));
        self.seconds.store(seconds, Ordering::Relaxed);
    }
}

/// All sources that exist.
#[derive(Debug, Default)]
pub(super) struct KeySetAges(Mutex<Vec<Weak<KeySetAge>>>);

impl KeySetAges {
    pub(super) fn add(&self, issuer: &Arc<str>) -> Arc<KeySetAge> {
        let age = Arc::new(KeySetAge {
            issuer: Arc::clone(issuer),
            seconds: AtomicI64::new(NONE),
        });
        let mut all = lock(&self.0);
        all.retain(|age| age.strong_count() > 0);
        all.push(Arc::downgrade(&age));
        age
    }

    /// The oldest set of each issuer that has one.
    pub(super) fn oldest(&self) -> BTreeMap<Arc<str>, i64> {
        let mut oldest = BTreeMap::new();
        for age in lock(&self.0).iter().filter_map(Weak::upgrade) {
            let seconds = age.seconds.load(Ordering::Relaxed);
            if seconds != NONE {
                let known = oldest.entry(Arc::clone(&age.issuer)).or_insert(seconds);
                *known = seconds.max(*known);
            }
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_stand_at_their_own_index() {
        for (index, outcome) in KeyFetch::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn an_issuer_shows_its_oldest_set_while_the_source_exists() {
        let ages = KeySetAges::default();
        let (corp, other): (Arc<str>, Arc<str>) = ("corp".into(), "other".into());
        let (a, b) = (ages.add(&corp), ages.add(&corp));
        let c = ages.add(&other);
        assert!(ages.oldest().is_empty());
        a.set(Some(10));
        b.set(Some(20));
        c.set(Some(-5));
        let shown = |ages: &KeySetAges| -> Vec<(String, i64)> {
            let all = ages.oldest().into_iter();
            all.map(|(issuer, age)| (issuer.to_string(), age)).collect()
        };
        assert_eq!(shown(&ages), [("corp".into(), 20), ("other".into(), 0)]);
        drop(b);
        c.set(None);
        assert_eq!(shown(&ages), [("corp".into(), 10)]);
    }
}
