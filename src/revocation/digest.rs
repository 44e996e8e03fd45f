//! The digest of (issuer, kind, value).

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::kind::RevocationTarget;
use super::writer::RevocationError;

/// A random key of one writer: who does not know it cannot choose values whose digests collide, or lie together.
///
/// SipHash-1-3 with 128 bits of output: a pseudorandom function made for inputs that others choose, as Rust's own tables use
/// it, and several times faster on 60 bytes than a truncated HMAC or BLAKE3. Digests leave the process only together with
/// the key, for a private file: nobody else has any that could tell of it.
#[derive(Clone, Copy)]
pub(super) struct DigestKey(SipHasher13);

impl DigestKey {
    /// A key that nobody has seen.
    pub(super) fn random() -> Result<Self, RevocationError> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RevocationError::Randomness)?;
        Ok(Self::from_bytes(bytes))
    }

    /// A key that is known, for a set that has no entries.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(&bytes))
    }

    /// The key, to be kept.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.key()
    }

    /// The digests of one issuer. Its name is hashed once for all the kinds of a check.
    pub(super) fn of_issuer(&self, issuer: &str) -> IssuerDigests {
        let mut hasher = self.0;
        // The length first: no other split of the same bytes has the same digest. Then whole words, so that those of the
        // value need not be shifted into place for each kind.
        hasher.write_u64(issuer.len() as u64);
        hasher.write(issuer.as_bytes());
        hasher.write(&[0; WORD][..issuer.len().next_multiple_of(WORD) - issuer.len()]);
        IssuerDigests(hasher)
    }
}

/// Bytes that the hash takes at once.
const WORD: usize = 8;

/// A [`DigestKey`] that has seen an issuer.
pub(super) struct IssuerDigests(SipHasher13);

impl IssuerDigests {
    /// The digest of a target of that issuer.
    pub(super) fn of(&self, target: RevocationTarget<'_>) -> Digest {
        let mut hasher = self.0;
        hasher.write_u64(target.kind().code().into());
        // The last part needs no length: where it begins is known.
        hasher.write(target.value().as_bytes());
        let hash = hasher.finish128();
        Digest {
            high: hash.h1,
            low: hash.h2,
        }
    }
}

/// 128 bits that stand for an issuer, a kind and a value. Ordered as the tables are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Digest {
    high: u64,
    low: u64,
}

impl Digest {
    /// The first byte: which shard.
    pub(super) fn shard(self) -> u8 {
        self.high.to_be_bytes()[0]
    }

    /// The eight bytes after the first.
    pub(super) fn head(self) -> u64 {
        (self.high << 8) | u64::from(self.low.to_be_bytes()[0])
    }

    /// The seven bytes after those.
    pub(super) fn tail(self) -> [u8; 7] {
        let [_, tail @ ..] = self.low.to_be_bytes();
        tail
    }

    /// Its 16 bytes, in the order in which digests are.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.high) << 64) | u128::from(self.low)).to_be_bytes()
    }

    /// The digest of these bytes.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let (mut high, mut low) = ([0; 8], [0; 8]);
        high.copy_from_slice(&bytes[..8]);
        low.copy_from_slice(&bytes[8..]);
        Self {
            high: u64::from_be_bytes(high),
            low: u64::from_be_bytes(low),
        }
    }

    /// The digest of these parts.
    pub(super) fn join(shard: u8, head: u64, tail: [u8; 7]) -> Self {
        // The last byte of the head, and the tail.
        let mut low = [0; 8];
        low[0] = head.to_be_bytes()[7];
        low[1..].copy_from_slice(&tail);
        Self {
            high: (u64::from(shard) << 56) | (head >> 8),
            low: u64::from_be_bytes(low),
        }
    }
}
