//! Local keys: JWK Set files, PEM files, secrets.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Issuer, KeySource, Keys, PemFile};
use crate::jwt::{Algorithm, JWK_SET_MAX_BYTES, KeySet, SkippedKey, VerifyingKey};
use crate::secret::Secret;

use super::private_file::read_limited;
use super::set::no_usable_key;
use super::{generated_key, usable_keys};

/// Most bytes that are read of a key file: one more than a JWK Set may have, so that the parser sees that it is too large.
const MAX_FILE: u64 = JWK_SET_MAX_BYTES as u64 + 1;

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
/// A bad key of a JWK Set is skipped and named, because the set is someone else's; what gateway.toml names one by one
/// must be right.
///
/// # Errors
/// [`KeysError`]: a file that cannot be read or parsed, a PEM key or secret that cannot be used, no usable key at all.
pub fn load(issuer: &Issuer, state_directory: &Path) -> Result<LoadedKeys, KeysError> {
    match &issuer.keys {
        Keys::Public(sources) => public(issuer, sources),
        Keys::Secret(secret) => hmac_secret(issuer, secret),
        Keys::Generate(algorithm) => generate(issuer, state_directory, *algorithm),
    }
}

fn public(issuer: &Issuer, sources: &[KeySource]) -> Result<LoadedKeys, KeysError> {
    let mut loaded = LoadedKeys {
        keys: KeySet::default(),
        skipped: Vec::new(),
    };
    for source in sources {
        loaded = match source {
            KeySource::JwksFile(file) => jwks_file(issuer, file)?,
            KeySource::PemFiles(files) => pem_files(issuer, files)?,
            KeySource::Remote(_) => loaded,
        };
    }
    Ok(loaded)
}

fn jwks_file(issuer: &Issuer, file: &Path) -> Result<LoadedKeys, KeysError> {
    let fault = |problem: String| KeysError {
        file: file.to_owned(),
        problem,
    };
    let document = read(file)?;
    let (keys, skipped) = usable_keys(&document, issuer.policy.algorithms)
        .map_err(|error| fault(error.to_string()))?;
    for key in &skipped {
        tracing::warn!(
            issuer = &*issuer.name,
            file = %file.display(),
            index = key.index,
            kid = key.kid.as_deref(),
            error = %key.error,
            "a key is not used"
        );
    }
    Ok(LoadedKeys { keys, skipped })
}

fn pem_files(issuer: &Issuer, files: &[PemFile]) -> Result<LoadedKeys, KeysError> {
    let mut keys = Vec::with_capacity(files.len());
    for file in files {
        let key = VerifyingKey::from_pem(&read(&file.path)?, file.kid.as_deref());
        keys.push(key.map_err(|error| KeysError {
            file: file.path.clone(),
            problem: error.to_string(),
        })?);
    }
    // The index of a skipped key is its place among those given.
    named_one_by_one(issuer, keys, |skipped| {
        let file = skipped.and_then(|key| files.get(key.index));
        file.map_or_else(|| setting(issuer, "pem_files"), |file| file.path.clone())
    })
}

fn hmac_secret(issuer: &Issuer, secret: &Secret) -> Result<LoadedKeys, KeysError> {
    let place = || setting(issuer, "secret");
    let key = VerifyingKey::from_secret(secret, issuer.policy.algorithms);
    let key = key.map_err(|error| KeysError {
        file: place(),
        problem: error.to_string(),
    })?;
    named_one_by_one(issuer, vec![key], |_| place())
}

fn generate(
    issuer: &Issuer,
    state_directory: &Path,
    algorithm: Algorithm,
) -> Result<LoadedKeys, KeysError> {
    let generated = generated_key(state_directory, &issuer.name, algorithm)?;
    if generated.made {
        tracing::warn!(
            issuer = &*issuer.name,
            file = %generated.file.display(),
            "made a signing key for trying out: whoever reads the file can make tokens"
        );
    }
    let key = generated.key.verifying_key().map_err(|error| KeysError {
        file: generated.file.clone(),
        problem: error.to_string(),
    })?;
    named_one_by_one(issuer, vec![key], |_| generated.file.clone())
}

/// A set of keys of which each must be usable; `place` says where a key that is not came from.
fn named_one_by_one(
    issuer: &Issuer,
    keys: Vec<VerifyingKey>,
    place: impl Fn(Option<&SkippedKey>) -> PathBuf,
) -> Result<LoadedKeys, KeysError> {
    let (keys, skipped) = KeySet::new(keys, issuer.policy.algorithms);
    if let Some(first) = skipped.first() {
        return Err(KeysError {
            file: place(Some(first)),
            problem: first.error.to_string(),
        });
    }
    if keys.is_empty() {
        return Err(KeysError {
            file: place(None),
            problem: no_usable_key(&skipped),
        });
    }
    Ok(LoadedKeys { keys, skipped })
}

/// A key of gateway.toml, where an error has no file of its own.
fn setting(issuer: &Issuer, key: &str) -> PathBuf {
    PathBuf::from(format!("issuers.{}.keys.{key}", issuer.name))
}

fn read(file: &Path) -> Result<Vec<u8>, KeysError> {
    read_key_file(file).map_err(|error| KeysError {
        file: file.to_owned(),
        problem: format!("cannot read the file: {error}"),
    })
}

/// A key file: at most as many bytes as any may have.
pub(super) fn read_key_file(file: &Path) -> io::Result<Vec<u8>> {
    read_limited(file, MAX_FILE)
}

#[cfg(test)]
mod tests;
