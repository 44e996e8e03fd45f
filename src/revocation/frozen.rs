//! The table of one shard: sorted, never changed, 23 bytes an entry and an index.

use super::digest::Digest;
use super::entry::{Dates, Entry, PackedDates};

/// Sorted entries of one shard.
///
/// A look-up that finds nothing, and nearly all do, reads a place of the index and one bucket of `heads`: fifty bytes in a
/// row. The first byte of the digests is the shard's, and is not kept.
pub(super) struct Frozen {
    /// Where each bucket begins in the other two, and where the last one ends. A bucket has the heads with the same
    /// highest bits, 4 to 8 on the average.
    starts: Box<[u32]>,
    /// A head without its lowest `shift` bits is the number of its bucket.
    shift: u32,
    /// [`Digest::head`]
    heads: Box<[u64]>,
    /// The rest of each entry, which only a match of the head reads.
    rests: Box<[Rest]>,
}

/// 15 bytes, without alignment.
#[derive(Clone, Copy)]
struct Rest {
    /// [`Digest::tail`]
    tail: [u8; 7],
    dates: PackedDates,
}

/// Entries of a bucket, on the average, at most.
const BUCKET: usize = 8;

impl Frozen {
    /// A table of no entries.
    pub(super) fn empty() -> Self {
        Self {
            starts: [0, 0, 0].into(),
            shift: 63,
            heads: Box::default(),
            rests: Box::default(),
        }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The dates of the entries with that digest.
    pub(super) fn find(&self, digest: Digest) -> impl Iterator<Item = Dates> {
        let (head, tail) = (digest.head(), digest.tail());
        let bucket = self.bucket(head);
        let same_head = bucket
            .clone()
            .zip(&self.heads[bucket])
            .filter(move |(_, other)| **other == head);
        same_head.filter_map(move |(at, _)| {
            let rest = self.rests[at];
            (rest.tail == tail).then(|| Dates::unpack(rest.dates))
        })
    }

    /// Reads where a look-up of that digest begins, so that the memory is under way. What it says is of no use.
    pub(super) fn touch(&self, digest: Digest) -> u64 {
        let start = self.bucket(digest.head()).start;
        self.heads.get(start).copied().unwrap_or_default()
    }

    /// Where a head's bucket is.
    fn bucket(&self, head: u64) -> std::ops::Range<usize> {
        let number = bucket_number(head, self.shift);
        self.starts[number] as usize..self.starts[number + 1] as usize
    }

    /// All entries, in order.
    pub(super) fn entries(&self, shard: u8) -> impl Iterator<Item = Entry> {
        self.heads.iter().zip(&self.rests).map(move |(head, rest)| {
            let digest = Digest::join(shard, *head, rest.tail);
            let dates = Dates::unpack(rest.dates);
            Entry { digest, dates }
        })
    }
}

/// Takes sorted entries and leaves out those that another one covers.
pub(super) struct FrozenBuilder {
    heads: Vec<u64>,
    rests: Vec<Rest>,
    /// Of the entries that came last, which have the same digest.
    digest: Option<Digest>,
    same: Vec<Dates>,
}

impl FrozenBuilder {
    /// For at most that many entries.
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self {
            heads: Vec::with_capacity(entries),
            rests: Vec::with_capacity(entries),
            digest: None,
            same: Vec::new(),
        }
    }

    /// Takes the next entry, in the order of digests.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.digest != Some(entry.digest) {
            self.end_digest();
            self.digest = Some(entry.digest);
        }
        if !self.same.iter().any(|dates| dates.covers(entry.dates)) {
            self.same.retain(|dates| !entry.dates.covers(*dates));
            self.same.push(entry.dates);
        }
    }

    fn end_digest(&mut self) {
        let Some(digest) = self.digest else { return };
        for dates in self.same.drain(..) {
            self.heads.push(digest.head());
            self.rests.push(Rest {
                tail: digest.tail(),
                dates: dates.pack(),
            });
        }
    }

    /// The table.
    pub(super) fn build(mut self) -> Frozen {
        self.end_digest();
        let buckets = self.heads.len().div_ceil(BUCKET).next_power_of_two().max(2);
        let shift = u64::BITS - buckets.trailing_zeros();
        let mut starts = vec![0; buckets + 1];
        for head in &self.heads {
            starts[bucket_number(*head, shift) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Frozen {
            starts: starts.into(),
            shift,
            heads: self.heads.into(),
            rests: self.rests.into(),
        }
    }
}

/// The number of a head's bucket.
fn bucket_number(head: u64, shift: u32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer buckets than entries, which are counted in a usize"
    )]
    let number = (head >> shift) as usize;
    number
}
