//! What makes a JWK Set good: a key that its issuer can use.

use crate::jwt::{AlgorithmSet, JwkSetError, KeySet, SkippedKey, parse_jwk_set};

use super::shown;

/// Why a document gives no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// It is no JWK Set.
    #[error("{error}{looks}")]
    NotASet {
        /// What the parser says.
        error: JwkSetError,
        /// What it looks like, in brackets; or nothing.
        looks: String,
    },
    /// It has no key that can be used: the first few say why.
    #[error("{0}")]
    NoUsableKey(String),
}

/// The keys of a JWK Set that can serve one of `algorithms`, at least one, and those left out.
///
/// # Errors
/// [`SetError`].
pub fn usable_keys(
    document: &[u8],
    algorithms: AlgorithmSet,
) -> Result<(KeySet, Vec<SkippedKey>), SetError> {
    let parsed = parse_jwk_set(document).map_err(|error| SetError::NotASet {
        looks: match error {
            JwkSetError::Malformed(_) => shown::looks(document),
            JwkSetError::TooLarge => String::new(),
        },
        error,
    })?;
    let (keys, unusable) = KeySet::new(parsed.keys, algorithms);
    let mut skipped = parsed.skipped;
    skipped.extend(unusable);
    if keys.is_empty() {
        return Err(SetError::NoUsableKey(no_usable_key(&skipped)));
    }
    Ok((keys, skipped))
}

/// What is wrong with a set that has no usable key: the first few keys say why.
pub(super) fn no_usable_key(skipped: &[SkippedKey]) -> String {
    const SHOWN: usize = 5;
    if skipped.is_empty() {
        return "no key at all".to_owned();
    }
    let mut texts: Vec<String> = skipped.iter().take(SHOWN).map(described).collect();
    if skipped.len() > SHOWN {
        texts.push(format!("and {} more", skipped.len() - SHOWN));
    }
    format!("no usable key: {}", texts.join("; "))
}

/// A key that is left out, and why.
pub(super) fn described(key: &SkippedKey) -> String {
    // It may quote the kid once more.
    let error = shown::text(&key.error.to_string());
    match &key.kid {
        Some(kid) => format!("key {} (kid {:?}): {error}", key.index, shown::text(kid)),
        None => format!("key {}: {error}", key.index),
    }
}
