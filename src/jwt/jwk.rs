//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): a bad key of a set is skipped and named, the rest serve.

use super::{KeyError, VerifyingKey};

/// What a JWK Set document held.
#[derive(Debug)]
pub struct ParsedJwkSet {
    /// The keys that can be used.
    pub keys: Vec<VerifyingKey>,
    /// The keys that cannot, with the reason.
    pub skipped: Vec<SkippedKey>,
}

/// A key that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its `kid`, if it has a readable one.
    pub kid: Option<Box<str>>,
    /// Why.
    pub error: KeyError,
}

/// Why a document is not a JWK Set: the previous one stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// Not JSON, not an object with an array `keys`, or with a duplicate member.
    #[error("not a JWK Set: {0}")]
    Malformed(&'static str),
    /// More than 1 MiB or more than 100 keys.
    #[error("too large: at most 1 MiB and 100 keys are read")]
    TooLarge,
}

/// Parses a JWK Set. Symmetric keys (`oct`) are always skipped: a public set never holds a secret.
///
/// # Errors
/// As [`JwkSetError`] says.
pub fn parse_jwk_set(_document: &[u8]) -> Result<ParsedJwkSet, JwkSetError> {
    todo!("jwt helper")
}
