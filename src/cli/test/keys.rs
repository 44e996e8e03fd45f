//! Keys that are made for a run, in the place of those that the configuration names: nothing is fetched.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cli::failure::Failure;
use crate::jwt::{Algorithm, KeyError, KeyFamily, KeySet, SigningKey, VerifyingKey};
use crate::keys::LoadedKeys;
use crate::secret::Secret;

/// The keys of all issuers, made when they are asked for.
#[derive(Default)]
pub(super) struct MadeKeys {
    /// By issuer and algorithm.
    keys: HashMap<(usize, Algorithm), Rc<SigningKey>>,
    /// Those of nobody.
    strangers: HashMap<Algorithm, Rc<SigningKey>>,
    /// By issuer: keys of its own that sign nothing here.
    files: Vec<Vec<VerifyingKey>>,
}

impl MadeKeys {
    /// None yet, beside those that each issuer has in files.
    pub(super) fn with(files: Vec<Vec<VerifyingKey>>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// The issuer's key for an algorithm. Its kid is the algorithm's name.
    pub(super) fn of(
        &mut self,
        issuer: usize,
        algorithm: Algorithm,
    ) -> Result<Rc<SigningKey>, Failure> {
        made(&mut self.keys, (issuer, algorithm), algorithm)
    }

    /// A key that no issuer has, under the same kid.
    pub(super) fn stranger(&mut self, algorithm: Algorithm) -> Result<Rc<SigningKey>, Failure> {
        made(&mut self.strangers, algorithm, algorithm)
    }

    /// What the issuer's key set is: every key that was made for it, and those of its files.
    pub(super) fn set_of(&self, issuer: usize) -> Result<LoadedKeys, Failure> {
        let own = self.keys.iter().filter(|((of, _), _)| *of == issuer);
        let mut keys = self.files.get(issuer).cloned().unwrap_or_default();
        for (_, key) in own {
            keys.push(key.verifying_key().map_err(failure)?);
        }
        let all = Algorithm::ALL.iter().copied().collect();
        let (keys, skipped) = KeySet::new(keys, all);
        Ok(LoadedKeys {
            keys,
            skipped,
            local: Arc::default(),
        })
    }
}

fn made<K: std::hash::Hash + Eq>(
    keys: &mut HashMap<K, Rc<SigningKey>>,
    of: K,
    algorithm: Algorithm,
) -> Result<Rc<SigningKey>, Failure> {
    if let Some(key) = keys.get(&of) {
        return Ok(Rc::clone(key));
    }
    let key = match algorithm.family() {
        KeyFamily::Hmac => {
            let mut bytes = [0; 64];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::Randomness)?;
            SigningKey::from_secret(&Secret::new(bytes.to_vec()), algorithm)
        }
        KeyFamily::Rsa
        | KeyFamily::P256
        | KeyFamily::P384
        | KeyFamily::P521
        | KeyFamily::Ed25519 => SigningKey::generate(algorithm),
    };
    let key = Rc::new(key.map_err(failure)?.with_kid(algorithm.name()));
    keys.insert(of, Rc::clone(&key));
    Ok(key)
}

fn failure(error: KeyError) -> Failure {
    Failure::Key {
        what: "a key for the tests".to_owned(),
        error,
    }
}
