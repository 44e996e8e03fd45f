//! What a decision asks.

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::json::Value;
use crate::jwt::ClaimsSet;

use super::current::CurrentUntil;
use super::digest::{Digest, DigestKey};
use super::kind::{KINDS, RevocationKind, RevocationTarget};
use super::shard::Shard;
use super::writer::kind_index;

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
    /// The writer's.
    current_until: CurrentUntil,
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
    /// The set in which nothing is revoked, and which is current for ever: of a gateway that has no list.
    #[must_use]
    pub fn empty() -> Self {
        Self::without_entries(CurrentUntil::for_ever())
    }

    /// The set of a gateway whose list was not loaded yet: it is never current, so no token is admitted by it.
    #[must_use]
    pub fn missing() -> Self {
        Self::without_entries(CurrentUntil::never())
    }

    fn without_entries(current_until: CurrentUntil) -> Self {
        let version = RevocationVersion {
            origin: NonZeroU64::MIN,
            sequence: 0,
        };
        let key = DigestKey::from_bytes([0; 16]);
        Self::new(version, [0; KINDS], key, Arc::default(), current_until)
    }

    /// The set of these shards.
    pub(super) fn new(
        version: RevocationVersion,
        newest: [u64; KINDS],
        key: DigestKey,
        shards: Arc<[Arc<Shard>]>,
        current_until: CurrentUntil,
    ) -> Self {
        Self {
            version,
            entries: shards.iter().map(|shard| shard.len()).sum(),
            newest,
            key,
            shards,
            current_until,
        }
    }

    /// Whether the list behind this set was compared with its source lately enough for a token to be admitted by it.
    #[inline]
    #[must_use]
    pub fn is_current(&self, now: UnixTime) -> bool {
        self.current_until.is_current(now)
    }

    pub(super) fn key(&self) -> DigestKey {
        self.key
    }

    pub(super) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
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
        let wanted = |kind| self.newest[kind_index(kind)] > seen;
        each_target(facts, wanted, |target| {
            sought.push((target.kind(), digests.of(target)));
        });
        let issued_at = facts.claims.issued_at().unwrap_or_default();
        // Nothing here hangs on what is read, so the processor waits for all of the memory at once: look-ups one after the
        // other wait for each (benches/revocation.rs).
        let touched = sought.iter().fold(0, |touched, (_, digest)| {
            touched ^ self.shard(*digest).touch(*digest, seen)
        });
        black_box(touched);
        let refusing = sought
            .iter()
            .filter(|(_, digest)| self.shard(*digest).refuses(*digest, seen, issued_at));
        match refusing
            .map(|(kind, _)| *kind)
            .min_by_key(|kind| kind_index(*kind))
        {
            Some(kind) => Err(Revoked { kind }),
            None => Ok(self.version),
        }
    }

    fn shard(&self, digest: Digest) -> &Shard {
        &self.shards[usize::from(digest.shard())]
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

/// Calls `visit` with everything by which a token can be revoked with the `wanted` kinds.
fn each_target(
    facts: &TokenFacts<'_>,
    wanted: impl Fn(RevocationKind) -> bool,
    mut visit: impl FnMut(RevocationTarget<'_>),
) {
    // One pass: looking for each name by itself would go over the claims again and again.
    let choose = |name: &str| kind_of_claim(name).filter(|kind| wanted(*kind));
    for (kind, value) in facts.claims.all().chosen(choose) {
        let mut visit_text = |text: &str| visit(RevocationTarget::new(kind, text));
        if let Some(elements) = value.as_array() {
            for element in elements.iter() {
                each_text(&element, &mut visit_text);
            }
        } else if !matches!(value, Value::Null) {
            each_text(&value, &mut visit_text);
        }
    }
    if let Some(kid) = facts.kid
        && wanted(RevocationKind::Kid)
    {
        visit(RevocationTarget::Kid(kid));
    }
    if wanted(RevocationKind::All) {
        visit(RevocationTarget::All);
    }
}

/// The kind of revocation that a claim is looked for by.
fn kind_of_claim(name: &str) -> Option<RevocationKind> {
    match name {
        "jti" => Some(RevocationKind::Jti),
        "sid" => Some(RevocationKind::Sid),
        "sub" => Some(RevocationKind::Sub),
        // RFC 9068 §2.2, `OpenID` Connect Core §2, and what Okta and Microsoft Entra write.
        "client_id" | "azp" | "cid" | "appid" => Some(RevocationKind::Client),
        _ => None,
    }
}

/// Whatever an issuer writes there has a text, so there is no token that cannot be revoked.
fn each_text(value: &Value<'_>, visit: &mut impl FnMut(&str)) {
    match value.as_str() {
        Some(text) => visit(text),
        None => visit(&value.to_json()),
    }
}
