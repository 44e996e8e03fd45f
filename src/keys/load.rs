//! Local keys: JWK Set files, PEM files, secrets.

use std::path::{Path, PathBuf};

use crate::config::Issuer;
use crate::jwt::{KeySet, SkippedKey};

/// An issuer's keys, as loaded.
#[derive(Debug)]
pub struct LoadedKeys {
    /// Those in use.
    pub keys: KeySet,
    /// Those left out, for the log and `/status`.
    pub skipped: Vec<SkippedKey>,
}

/// Why an issuer's keys cannot be loaded: exit 78, or the old ones stay.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct KeysError {
    /// The file, or the key of gateway.toml, at fault.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Loads the keys of an issuer.
///
/// # Errors
/// [`KeysError`]: a file that cannot be read or parsed, a PEM key or secret that cannot be used, no usable key at all.
pub fn load(_issuer: &Issuer, _state_directory: &Path) -> Result<LoadedKeys, KeysError> {
    todo!("operations helper")
}
