//! The keys of one issuer, found by (kid, algorithm).

use super::{Algorithm, AlgorithmSet, SkippedKey, VerifyingKey};

/// The keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet {}

/// Why no key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLookupError {
    /// None, or more than one, fits.
    Unknown,
    /// The set has no usable key at all.
    Empty,
}

impl KeySet {
    /// Keeps the keys that can serve an algorithm of `listed`; names the others, and kids that stand for two keys.
    #[must_use]
    pub fn new(_keys: Vec<VerifyingKey>, _listed: AlgorithmSet) -> (Self, Vec<SkippedKey>) {
        todo!("jwt helper")
    }

    /// The key for a token's `kid` and `alg`.
    ///
    /// # Errors
    /// `Empty` if there is no key at all, else `Unknown`.
    pub fn find(
        &self,
        _kid: Option<&str>,
        _algorithm: Algorithm,
    ) -> Result<&VerifyingKey, KeyLookupError> {
        todo!("jwt helper")
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// All keys in use.
    pub fn iter(&self) -> std::slice::Iter<'_, VerifyingKey> {
        todo!()
    }
}
