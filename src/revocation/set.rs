//! What a decision asks.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::json::Value;
use crate::jwt::ClaimsSet;

use super::digest::{Digest, DigestKey};
use super::kind::{KINDS, RevocationKind, RevocationTarget};
use super::shard::Shard;

/// The revocations of one moment. Immutable, and cheap to clone.
#[derive(Clone)]
pub struct RevocationSet {
    version: RevocationVersion,
    /// Entries that refuse something: with none, a check is one branch.
    entries: usize,
    /// For each kind the sequence number of the newest addition, 0 if there never was one.
    newest: [u64; KINDS],
    key: DigestKey,
    /// By the first byte of a digest.
    shards: Arc<[Arc<Shard>]>,
}

/// What was last added to a set.
///
/// Removing and expiring leave it alone: a token that was clean stays clean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevocationVersion {
    /// The writer: the numbers of different writers have nothing to do with each other.
    pub(super) origin: NonZeroU64,
    /// The number of the last addition.
    pub(super) sequence: u64,
}

/// What a revocation can be about, of a token that was verified.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// The name of its issuer: `iss`.
    pub issuer: &'a str,
    /// The `kid` of the key that verified it, or what its JOSE header says where the key has none.
    pub kid: Option<&'a str>,
    /// Its claims.
    pub claims: &'a ClaimsSet,
}

/// The token is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("revoked by {}", kind.name())]
pub struct Revoked {
    /// By which kind of revocation; of several, the narrowest.
    pub kind: RevocationKind,
}

impl RevocationSet {
    /// The set in which nothing is revoked.
    #[must_use]
    pub fn empty() -> Self {
        let version = RevocationVersion {
            origin: NonZeroU64::MIN,
            sequence: 0,
        };
        let key = DigestKey::from_bytes([0; 16]);
        Self::new(version, [0; KINDS], key, Arc::default())
    }

    /// The set of these shards.
    pub(super) fn new(
        version: RevocationVersion,
        newest: [u64; KINDS],
        key: DigestKey,
        shards: Arc<[Arc<Shard>]>,
    ) -> Self {
        Self {
            version,
            entries: shards.iter().map(|shard| shard.len()).sum(),
            newest,
            key,
            shards,
        }
    }

    /// What was last added.
    #[must_use]
    pub fn version(&self) -> RevocationVersion {
        self.version
    }

    /// The number of revocations, of which there may be two of one target when neither makes the other superfluous.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether a token is revoked. `seen` is the version at which it was last found not to be: then only what was added
    /// since is looked at. What it was found at is in the answer.
    ///
    /// A claim that is not a string can be revoked too: by its JSON text (`7`, `true`), and an array by each of its
    /// elements. `null` says nothing. A client is looked for in `client_id`, `azp`, `cid` and `appid`.
    ///
    /// # Errors
    /// [`Revoked`] by the narrowest kind that refuses it.
    #[inline]
    pub fn check(
        &self,
        facts: &TokenFacts<'_>,
        seen: Option<RevocationVersion>,
    ) -> Result<RevocationVersion, Revoked> {
        if self.entries == 0 || seen == Some(self.version) {
            return Ok(self.version);
        }
        self.look(facts, seen)
    }

    #[inline(never)]
    fn look(
        &self,
        facts: &TokenFacts<'_>,
        seen: Option<RevocationVersion>,
    ) -> Result<RevocationVersion, Revoked> {
        let seen = match seen {
            Some(seen) if seen.origin == self.version.origin => seen.sequence,
            // The number is another writer's, and says nothing here.
            Some(_) | None => 0,
        };
        let digests = self.key.of_issuer(facts.issuer);
        let mut sought: Sought = SmallVec::new();
        for kind in RevocationKind::ALL {
            if self.newest[usize::from(kind.code())] > seen {
                each_value(facts, kind, |value| {
                    let target = RevocationTarget::new(kind, value);
                    sought.push((kind, digests.of(target)));
                });
            }
        }
        let issued_at = facts.claims.issued_at().unwrap_or_default();
        // After all the hashing, so that the look-ups wait for memory together.
        let found = sought.iter().find(|(_, digest)| {
            self.shards[usize::from(digest.shard())].refuses(*digest, seen, issued_at)
        });
        match found {
            Some((kind, _)) => Err(Revoked { kind: *kind }),
            None => Ok(self.version),
        }
    }
}

impl Default for RevocationSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for RevocationSet {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSet")
            .field("version", &self.version)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// What a token is looked for by: one digest of each kind, and of `client` a second one.
type Sought = SmallVec<[(RevocationKind, Digest); 8]>;

/// Where tokens name the client: RFC 9068 §2.2, `OpenID` Connect Core §2, and what Okta and Microsoft Entra write.
const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// Calls `visit` with each value by which a token can be revoked with that kind.
fn each_value(facts: &TokenFacts<'_>, kind: RevocationKind, mut visit: impl FnMut(&str)) {
    let mut visit_claim = |name: &str| match facts.claims.get(name) {
        None | Some(Value::Null) => {}
        Some(Value::Array(elements)) => {
            for element in elements.iter() {
                visit_text(&element, &mut visit);
            }
        }
        Some(value) => visit_text(&value, &mut visit),
    };
    match kind {
        RevocationKind::Jti => visit_claim("jti"),
        RevocationKind::Sid => visit_claim("sid"),
        RevocationKind::Sub => visit_claim("sub"),
        RevocationKind::Client => CLIENT_CLAIMS.into_iter().for_each(visit_claim),
        RevocationKind::Kid => facts.kid.into_iter().for_each(visit),
        RevocationKind::All => visit(""),
    }
}

/// Whatever an issuer writes there has a text, so there is no token that cannot be revoked.
fn visit_text(value: &Value<'_>, visit: &mut impl FnMut(&str)) {
    match value.as_str() {
        Some(text) => visit(text),
        None => visit(&value.to_json()),
    }
}
