//! A JWK Set that was fetched and found good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::jwt::{JwkSetError, parse_jwk_set};

/// Most keys that are remembered after they have left the set: as many as one may hold.
const GONE_REMEMBERED: usize = 100;

/// Longest `ETag` that is kept; one that is longer is nobody's in earnest, and costs a whole answer each time at worst.
const MAX_ETAG: usize = 1024;

/// A JWK Set that was fetched and found good: the document, and what is known of it.
#[derive(Clone, Debug)]
pub struct HeldSet {
    /// The document as it came: at most 1 MiB.
    pub document: Arc<[u8]>,
    /// Its validator, for a conditional request.
    pub etag: Option<Box<str>>,
    /// When the provider last said that this is its set.
    pub fetched: UnixTime,
    /// Whether it was kept from an earlier process, and no provider has confirmed it since.
    pub from_disk: bool,
    /// When each key was first seen, by thumbprint: those of the set, and some that have left it.
    pub first_seen: BTreeMap<[u8; 32], UnixTime>,
    keys: usize,
    contents: BTreeSet<String>,
}

/// Why a document does not become the set in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedSet {
    /// It is no JWK Set.
    #[error(transparent)]
    NotASet(#[from] JwkSetError),
    /// None of its keys can be used with any algorithm.
    #[error("no usable key")]
    Empty,
}

impl HeldSet {
    /// Reads a document that was fetched at that time.
    ///
    /// # Errors
    /// [`RefusedSet`]
    pub(super) fn new(
        document: Vec<u8>,
        etag: Option<Box<str>>,
        fetched: UnixTime,
    ) -> Result<Self, RefusedSet> {
        let parsed = parse_jwk_set(&document)?;
        if parsed.keys.is_empty() {
            return Err(RefusedSet::Empty);
        }
        let skipped = parsed.skipped.iter();
        let skipped = skipped.map(|key| format!("skipped {:?}: {}", key.kid, key.error));
        let keys = parsed.keys.iter();
        let first_seen = keys.clone().map(|key| (*key.thumbprint(), fetched));
        let lines = keys.map(|key| {
            let algorithms: Vec<_> = key.algorithms().iter().collect();
            format!("{:?} {:?} {algorithms:?}", key.kid(), key.thumbprint())
        });
        Ok(Self {
            first_seen: first_seen.collect(),
            keys: parsed.keys.len(),
            contents: lines.chain(skipped).collect(),
            document: document.into(),
            etag: etag.filter(|etag| etag.len() <= MAX_ETAG),
            fetched,
            from_disk: false,
        })
    }

    /// Keys that can be used with some algorithm, whether the issuer lists it or not.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Whether it was fetched more than `stale_for` ago: then it is in force no more.
    #[must_use]
    pub fn is_stale(&self, now: UnixTime, stale_for: Duration) -> bool {
        self.fetched.plus(stale_for) < now
    }

    /// What it says, whatever the order and the spelling.
    pub(super) fn contents(&self) -> &BTreeSet<String> {
        &self.contents
    }

    /// The set that follows `old`: it remembers when their keys were first seen.
    pub(super) fn after(mut self, old: &Self) -> Self {
        let mut gone: Vec<([u8; 32], UnixTime)> = Vec::new();
        for (thumbprint, &time) in &old.first_seen {
            match self.first_seen.get_mut(thumbprint) {
                Some(seen) => *seen = time.min(*seen),
                None => gone.push((*thumbprint, time)),
            }
        }
        // The newest ones: the others have most likely left long ago.
        gone.sort_unstable_by_key(|(_, time)| std::cmp::Reverse(*time));
        gone.truncate(GONE_REMEMBERED);
        self.first_seen.extend(gone);
        self
    }
}
