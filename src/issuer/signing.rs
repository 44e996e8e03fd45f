//! The keys that this process signs with, and those that it publishes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::time::Instant;

use crate::jwt::{IssuerPolicy, SigningKey};

use super::access_token::{AccessToken, MintError, Minted};

/// How long a key signs after the store last said that it does: who has not heard of the store for longer may sign with a key
/// that the others have replaced, and withdrawn.
pub(super) const CONFIRMED_FOR: Duration = Duration::from_mins(5);

/// The keys of the local issuer in this process. Who mints reads it without waiting; one task fills it from the store.
#[derive(Default)]
pub struct KeyRing {
    held: ArcSwapOption<Held>,
    problem: ArcSwapOption<KeyProblem>,
}

/// What is wrong with the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// What, for the operator.
    pub text: String,
    /// The store was sealed with another key than ours.
    pub is_other_key: bool,
}

/// What the store said last.
struct Held {
    signer: Option<Arc<SigningKey>>,
    /// Until when it signs without being confirmed: our own monotonic clock, since others can be set.
    until: Instant,
    jwks: Bytes,
}

impl KeyRing {
    /// A ring without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The key that signs now. `None` while the store was never reached, or not within five minutes.
    #[must_use]
    pub fn signer(&self) -> Option<Arc<SigningKey>> {
        let held = self.held.load();
        let held = held.as_ref().filter(|held| Instant::now() < held.until)?;
        held.signer.clone()
    }

    /// The JWK Set as it is published (RFC 7517 §5); `None` while no store and no disk gave one.
    #[must_use]
    pub fn jwks(&self) -> Option<Bytes> {
        Some(self.held.load().as_ref()?.jwks.clone())
    }

    /// Signs a token of the issuer with that policy.
    ///
    /// # Errors
    /// [`MintError`]
    pub fn mint(
        &self,
        token: &AccessToken<'_>,
        policy: &IssuerPolicy,
    ) -> Result<Minted, MintError> {
        let signer = self.signer().ok_or(MintError::NoKey)?;
        token.sign(&signer, policy)
    }

    /// What is wrong with the keys, if anything is: the store is away, or was sealed with another key. What signed before may
    /// sign for a while yet.
    #[must_use]
    pub fn problem(&self) -> Option<Arc<KeyProblem>> {
        self.problem.load_full()
    }

    /// What the store said when it was asked at that time.
    pub(super) fn put(&self, signer: Option<Arc<SigningKey>>, jwks: Bytes, asked: Instant) {
        self.held.store(Some(Arc::new(Held {
            signer,
            until: asked + CONFIRMED_FOR,
            jwks,
        })));
    }

    /// What was wrong at the last look.
    pub(super) fn set_problem(&self, problem: Option<KeyProblem>) {
        self.problem.store(problem.map(Arc::new));
    }

    /// The set that an earlier process kept: it is published, and nothing signs.
    pub(super) fn put_kept(&self, jwks: Bytes) {
        if self.held.load().is_none() {
            self.put(None, jwks, Instant::now());
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signer = self.signer();
        f.debug_struct("KeyRing")
            .field("signer", &signer.as_deref().map(SigningKey::kid))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::jwt::Algorithm;

    use super::*;

    fn key() -> Arc<SigningKey> {
        Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_signs_as_long_as_the_store_says_so() {
        let ring = KeyRing::new();
        assert!(ring.signer().is_none() && ring.jwks().is_none());
        let (asked, key) = (Instant::now(), key());
        tokio::time::advance(Duration::from_mins(1)).await;
        ring.put(Some(Arc::clone(&key)), Bytes::from_static(b"set"), asked);
        let kid = |ring: &KeyRing| ring.signer().map(|key| key.kid().to_owned());
        assert_eq!(kid(&ring).as_deref(), Some(key.kid()));
        // Five minutes since the store was asked, not since it answered.
        tokio::time::advance(Duration::from_secs(239)).await;
        assert!(ring.signer().is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(ring.signer().is_none());
        assert_eq!(ring.jwks().unwrap(), "set", "what was published stays so");
        ring.put(Some(key), Bytes::from_static(b"set"), Instant::now());
        assert!(ring.signer().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_is_published_and_signs_nothing() {
        let ring = KeyRing::new();
        ring.put_kept(Bytes::from_static(b"kept"));
        assert_eq!(ring.jwks().unwrap(), "kept");
        assert!(ring.signer().is_none());
        ring.put(Some(key()), Bytes::from_static(b"new"), Instant::now());
        ring.put_kept(Bytes::from_static(b"kept"));
        assert_eq!(ring.jwks().unwrap(), "new");
        assert!(ring.signer().is_some());
    }

    #[test]
    fn a_ring_shows_which_key_signs_and_no_more() {
        let (ring, key) = (KeyRing::new(), key());
        ring.put(Some(Arc::clone(&key)), Bytes::new(), Instant::now());
        let shown = format!("{ring:?}");
        assert!(
            shown.contains(key.kid()) && !shown.contains("private"),
            "{shown}"
        );
    }
}
