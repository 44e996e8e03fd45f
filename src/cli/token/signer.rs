//! The key that `token mint` signs with, and the issuer it signs for.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::config::{Config, Issuer, Keys};
use crate::jwt::{Algorithm, SigningKey};
use crate::keys::generated_key;
use crate::secret::Secret;

/// Where the key is said to come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// `--key FILE`
    PrivateKey(&'a Path),
    /// `--secret-file FILE`
    SecretFile(&'a Path),
    /// The issuer of the configuration has one.
    Configuration,
}

/// Algorithms that a private key without `--alg` is tried for, the customary one of each kind.
const CUSTOMARY: [Algorithm; 5] = [
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::Es384,
    Algorithm::Es512,
];

/// The issuer that was named; without a name the only one, or the only one whose key is here.
///
/// # Errors
/// [`Failure::Usage`] with the names there are.
pub(super) fn choose_issuer<'c>(
    config: &'c Config,
    name: Option<&str>,
) -> Result<&'c Issuer, Failure> {
    let names = || {
        let names: Vec<&str> = config.issuers.iter().map(|i| &*i.name).collect();
        names.join(", ")
    };
    if let Some(name) = name {
        return config
            .issuers
            .iter()
            .find(|issuer| *issuer.name == *name)
            .ok_or_else(|| {
                let names = names();
                Failure::Usage(format!("no issuer {name:?} in the configuration: {names}"))
            });
    }
    let mut own = config.issuers.iter().filter(|issuer| can_sign(issuer));
    match (config.issuers.as_slice(), own.next(), own.next()) {
        ([only], _, _) => Ok(only),
        (_, Some(issuer), None) => Ok(issuer),
        _ => Err(Failure::Usage(format!(
            "say which with --issuer: {}",
            names()
        ))),
    }
}

fn can_sign(issuer: &Issuer) -> bool {
    match issuer.keys {
        Keys::Generate(_) | Keys::Secret(_) => true,
        Keys::Public(_) => false,
    }
}

/// The signing key.
///
/// # Errors
/// When there is none, when it cannot be read, and when it does not fit the algorithm.
pub(super) fn signing_key(
    source: Source<'_>,
    algorithm: Option<Algorithm>,
    from: Option<(&Config, &Issuer)>,
) -> Result<SigningKey, Failure> {
    match (source, from) {
        (Source::PrivateKey(path), _) => private_key(path, algorithm),
        (Source::SecretFile(path), _) => {
            let secret = Secret::new(without_last_newline(read(path)?.expose()).to_vec());
            let algorithm = algorithm.unwrap_or(Algorithm::Hs256);
            SigningKey::from_secret(&secret, algorithm).map_err(|error| key_failure(path, error))
        }
        (Source::Configuration, Some((config, issuer))) => {
            issuers_key(config, issuer, algorithm)
        }
        (Source::Configuration, None) => Err(Failure::Usage(
            "no key: give --key FILE, or -c FILE with an issuer that has `keys = { generate = .. }`"
                .to_owned(),
        )),
    }
}

fn issuers_key(
    config: &Config,
    issuer: &Issuer,
    algorithm: Option<Algorithm>,
) -> Result<SigningKey, Failure> {
    match &issuer.keys {
        Keys::Generate(made_for) => {
            if algorithm.is_some_and(|algorithm| algorithm != *made_for) {
                let made_for = made_for.name();
                return Err(Failure::Usage(format!(
                    "the key of issuer {:?} is for {made_for}: leave --alg out, or give --key",
                    &*issuer.name
                )));
            }
            Ok(generated_key(&config.state_directory, &issuer.name, *made_for)?.key)
        }
        Keys::Secret(secret) => {
            let algorithm = algorithm
                .or_else(|| issuer.policy.algorithms.iter().next())
                .unwrap_or(Algorithm::Hs256);
            SigningKey::from_secret(secret, algorithm).map_err(|error| Failure::Key {
                what: format!("secret of issuer {:?}", &*issuer.name),
                error,
            })
        }
        Keys::Public(_) if issuer.keys.remote().next().is_some() => Err(Failure::Usage(format!(
            "keys of issuer {:?} are fetched: it makes its tokens itself; to make one in its name, give its private key with --key FILE",
            &*issuer.name
        ))),
        Keys::Public(_) if issuer.keys.come_later() => Err(Failure::Usage(
            "tokens of the local issuer are for those who sign in: it makes them itself, with keys of the store".to_owned(),
        )),
        Keys::Public(_) => Err(Failure::Usage(format!(
            "issuer {:?} has public keys only: give the private one with --key FILE",
            &*issuer.name
        ))),
    }
}

fn private_key(path: &Path, algorithm: Option<Algorithm>) -> Result<SigningKey, Failure> {
    let pem = read(path)?;
    if let Some(algorithm) = algorithm {
        return SigningKey::from_pem(pem.expose(), algorithm)
            .map_err(|error| key_failure(path, error));
    }
    let mut last = None;
    for algorithm in CUSTOMARY {
        match SigningKey::from_pem(pem.expose(), algorithm) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(key_failure(path, error)),
        None => Err(Failure::Usage("give --alg".to_owned())),
    }
}

fn key_failure(path: &Path, error: crate::jwt::KeyError) -> Failure {
    Failure::Key {
        what: path.display().to_string(),
        error,
    }
}

fn read(path: &Path) -> Result<Secret, Failure> {
    std::fs::read(path)
        .map(Secret::new)
        .map_err(|source| Failure::File {
            action: "read",
            path: PathBuf::from(path),
            source,
        })
}

/// Editors and `echo` end a file with a line feed that nobody means.
fn without_last_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_feed_at_the_end_of_a_secret_is_not_part_of_it() {
        for (file, secret) in [
            (&b"abc"[..], &b"abc"[..]),
            (b"abc\n", b"abc"),
            (b"abc\r\n", b"abc"),
            (b"abc\n\n", b"abc\n"),
        ] {
            assert_eq!(without_last_newline(file), secret);
        }
    }

    #[test]
    fn without_a_key_and_a_configuration_the_options_are_named() {
        let Err(failure) = signing_key(Source::Configuration, None, None) else {
            panic!("there is no key");
        };
        assert!(failure.to_string().contains("--key FILE"), "{failure}");
    }

    #[test]
    fn a_private_key_without_alg_is_tried_for_the_customary_ones() {
        let directory = tempfile::tempdir().unwrap();
        for algorithm in [Algorithm::EdDsa, Algorithm::Es512, Algorithm::Rs256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let file = directory.path().join(algorithm.name());
            std::fs::write(&file, key.to_pem().expose()).unwrap();
            let read = signing_key(Source::PrivateKey(&file), None, None).unwrap();
            assert_eq!((read.algorithm(), read.kid()), (algorithm, key.kid()));
            let wrong = signing_key(Source::PrivateKey(&file), Some(Algorithm::Es256), None);
            assert!(wrong.is_err(), "{}", algorithm.name());
        }
    }

    #[test]
    fn a_secret_file_signs_and_a_short_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, "x".repeat(32) + "\n").unwrap();
        let key = signing_key(Source::SecretFile(&file), None, None).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Hs256);
        // Its line feed does not count: 32 bytes are too few for HS384.
        let short = signing_key(Source::SecretFile(&file), Some(Algorithm::Hs384), None);
        let Err(failure) = short else {
            panic!("32 bytes are too few");
        };
        assert!(failure.to_string().contains("32 bytes"), "{failure}");
    }
}
