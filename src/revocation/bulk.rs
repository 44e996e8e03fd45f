//! Many revocations at once.

use super::entry::Entry;
use super::kind::{Revocation, RevocationKind};
use super::shard::SHARDS;
use super::writer::RevocationWriter;

/// Collects revocations and adds them all at the end; dropped without it, none.
///
/// Needs at most 30 bytes for each while it collects, and 24 for each besides, a shard at a time, at the end.
#[must_use = "nothing is added before `finish`"]
#[derive(Debug)]
pub struct BulkLoad<'w> {
    writer: &'w mut RevocationWriter,
    /// By the first byte of the digest.
    entries: Vec<Vec<Entry>>,
    kinds: Vec<RevocationKind>,
}

impl<'w> BulkLoad<'w> {
    pub(super) fn new(writer: &'w mut RevocationWriter) -> Self {
        Self {
            writer,
            entries: vec![Vec::new(); SHARDS],
            kinds: Vec::new(),
        }
    }

    /// Takes one.
    pub fn add(&mut self, revocation: &Revocation<'_>) {
        let entry = self.writer.entry_of(revocation);
        let entries = &mut self.entries[usize::from(entry.digest.shard())];
        if entries.len() == entries.capacity() {
            // A vector that doubles would take up to 48 bytes an entry.
            entries.reserve_exact(entries.len() / GROWTH + LEAST);
        }
        entries.push(entry);
        let kind = revocation.target.kind();
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Adds what was taken. Every token is checked against it, once.
    pub fn finish(self) {
        if !self.kinds.is_empty() {
            let loaded = self.entries.into_iter();
            self.writer.add_loaded(loaded, &self.kinds);
        }
    }
}

/// A full vector grows by this part of its length ..
const GROWTH: usize = 8;

/// .. and by this many entries.
const LEAST: usize = 32;
