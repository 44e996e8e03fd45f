//! The set in force as its refresher sees it.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::KeyRefresh;
use crate::jwt::{AlgorithmSet, SkippedKey};
use crate::keys::requester::cut;
use crate::keys::{HeldSet, usable_keys};

/// A set, and what the issuer can do with it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) set: Arc<HeldSet>,
    /// Keys that the issuer can use.
    pub(super) usable: usize,
    pub(super) skipped: Vec<SkippedKey>,
    kids: Vec<Box<str>>,
}

impl Held {
    /// Reads a set for an issuer with these algorithms.
    pub(super) fn new(set: Arc<HeldSet>, algorithms: AlgorithmSet) -> Self {
        // A set for which the configuration has changed may have none.
        let (keys, skipped) = usable_keys(&set.document, algorithms).unwrap_or_default();
        let kids = keys.iter().filter_map(|key| key.kid());
        Self {
            usable: keys.iter().len(),
            kids: kids.map(|kid| cut(kid).into()).collect(),
            skipped,
            set,
        }
    }

    /// Whether the issuer can use a key of this name, which a [`super::KeyRequester`] has cut.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.kids.iter().any(|known| **known == *kid)
    }

    /// What makes the next request conditional. A set without a usable key is not asked for by its name: the answer could
    /// only be that it is still the same.
    pub(super) fn etag(&self) -> Option<Box<str>> {
        self.set.etag.clone().filter(|_| self.usable > 0)
    }

    /// The last second in which it serves.
    pub(super) fn serves_until(&self, refresh: &KeyRefresh) -> UnixTime {
        self.set.fetched.plus(refresh.stale_for)
    }

    /// Whether less than a quarter of the time for which it serves is left.
    pub(super) fn near_end(&self, refresh: &KeyRefresh, now: UnixTime) -> bool {
        now >= self.set.fetched.plus(refresh.stale_for.mul_f64(0.75))
    }
}
