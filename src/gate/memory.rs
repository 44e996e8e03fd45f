//! What a worker remembers from one decision to the next. None of it can make a token good or bad: it changes what a decision
//! costs, and whether the next wrong signature of a client is looked at.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::jwt::{JoseHeader, PreparedKeys, TokenError};
use crate::metrics::WorkerId;
use crate::revocation::RevocationVersion;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::token_cache::TokenCache;

use super::SignatureBudget;
use super::key_tallies::KeyTallies;
use super::unknown_kids::UnknownKids;

/// When a token was last found not to be revoked, if it was.
pub(super) type FoundClean = Option<RevocationVersion>;

/// The memory of one worker: the verified tokens, the headers of verified tokens, the keys in use, who sent tokens with a
/// wrong signature, and which names of keys were asked for.
///
/// Not to be used again after a panic in the middle of a decision: whoever catches one makes a new one.
pub struct WorkerMemory {
    pub(super) tokens: TokenCache<FoundClean>,
    pub(super) headers: HeaderMemo,
    pub(super) keys: PreparedKeys,
    pub(super) budget: SignatureBudget,
    pub(super) counts: MemoryCounts,
    pub(super) tallies: KeyTallies,
    /// `None`: of no worker that serves. Nothing is asked for, and no key counted.
    worker: Option<WorkerId>,
    unknown_kids: UnknownKids,
    snapshot: Option<SnapshotId>,
}

/// What the token cache did and holds, and which signatures had to be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryCounts {
    /// Tokens that were found.
    pub hits: u64,
    /// Tokens that had to be verified, or refused.
    pub misses: u64,
    /// Bytes that the tokens take.
    pub bytes: u64,
    /// Tokens that are held.
    pub entries: u64,
    /// Signatures that were checked and good.
    pub good_signatures: u64,
    /// Signatures that were checked and wrong.
    pub bad_signatures: u64,
}

impl WorkerMemory {
    /// Of a worker that remembers nothing yet, and at most `token_cache` bytes of tokens (0: none). It counts which keys are
    /// used, and asks for those that it does not know.
    #[must_use]
    pub fn of_worker(worker: WorkerId, token_cache: u64) -> Self {
        Self {
            worker: Some(worker),
            ..Self::new(token_cache)
        }
    }

    /// The same for who only wants to know how a decision would be: its decisions leave no trace outside, so that no key
    /// counts as used by them, and no provider hears of them.
    #[must_use]
    pub fn new(token_cache: u64) -> Self {
        Self {
            tokens: TokenCache::new(token_cache),
            headers: HeaderMemo::default(),
            keys: PreparedKeys::default(),
            budget: SignatureBudget::default(),
            counts: MemoryCounts::default(),
            tallies: KeyTallies::default(),
            worker: None,
            unknown_kids: UnknownKids::default(),
            snapshot: None,
        }
    }

    /// Forgets the keys that `snapshot` does not have, and takes over its limits. Every decision begins with it; a worker
    /// without requests calls it once a second. Tokens are not looked through: each is judged when it comes.
    #[inline]
    pub fn settle(&mut self, snapshot: &Snapshot) {
        if self.snapshot != Some(snapshot.id) {
            self.take_over(snapshot);
        }
    }

    #[cold]
    fn take_over(&mut self, snapshot: &Snapshot) {
        self.snapshot = Some(snapshot.id);
        self.budget.set_limits(snapshot.limits.bad_signatures);
        self.keys.retain(&snapshot.issuers);
        if let Some(worker) = self.worker {
            self.tallies = KeyTallies::of(worker, snapshot);
        }
    }

    /// A token names a key of an issuer that is not known, or none: asks for newer keys, and goes on. The answer to the token
    /// is the same whether anybody hears that.
    pub(super) fn misses_key(
        &mut self,
        snapshot: &Snapshot,
        issuer: usize,
        kid: Option<&str>,
        now: UnixTime,
    ) {
        let Some(worker) = self.worker else { return };
        let retired = kid.and_then(|kid| snapshot.key_uses.retired(issuer, kid));
        if let Some(tally) = retired.and_then(|key| key.tally(worker)) {
            tally.presented(now.seconds());
        }
        let requester = snapshot.key_requesters.get(issuer).and_then(Option::as_ref);
        let (Some(requester), Some(config)) = (requester, snapshot.config.issuers.get(issuer))
        else {
            return;
        };
        let gap = config.refresh.unknown_kid_gap;
        // Read before it is asked: a fetch that begins between the two is one more reason to ask.
        let state = (requester.last_begun(), now);
        if self
            .unknown_kids
            .is_to_be_asked(&config.name, kid, gap, state)
        {
            requester.unknown_kid(kid);
        }
    }

    /// Begins anew with a token cache of so many bytes.
    pub fn resize_token_cache(&mut self, bytes: u64) {
        self.tokens = TokenCache::new(bytes);
    }

    /// What was done since the last call, and what the token cache holds now.
    pub fn take_counts(&mut self) -> MemoryCounts {
        MemoryCounts {
            bytes: self.tokens.bytes(),
            entries: u64::try_from(self.tokens.len()).unwrap_or(u64::MAX),
            ..std::mem::take(&mut self.counts)
        }
    }

    /// Keys that are prepared.
    #[must_use]
    pub fn prepared_keys(&self) -> usize {
        self.keys.len()
    }
}

/// JOSE headers of tokens that were verified: an issuer's tokens have few different ones.
#[derive(Default)]
pub(super) struct HeaderMemo {
    known: Vec<(Box<[u8]>, Arc<JoseHeader>)>,
    /// What gives way to the next new one.
    oldest: usize,
}

impl HeaderMemo {
    /// Most headers that are known.
    const MOST: usize = 16;
    /// Bytes of the longest encoded header that is kept.
    const MOST_BYTES: usize = 1024;

    /// The header of those bytes: known, or parsed now.
    pub(super) fn get(&self, encoded: &[u8]) -> Result<Arc<JoseHeader>, TokenError> {
        match self.known.iter().find(|(known, _)| **known == *encoded) {
            Some((_, header)) => Ok(Arc::clone(header)),
            None => JoseHeader::parse(encoded).map(Arc::new),
        }
    }

    /// Keeps the header of a token whose signature was good; nobody else can fill this.
    pub(super) fn keep(&mut self, encoded: &[u8], header: &Arc<JoseHeader>) {
        if encoded.len() > Self::MOST_BYTES
            || self.known.iter().any(|(known, _)| **known == *encoded)
        {
            return;
        }
        let new = (encoded.into(), Arc::clone(header));
        match self.known.get_mut(self.oldest) {
            Some(oldest) => *oldest = new,
            None => self.known.push(new),
        }
        self.oldest = (self.oldest + 1) % Self::MOST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Algorithm;

    fn header(number: usize) -> (Vec<u8>, Arc<JoseHeader>) {
        let header = JoseHeader {
            algorithm: Algorithm::Rs256,
            kid: Some(number.to_string().into()),
            typ: None,
        };
        (format!("header-{number}").into_bytes(), Arc::new(header))
    }

    #[test]
    fn the_header_memo_forgets_the_oldest() {
        let mut memo = HeaderMemo::default();
        for number in 0..2 * HeaderMemo::MOST + 3 {
            let (encoded, parsed) = header(number);
            assert!(memo.get(&encoded).is_err(), "not base64url of JSON");
            memo.keep(&encoded, &parsed);
            memo.keep(&encoded, &parsed);
            assert_eq!(memo.get(&encoded), Ok(parsed));
            assert_eq!(memo.known.len(), (number + 1).min(HeaderMemo::MOST));
            let last = number.saturating_sub(HeaderMemo::MOST - 1);
            assert!(memo.get(&header(last).0).is_ok());
        }
        let long = vec![b'x'; HeaderMemo::MOST_BYTES + 1];
        memo.keep(&long, &header(0).1);
        assert!(memo.get(&long).is_err());
    }
}
