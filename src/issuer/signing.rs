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

    /// What the store has just said.
    pub(super) fn put(&self, signer: Option<Arc<SigningKey>>, jwks: Bytes) {
        self.held.store(Some(Arc::new(Held {
            signer,
            until: Instant::now() + CONFIRMED_FOR,
            jwks,
        })));
    }

    /// The set that an earlier process kept: it is published, and nothing signs.
    pub(super) fn put_kept(&self, jwks: Bytes) {
        if self.held.load().is_none() {
            self.put(None, jwks);
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
