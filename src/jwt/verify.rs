//! One key that verifies, and the order in which a token is checked.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::secret::Secret;

use super::{Algorithm, AlgorithmSet, ClaimsSet, Issuer, KeyError, TokenError};

/// A key prepared for verifying, parsed once when loaded.
#[derive(Debug)]
pub struct VerifyingKey {}

impl VerifyingKey {
    /// Reads a public key (`PUBLIC KEY`, `RSA PUBLIC KEY`) or certificate in PEM.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn from_pem(_pem: &[u8], _kid: Option<&str>) -> Result<Self, KeyError> {
        todo!("jwt helper")
    }

    /// A secret for the HMAC algorithms of `algorithms`.
    ///
    /// # Errors
    /// `ShortSecret` if it is too short for one of them.
    pub fn from_secret(_secret: &Secret, _algorithms: AlgorithmSet) -> Result<Self, KeyError> {
        todo!("jwt helper")
    }

    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        todo!()
    }

    /// What it can verify.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        todo!()
    }

    /// Its RFC 7638 thumbprint (SHA-256): its identity, with the algorithm, over refreshes and reloads.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        todo!()
    }

    /// Whether `signature` is this key's for `signing_input`. The algorithm must be one of [`Self::algorithms`].
    #[must_use]
    pub fn verifies(
        &self,
        _algorithm: Algorithm,
        _signing_input: &[u8],
        _signature: &[u8],
    ) -> bool {
        todo!()
    }
}

/// A token that passed every check that does not depend on the route.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    issuer: Arc<Issuer>,
    claims: ClaimsSet,
}

impl VerifiedToken {
    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &ClaimsSet {
        &self.claims
    }
}

/// Checks a token at `now`, in the order of semantics: shape, JOSE header, `iss`, key by (issuer, kid, alg), signature
/// length, `exp` and `nbf`, signature, then `typ`, audience and all other claims.
///
/// `issuers` are those of the configuration, `admitted` says which of them (by index) the route admits.
///
/// # Errors
/// The first check that fails.
pub fn verify(
    _token: &[u8],
    _issuers: &[Arc<Issuer>],
    _admitted: impl Fn(usize) -> bool,
    _now: UnixTime,
) -> Result<VerifiedToken, TokenError> {
    todo!("jwt helper")
}
