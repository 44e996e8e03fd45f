//! Tokens that were verified, remembered: a hit costs no crypto and allocates nothing.
//!
//! One cache for each worker, bounded by bytes. It holds what is true of a token for every route (what it says, under which
//! policy and by which key it was verified), never a decision: the route's rules, the times and the revocations are looked at
//! on every hit. It holds no key, so that a key that was removed is gone.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use quick_cache::unsync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use crate::headers::{ClaimFields, ClaimHeaders, FieldWriter, HeaderSetId};
use crate::jwt::{Issuer, KeyPlace, VerifiedToken};

/// The verified tokens of one worker. `N` is what the owner notes down on each.
pub struct TokenCache<N> {
    /// `None`: nothing is remembered.
    tokens: Option<Tokens<N>>,
    writer: FieldWriter,
}

type Tokens<N> = Cache<Key, Held<N>, Bytes, RandomState>;

impl<N: Copy + Default> TokenCache<N> {
    /// A cache that takes `bytes` of memory at most, all told; with 0 it remembers nothing.
    ///
    /// New tokens have to be seen twice within a while before they take the place of one that was: a flood of tokens that
    /// come once does not flush those that come again.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self {
            tokens: (bytes > 0).then(|| Self::tokens(bytes)),
            writer: FieldWriter::default(),
        }
    }

    fn tokens(bytes: u64) -> Tokens<N> {
        // A remembered hash is of a token that was dropped lately; there are at most half as many as tokens expected.
        let expected = usize::try_from(bytes / EXPECTED_WEIGHT).unwrap_or(usize::MAX);
        let remembered = u64::try_from(expected / 2).unwrap_or(0) * SLOT_BYTES;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(expected)
            .ghost_allocation(0.5)
            .weight_capacity(bytes.saturating_sub(remembered).max(1))
            .build()
            .expect("invariant: both capacities are given");
        Cache::with_options(
            options,
            Bytes,
            RandomState::new(),
            DefaultLifecycle::default(),
        )
    }

    /// A token that was verified, whole and byte for byte.
    #[must_use]
    pub fn get(&self, token: &[u8]) -> Option<Rc<CachedToken<N>>> {
        let held = self.tokens.as_ref()?.get(&Presented(token))?;
        Some(Rc::clone(&held.token))
    }

    /// Remembers a token that was just verified by the key at that place in `snapshot`, if there is room for it. Its field
    /// lines for `headers` are built now.
    pub fn insert(
        &mut self,
        token: &[u8],
        verified: VerifiedToken,
        in_force: (u64, KeyPlace),
        headers: &ClaimHeaders,
    ) -> Rc<CachedToken<N>> {
        let verified = Rc::new(CachedToken {
            token: verified,
            in_force: Cell::new(in_force),
            note: Cell::default(),
            fields: RefCell::default(),
        });
        verified.build(headers, &mut self.writer);
        if let Some(cache) = &mut self.tokens {
            let held = Held {
                bytes: verified.bytes(token.len()),
                token: Rc::clone(&verified),
            };
            cache.insert(Key(token.into()), held);
        }
        verified
    }

    /// Forgets a token.
    pub fn remove(&mut self, token: &[u8]) {
        if let Some(cache) = &mut self.tokens {
            cache.remove(&Presented(token));
        }
    }

    /// The field lines of a token for the headers of a route: built once for each of a few sets.
    pub fn fields(
        &mut self,
        token: &[u8],
        verified: &Rc<CachedToken<N>>,
        headers: &ClaimHeaders,
    ) -> Rc<ClaimFields> {
        if let Some(fields) = verified.built(headers.id()) {
            return fields;
        }
        let fields = verified.build(headers, &mut self.writer);
        if let Some(cache) = &mut self.tokens {
            if let Some(mut held) = cache.peek_mut(&Presented(token))
                && Rc::ptr_eq(&held.token, verified)
            {
                held.bytes = verified.bytes(token.len());
            }
            // What one token gained another may have to give.
            if cache.weight() > cache.capacity() {
                cache.set_capacity(cache.capacity());
            }
        }
        fields
    }

    /// Tokens that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, Cache::len)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tokens.as_ref().map_or(0, Cache::weight)
    }
}

/// A token that was verified, and what was found out about it since.
pub struct CachedToken<N> {
    token: VerifiedToken,
    /// The last snapshot under which it was found in force, and the place of its key there.
    in_force: Cell<(u64, KeyPlace)>,
    note: Cell<N>,
    fields: RefCell<Sets>,
}

/// Field lines by set of claim headers, the oldest first.
type Sets = SmallVec<[(HeaderSetId, Rc<ClaimFields>); 1]>;

impl<N: Copy + Default> CachedToken<N> {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// The place of its key, if it was found in that snapshot before.
    #[must_use]
    pub fn place_in(&self, snapshot: u64) -> Option<KeyPlace> {
        let (found, place) = self.in_force.get();
        (found == snapshot).then_some(place)
    }

    /// Finds the place of its key in a snapshot, if policy and key are in force there, and remembers it.
    #[must_use]
    pub fn find_place(&self, snapshot: u64, issuers: &[Arc<Issuer>]) -> Option<KeyPlace> {
        let place = self.token.place_among(issuers)?;
        self.in_force.set((snapshot, place));
        Some(place)
    }

    /// What the owner noted down.
    #[must_use]
    pub fn note(&self) -> N {
        self.note.get()
    }

    /// Notes something down.
    pub fn set_note(&self, note: N) {
        self.note.set(note);
    }

    fn built(&self, set: HeaderSetId) -> Option<Rc<ClaimFields>> {
        let sets = self.fields.borrow();
        let (_, fields) = sets.iter().find(|(id, _)| *id == set)?;
        Some(Rc::clone(fields))
    }

    fn build(&self, headers: &ClaimHeaders, writer: &mut FieldWriter) -> Rc<ClaimFields> {
        let fields = Rc::new(headers.fields(self.token.claims().all(), writer));
        let mut sets = self.fields.borrow_mut();
        if sets.len() >= MOST_SETS {
            sets.remove(0);
        }
        sets.push((headers.id(), Rc::clone(&fields)));
        fields
    }

    /// Bytes that it takes in the cache, for a token of that length.
    fn bytes(&self, length: usize) -> u64 {
        let sets = self.fields.borrow();
        let spilled = if sets.spilled() {
            sets.capacity() * size_of::<(HeaderSetId, Rc<ClaimFields>)>()
        } else {
            0
        };
        let built: usize = sets
            .iter()
            .map(|(_, fields)| fields.heap_bytes() + size_of::<ClaimFields>() + COUNTS)
            .sum();
        let bytes = length + size_of::<Self>() + COUNTS + self.token.heap_bytes() + spilled + built;
        // Allocators round up to one of eight sizes between powers of two: an eighth is the most that it costs.
        u64::try_from(bytes + bytes / 8).unwrap_or(u64::MAX) + SLOT_BYTES
    }
}

/// A token in the cache.
struct Held<N> {
    token: Rc<CachedToken<N>>,
    /// Its weight: changed where the cache sees it, never behind its back.
    bytes: u64,
}

/// A whole token.
struct Key(Box<[u8]>);

/// A token of a request.
struct Presented<'t>(&'t [u8]);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

impl Equivalent<Key> for Presented<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.0 == *key.0
    }
}

impl Hash for Presented<'_> {
    /// Only of the end: it belongs to the signature, and only tokens whose signature is good are ever kept, so that nobody
    /// chooses what is hashed without the issuer's key. What has the same end is told apart by the comparison. Hashing the
    /// whole of a token with the same keyed function costs more than all the rest of a hit.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = self.0.len().saturating_sub(HASHED);
        state.write(&self.0[end..]);
    }
}

/// Weighs by bytes.
struct Bytes;

impl<N> Weighter<Key, Held<N>> for Bytes {
    fn weight(&self, _: &Key, held: &Held<N>) -> u64 {
        held.bytes
    }
}

/// Bytes of a token's end that are hashed: more than any signature of elliptic curves or HMAC with SHA-256 has random bits.
const HASHED: usize = 64;

/// Most sets of claim headers whose lines are kept with a token; most configurations have one.
const MOST_SETS: usize = 4;

/// The counts of an `Rc`.
const COUNTS: usize = 2 * size_of::<usize>();

/// Bytes of a slot of the cache's own lists and table, twice, since they grow by doubling.
const SLOT_BYTES: u64 = 2 * 64;

/// What a token takes, in the mean, if it is small: only the number of hashes that are remembered follows from it.
const EXPECTED_WEIGHT: u64 = 4096;

#[cfg(test)]
mod tests;
