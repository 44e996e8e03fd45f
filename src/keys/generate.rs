//! Keys made once and kept in the state directory (`keys = { generate = ".." }`).

use std::path::{Path, PathBuf};

use crate::jwt::{Algorithm, SigningKey};

use super::KeysError;

/// A generated key and its file.
pub struct GeneratedKey {
    /// The key.
    pub key: SigningKey,
    /// Where it is kept: `<state>/keys/<issuer>.<alg>.pem`, mode 0600.
    pub file: PathBuf,
    /// Whether it was made just now.
    pub made: bool,
}

/// Reads the key of an issuer, or makes it: atomically, so that two processes end with the same one.
///
/// # Errors
/// [`KeysError`].
pub fn generated_key(
    _state_directory: &Path,
    _issuer: &str,
    _algorithm: Algorithm,
) -> Result<GeneratedKey, KeysError> {
    todo!("operations helper")
}
