//! The keys of an issuer: of JWK Set files, PEM files, secrets, and of what was fetched, together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Issuer, KeySource, Keys, PemFile};
use crate::jwt::{
    Algorithm, JWK_SET_MAX_BYTES, KeySet, ParsedJwkSet, SkippedKey, VerifyingKey, parse_jwk_set,
};
use crate::secret::Secret;

use super::private_file::read_limited;
use super::set::no_usable_key;
use super::{RemoteKeySets, SourceId, generated_key, usable_keys};

/// Most bytes that are read of a key file: one more than a JWK Set may have, so that the parser sees that it is too large.
const MAX_FILE: u64 = JWK_SET_MAX_BYTES as u64 + 1;

/// Keys that are left out and have a line of the log each, at most.
const TOLD: usize = 20;

/// An issuer's keys, as loaded.
#[derive(Debug)]
pub struct LoadedKeys {
    /// Those in use.
    pub keys: KeySet,
    /// Those left out, for the log and `/status`.
    pub skipped: Vec<SkippedKey>,
    /// What the local sources gave: with it the remote ones can be looked at again alone.
    pub local: Arc<LocalKeys>,
}

/// What the local sources of an issuer hold, each found right by itself.
#[derive(Debug, Default)]
pub struct LocalKeys {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
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

/// Loads the keys of an issuer: all its sources together, the remote ones from `sets`.
///
/// A bad key of a JWK Set is skipped and named, because the set is someone else's; what gateway.toml names one by one
/// must be right. Each local source must have a usable key. A remote source is never an error: what it has not given yet is
/// not there, and an issuer may have no key at all until it has.
///
/// # Errors
/// [`KeysError`]: a file that cannot be read or parsed, a PEM key or secret that cannot be used, no usable key at all.
pub fn load(
    issuer: &Issuer,
    state_directory: &Path,
    sets: &RemoteKeySets,
) -> Result<LoadedKeys, KeysError> {
    let local = match &issuer.keys {
        Keys::Public(sources) => public(issuer, sources)?,
        Keys::Secret(secret) => LocalKeys::of(vec![hmac_secret(issuer, secret)?]),
        Keys::Generate(algorithm) => {
            LocalKeys::of(vec![generate(issuer, state_directory, *algorithm)?])
        }
    };
    let loaded = load_remote(issuer, &Arc::new(local), sets);
    if loaded.keys.is_empty() && !issuer.keys.come_later() {
        // Sources that are right by themselves give different keys the same name.
        return Err(KeysError {
            file: setting(issuer, ""),
            problem: no_usable_key(&loaded.skipped),
        });
    }
    loaded.log_skipped(&issuer.name);
    Ok(loaded)
}

/// The keys of an issuer with what its remote sources have given by now. No key file is read: what those hold is as it was
/// when they were loaded.
#[must_use]
pub fn load_remote(issuer: &Issuer, local: &Arc<LocalKeys>, sets: &RemoteKeySets) -> LoadedKeys {
    let (mut keys, mut skipped) = (local.keys.clone(), local.skipped.clone());
    for id in SourceId::all_of(issuer) {
        let held = sets.current(&id, issuer.refresh.stale_for);
        // The registry takes nothing that is no set.
        let parsed = held.and_then(|held| parse_jwk_set(&held.document).ok());
        if let Some(parsed) = parsed {
            take(parsed, id.name(), &mut keys, &mut skipped);
        }
    }
    let (keys, unusable) = KeySet::new(keys, issuer.policy.algorithms);
    skipped.extend(unusable);
    LoadedKeys {
        keys,
        skipped,
        local: Arc::clone(local),
    }
}

fn take(
    parsed: ParsedJwkSet,
    source: &Arc<str>,
    keys: &mut Vec<VerifyingKey>,
    skipped: &mut Vec<SkippedKey>,
) {
    let named = |key: VerifyingKey| key.with_source(source);
    keys.extend(parsed.keys.into_iter().map(named));
    skipped.extend(parsed.skipped.into_iter().map(|key| SkippedKey {
        source: Some(Arc::clone(source)),
        ..key
    }));
}

impl LoadedKeys {
    /// Says which keys are left out.
    pub fn log_skipped(&self, issuer: &str) {
        let (told, more) = told(&self.skipped);
        for key in told {
            let (source, kid) = (key.source.as_deref(), key.kid.as_deref());
            let (index, error) = (key.index, &key.error);
            if error.is_of_other_use() {
                tracing::info!(issuer, source, index, kid, %error, "a key is not used");
            } else {
                tracing::warn!(issuer, source, index, kid, %error, "a key is not used");
            }
        }
        if more > 0 {
            tracing::warn!(issuer, more, "more keys are not used");
        }
    }
}

/// The keys that have a line of the log each, those that are wrong first, and how many have none: a provider that changes
/// its set all the time must not fill the log with it.
fn told(skipped: &[SkippedKey]) -> (Vec<&SkippedKey>, usize) {
    let mut told: Vec<&SkippedKey> = skipped.iter().collect();
    told.sort_by_key(|key| key.error.is_of_other_use());
    told.truncate(TOLD);
    let more = skipped.len() - told.len();
    (told, more)
}

impl LocalKeys {
    fn of(keys: Vec<VerifyingKey>) -> Self {
        Self {
            keys,
            skipped: Vec::new(),
        }
    }
}

fn public(issuer: &Issuer, sources: &[KeySource]) -> Result<LocalKeys, KeysError> {
    let mut local = LocalKeys::default();
    for source in sources {
        match source {
            KeySource::JwksFile(file) => jwks_file(issuer, file, &mut local)?,
            KeySource::PemFiles(files) => local.keys.append(&mut pem_files(issuer, files)?),
            KeySource::Remote(_) | KeySource::Store => {}
        }
    }
    Ok(local)
}

fn jwks_file(issuer: &Issuer, file: &Path, local: &mut LocalKeys) -> Result<(), KeysError> {
    let fault = |problem: String| KeysError {
        file: file.to_owned(),
        problem,
    };
    let document = read(file)?;
    // By itself: what it is together with other sources is another question.
    usable_keys(&document, issuer.policy.algorithms).map_err(|error| fault(error.to_string()))?;
    let parsed = parse_jwk_set(&document).map_err(|error| fault(error.to_string()))?;
    take(
        parsed,
        &source_name(file),
        &mut local.keys,
        &mut local.skipped,
    );
    Ok(())
}

fn pem_files(issuer: &Issuer, files: &[PemFile]) -> Result<Vec<VerifyingKey>, KeysError> {
    let mut keys = Vec::with_capacity(files.len());
    for file in files {
        let key = VerifyingKey::from_pem(&read(&file.path)?, file.kid.as_deref());
        keys.push(key.map_err(|error| KeysError {
            file: file.path.clone(),
            problem: error.to_string(),
        })?);
    }
    // The index of a skipped key is its place among those given.
    named_one_by_one(issuer, &keys, |skipped| {
        let file = skipped.and_then(|key| files.get(key.index));
        file.map_or_else(|| setting(issuer, ".pem_files"), |file| file.path.clone())
    })?;
    let named = |(key, file): (VerifyingKey, &PemFile)| key.with_source(&source_name(&file.path));
    Ok(keys.into_iter().zip(files).map(named).collect())
}

/// What an operator knows a file by.
fn source_name(file: &Path) -> Arc<str> {
    file.display().to_string().into()
}

fn hmac_secret(issuer: &Issuer, secret: &Secret) -> Result<VerifyingKey, KeysError> {
    let place = || setting(issuer, ".secret");
    let key = VerifyingKey::from_secret(secret, issuer.policy.algorithms);
    let key = key.map_err(|error| KeysError {
        file: place(),
        problem: error.to_string(),
    })?;
    named_one_by_one(issuer, std::slice::from_ref(&key), |_| place())?;
    Ok(key)
}

fn generate(
    issuer: &Issuer,
    state_directory: &Path,
    algorithm: Algorithm,
) -> Result<VerifyingKey, KeysError> {
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
    named_one_by_one(issuer, std::slice::from_ref(&key), |_| {
        generated.file.clone()
    })?;
    Ok(key.with_source(&source_name(&generated.file)))
}

/// Each of these keys must be usable; `place` says where one that is not came from.
fn named_one_by_one(
    issuer: &Issuer,
    keys: &[VerifyingKey],
    place: impl Fn(Option<&SkippedKey>) -> PathBuf,
) -> Result<(), KeysError> {
    let (set, skipped) = KeySet::new(keys.to_vec(), issuer.policy.algorithms);
    if let Some(first) = skipped.first() {
        return Err(KeysError {
            file: place(Some(first)),
            problem: first.error.to_string(),
        });
    }
    if set.is_empty() {
        return Err(KeysError {
            file: place(None),
            problem: no_usable_key(&skipped),
        });
    }
    Ok(())
}

/// A key of gateway.toml, where an error has no file of its own.
fn setting(issuer: &Issuer, key: &str) -> PathBuf {
    PathBuf::from(format!("issuers.{}.keys{key}", issuer.name))
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
