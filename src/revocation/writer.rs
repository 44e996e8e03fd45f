//! The one who changes the set.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixTime;

use super::bulk::BulkLoad;
use super::current::CurrentUntil;
use super::digest::{Digest, DigestKey};
use super::entry::{Dates, Entry, present};
use super::kind::{KINDS, Revocation, RevocationKind, RevocationTarget};
use super::set::{RevocationSet, RevocationVersion};
use super::shard::{SHARDS, Shard, Weight};

/// Changes the revocations and publishes them.
///
/// It takes no lock and does no I/O; what it does to a set of millions takes time, though, and belongs on a thread that
/// may be busy. What is published shares its tables until they change.
pub struct RevocationWriter {
    key: DigestKey,
    version: RevocationVersion,
    newest: [u64; KINDS],
    shards: Vec<Arc<Shard>>,
    current_until: CurrentUntil,
}

impl RevocationWriter {
    /// A writer of its own random key, without revocations, whose sets are current for ever.
    ///
    /// # Errors
    /// `Randomness`, when the system has none.
    pub fn new() -> Result<Self, RevocationError> {
        Self::with_current_until(CurrentUntil::for_ever())
    }

    /// As [`Self::new`], of a list that has to be kept current.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_current_until(current_until: CurrentUntil) -> Result<Self, RevocationError> {
        Ok(Self::with_key(DigestKey::random()?, current_until))
    }

    /// A writer of that key, without revocations.
    pub(super) fn with_key(key: DigestKey, current_until: CurrentUntil) -> Self {
        Self {
            key,
            version: RevocationVersion {
                origin: new_origin(),
                sequence: 0,
            },
            newest: [0; KINDS],
            shards: (0..=u8::MAX).map(|n| Arc::new(Shard::empty(n))).collect(),
            current_until,
        }
    }

    /// Adds a revocation. It stands beside others of the same target: a token is refused when one of them refuses it.
    ///
    /// One that is there already changes nothing, so a feed may repeat itself.
    pub fn add(&mut self, revocation: &Revocation<'_>) {
        let entry = self.entry_of(revocation);
        let shard = &mut self.shards[usize::from(entry.digest.shard())];
        match shard.weigh(entry) {
            Weight::Nothing => {}
            Weight::LastsLonger => Arc::make_mut(shard).add(entry, 0),
            Weight::RefusesMore => {
                self.version.sequence += 1;
                let sequence = self.version.sequence;
                Arc::make_mut(shard).add(entry, sequence);
                self.newest[kind_index(revocation.target.kind())] = sequence;
            }
        }
    }

    /// Removes every revocation of that target, and says whether there was one.
    pub fn remove(&mut self, issuer: &str, target: RevocationTarget<'_>) -> bool {
        let digest = self.digest_of(issuer, target);
        let shard = &mut self.shards[usize::from(digest.shard())];
        let contains = shard.contains(digest);
        if contains {
            Arc::make_mut(shard).remove(digest);
        }
        contains
    }

    /// Forgets the revocations that no valid token needs any more: those whose `until` is `now` or earlier.
    ///
    /// A clock that may be set back has to be given some seconds back here.
    pub fn expire(&mut self, now: UnixTime) {
        let now = present(now);
        for shard in &mut self.shards {
            if shard.has_expired(now) {
                Arc::make_mut(shard).expire(now);
            }
        }
    }

    /// Begins to add many revocations at once, as at the start: far faster than one after the other.
    pub fn load(&mut self) -> BulkLoad<'_> {
        BulkLoad::new(self)
    }

    /// The present revocations, for those who check.
    #[must_use]
    pub fn publish(&self) -> Arc<RevocationSet> {
        let shards = self.shards.as_slice().into();
        Arc::new(RevocationSet::new(
            self.version,
            self.newest,
            self.key,
            shards,
            self.current_until.clone(),
        ))
    }

    /// The entry of a revocation.
    pub(super) fn entry_of(&self, revocation: &Revocation<'_>) -> Entry {
        Entry {
            digest: self.digest_of(revocation.issuer, revocation.target),
            dates: Dates::of(revocation),
        }
    }

    /// Adds what was collected for each shard, of these kinds.
    pub(super) fn add_loaded(
        &mut self,
        loaded: impl Iterator<Item = Vec<Entry>>,
        kinds: &[RevocationKind],
    ) {
        self.version.sequence += 1;
        let sequence = self.version.sequence;
        for kind in kinds {
            self.newest[kind_index(*kind)] = sequence;
        }
        // One after the other: what was collected for a shard is freed before the next one's table is built.
        for (shard, entries) in self.shards.iter_mut().zip(loaded) {
            if !entries.is_empty() {
                Arc::make_mut(shard).load(entries, sequence);
            }
        }
    }

    fn digest_of(&self, issuer: &str, target: RevocationTarget<'_>) -> Digest {
        self.key.of_issuer(issuer).of(target)
    }
}

impl fmt::Debug for RevocationWriter {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationWriter")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why there is no writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RevocationError {
    /// The system gave no random bytes for the key.
    #[error("no random bytes for the key of the revocation set")]
    Randomness,
}

/// The place of a kind in a list of all of them.
pub(super) fn kind_index(kind: RevocationKind) -> usize {
    usize::from(kind.code())
}

/// A number that no other writer of this process has; 1 is the empty set's.
fn new_origin() -> NonZeroU64 {
    static NEXT: AtomicU64 = AtomicU64::new(2);
    NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("2⁶⁴ writers are not made")
}

const _: () = assert!(SHARDS == u8::MAX as usize + 1);
