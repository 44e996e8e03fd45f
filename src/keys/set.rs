//! What makes a JWK Set good: a key that its issuer can use.

use crate::jwt::{AlgorithmSet, JwkSetError};

use super::LoadedKeys;

/// Why a document gives no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// It is no JWK Set.
    #[error("{error}{}", .looks.unwrap_or_default())]
    NotASet {
        /// What the parser says.
        error: JwkSetError,
        /// What it looks like instead.
        looks: Option<&'static str>,
    },
    /// It has no key that can be used; the first few say why.
    #[error("{0}")]
    NoUsableKey(String),
}

/// The usable keys of a JWK Set, at least one, and those left out.
///
/// # Errors
/// [`SetError`].
pub fn usable_keys(document: &[u8], algorithms: AlgorithmSet) -> Result<LoadedKeys, SetError> {
    let _ = (document, algorithms);
    Err(SetError::NoUsableKey("no key at all".to_owned()))
}
