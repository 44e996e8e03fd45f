//! The entries whose digests begin with the same byte: a frozen table and a small delta.

use std::sync::Arc;

use crate::clock::UnixTime;

use super::digest::Digest;
use super::entry::{Dates, Entry, FOR_EVER};
use super::frozen::{Frozen, FrozenBuilder};

/// One 256th of the entries of a kind. A clone shares the table and copies the delta.
#[derive(Clone)]
pub(super) struct Shard {
    /// The first byte of the digests.
    number: u8,
    /// The sequence number of the newest addition, delta included.
    newest: u64,
    /// That of the newest addition in the table.
    newest_frozen: u64,
    /// No entry is over before this second.
    earliest_until: u32,
    frozen: Arc<Frozen>,
    /// What was added since, sorted.
    added: Vec<Entry>,
    /// Digests that were removed since and whose entries are still in the table, sorted.
    removed: Vec<Digest>,
    /// How many entries these are.
    removed_entries: usize,
}

/// How many shards there are: one for each byte.
pub(super) const SHARDS: usize = 256;

/// A delta is merged when it has more entries than this part of the table ..
const DELTA_PART: usize = 256;

/// .. and more than this: merging small tables again and again costs more than the little memory.
const DELTA_LEAST: usize = 32;

impl Shard {
    /// A shard of no entries.
    pub(super) fn empty(number: u8) -> Self {
        Self {
            number,
            newest: 0,
            newest_frozen: 0,
            earliest_until: FOR_EVER,
            frozen: Arc::new(Frozen::empty()),
            added: Vec::new(),
            removed: Vec::new(),
            removed_entries: 0,
        }
    }

    /// The number of entries that can refuse something.
    pub(super) fn len(&self) -> usize {
        self.frozen.len() - self.removed_entries + self.added.len()
    }

    /// Every entry that can refuse something.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let frozen = self.frozen.entries(self.number);
        let kept = frozen.filter(|entry| self.removed.binary_search(&entry.digest).is_err());
        kept.chain(self.added.iter().copied())
    }

    /// Whether an entry with that digest, added after the number `seen`, refuses a token of that `iat`.
    pub(super) fn refuses(&self, digest: Digest, seen: u64, issued_at: UnixTime) -> bool {
        if seen >= self.newest {
            return false;
        }
        // Most deltas are empty.
        (!self.added.is_empty()
            && self
                .added_with(digest)
                .iter()
                .any(|entry| entry.dates.refuses(issued_at)))
            || (seen < self.newest_frozen
                && self
                    .frozen_with(digest)
                    .any(|dates| dates.refuses(issued_at)))
    }

    /// As [`Frozen::touch`], where [`Self::refuses`] would look.
    pub(super) fn touch(&self, digest: Digest, seen: u64) -> u64 {
        if seen >= self.newest_frozen {
            return 0;
        }
        self.frozen.touch(digest)
    }

    /// What adding `entry` would change.
    pub(super) fn weigh(&self, entry: Entry) -> Weight {
        let mut weight = Weight::RefusesMore;
        let added = self.added_with(entry.digest).iter();
        let all = added
            .map(|entry| entry.dates)
            .chain(self.frozen_with(entry.digest));
        for dates in all {
            if dates.covers(entry.dates) {
                return Weight::Nothing;
            }
            if dates.refuses_all_of(entry.dates) {
                weight = Weight::LastsLonger;
            }
        }
        weight
    }

    /// Adds an entry, of the sequence number `newest` unless it refuses no more than those that are here.
    pub(super) fn add(&mut self, entry: Entry, newest: u64) {
        self.newest = newest.max(self.newest);
        self.earliest_until = self.earliest_until.min(entry.dates.until());
        self.added
            .retain(|old| old.digest != entry.digest || !entry.dates.covers(old.dates));
        let place = self.added.partition_point(|old| *old < entry);
        self.added.insert(place, entry);
        self.merge_if_full();
    }

    /// Whether there is an entry with that digest.
    pub(super) fn contains(&self, digest: Digest) -> bool {
        !self.added_with(digest).is_empty() || self.frozen_with(digest).next().is_some()
    }

    /// Removes every entry with that digest.
    pub(super) fn remove(&mut self, digest: Digest) {
        let frozen = self.frozen_with(digest).count();
        self.added.retain(|entry| entry.digest != digest);
        if frozen > 0 {
            let place = self.removed.partition_point(|other| *other < digest);
            self.removed.insert(place, digest);
            self.removed_entries += frozen;
        }
        self.merge_if_full();
    }

    /// Whether [`Self::expire`] would change anything, or may.
    pub(super) fn has_expired(&self, now: u32) -> bool {
        self.earliest_until <= now
    }

    /// Forgets what is over at `now`.
    pub(super) fn expire(&mut self, now: u32) {
        let added = std::mem::take(&mut self.added);
        self.merge(&added, Some(now));
    }

    /// Adds many at once, of the sequence number `newest`.
    pub(super) fn load(&mut self, mut entries: Vec<Entry>, newest: u64) {
        self.newest = newest;
        entries.append(&mut self.added);
        entries.sort_unstable();
        self.merge(&entries, None);
    }

    fn merge_if_full(&mut self) {
        let most = DELTA_LEAST.max(self.frozen.len() / DELTA_PART);
        if self.added.len() + self.removed.len() > most {
            let added = std::mem::take(&mut self.added);
            self.merge(&added, None);
        }
    }

    /// Builds the table anew, of what was not removed, `added`, which is sorted, and not over at `now`, if that matters.
    fn merge(&mut self, added: &[Entry], now: Option<u32>) {
        let mut builder = FrozenBuilder::with_capacity(self.frozen.len() + added.len());
        let mut earliest_until = FOR_EVER;
        let mut take = |entry: Entry| {
            if !now.is_some_and(|now| entry.dates.is_over(now)) {
                earliest_until = earliest_until.min(entry.dates.until());
                builder.push(entry);
            }
        };
        let mut added = added.iter().copied().peekable();
        let mut removed = self.removed.iter().copied().peekable();
        for entry in self.frozen.entries(self.number) {
            while removed.next_if(|other| *other < entry.digest).is_some() {}
            if removed.peek() == Some(&entry.digest) {
                continue;
            }
            while let Some(new) = added.next_if(|new| *new < entry) {
                take(new);
            }
            take(entry);
        }
        added.for_each(&mut take);
        self.earliest_until = earliest_until;
        self.frozen = Arc::new(builder.build());
        self.newest_frozen = self.newest;
        self.added = Vec::new();
        self.removed = Vec::new();
        self.removed_entries = 0;
    }

    /// The entries of the delta with that digest.
    fn added_with(&self, digest: Digest) -> &[Entry] {
        let from = self.added.partition_point(|entry| entry.digest < digest);
        let from_here = &self.added[from..];
        let count = from_here.partition_point(|entry| entry.digest == digest);
        &from_here[..count]
    }

    /// The dates of the table's entries with that digest, if they were not removed.
    fn frozen_with(&self, digest: Digest) -> impl Iterator<Item = Dates> {
        self.frozen
            .find(digest)
            // Asked only where there is an entry.
            .filter(move |_| self.removed.binary_search(&digest).is_err())
    }
}

/// What an addition would change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weight {
    /// Nothing: it is here already.
    Nothing,
    /// No token is refused that was not before, but for longer.
    LastsLonger,
    /// Tokens may be refused that were clean.
    RefusesMore,
}
