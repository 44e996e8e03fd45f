//! Keys made once and kept in the state directory (`keys = { generate = ".." }`).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::jwt::{Algorithm, KeyFamily, SigningKey};
use crate::secret::Secret;

use super::KeysError;
use super::load::read_key_file;
use super::private_file::{create, file_name};

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

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
/// Characters of the issuer's name that do not belong in a file name are percent-encoded in it.
///
/// # Errors
/// [`KeysError`].
pub fn generated_key(
    state_directory: &Path,
    issuer: &str,
    algorithm: Algorithm,
) -> Result<GeneratedKey, KeysError> {
    let name = format!("{}.{}.pem", file_name(issuer), algorithm.name());
    let file = state_directory.join("keys").join(name);
    let fault = |problem: String| KeysError {
        file: file.clone(),
        problem,
    };
    let (content, made) = read_or_make(&file, || {
        SigningKey::generate(algorithm)
            .map(|key| key.to_pem())
            .map_err(|error| fault(error.to_string()))
    })?;
    let key = match algorithm.family() {
        KeyFamily::Hmac => SigningKey::from_secret(&content, algorithm),
        KeyFamily::Rsa
        | KeyFamily::P256
        | KeyFamily::P384
        | KeyFamily::P521
        | KeyFamily::Ed25519 => SigningKey::from_pem(content.expose(), algorithm),
    };
    let key = key.map_err(|error| fault(error.to_string()))?;
    Ok(GeneratedKey { key, file, made })
}

/// A secret that was made once, and its file.
pub struct GeneratedSecret {
    /// The secret: 32 random bytes as base64url text, so that it can be configured as `${file:..}` later.
    pub secret: Secret,
    /// Where it is kept: `<state>/<name>`, mode 0600.
    pub file: PathBuf,
    /// Whether it was made just now.
    pub made: bool,
}

/// Reads a secret of the state directory, or makes it: atomically, so that two processes end with the same one.
///
/// # Errors
/// [`KeysError`]: also where everybody on this machine can read it, or it is shorter than it was made.
pub fn generated_secret(state_directory: &Path, name: &str) -> Result<GeneratedSecret, KeysError> {
    let file = state_directory.join(name);
    let fault = |problem: String| KeysError {
        file: file.clone(),
        problem,
    };
    let (secret, made) = read_or_make(&file, || {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        let filled = aws_lc_rs::rand::fill(&mut *bytes);
        filled.map_err(|_| fault("cannot make the secret: no randomness".to_owned()))?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(*bytes).into_bytes()))
    })?;
    let metadata = fs::metadata(&file).map_err(|error| fault(format!("cannot read: {error}")))?;
    if metadata.permissions().mode() & 0o007 != 0 {
        let problem = "everybody on this machine can read or change it: `chmod 600` it";
        return Err(fault(problem.to_owned()));
    }
    if secret.len() < SECRET_BYTES {
        let problem = format!("it is shorter than {SECRET_BYTES} bytes, so it is damaged");
        return Err(fault(problem));
    }
    Ok(GeneratedSecret { secret, file, made })
}

/// The content of `file`, and whether `make` was asked for it just now. Whoever is first wins, everybody else reads.
fn read_or_make(
    file: &Path,
    make: impl FnOnce() -> Result<Secret, KeysError>,
) -> Result<(Secret, bool), KeysError> {
    let fault = |action: &str, error: &io::Error| KeysError {
        file: file.to_owned(),
        problem: format!("cannot {action}: {error}"),
    };
    match read_key_file(file) {
        Ok(content) => return Ok((Secret::new(content), false)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(fault("read the file", &error)),
    }
    let content = make()?;
    if create(file, content.expose()).map_err(|error| fault("make the file", &error))? {
        return Ok((content, true));
    }
    let content = read_key_file(file).map_err(|error| fault("read the file", &error))?;
    Ok((Secret::new(content), false))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("new/keys/corp.EdDSA.pem");
        let gives = |text: &'static str| move || Ok(Secret::new(text.into()));
        let (first, made) = read_or_make(&file, gives("one")).unwrap();
        assert!(made && first.expose() == b"one");
        let (second, made) = read_or_make(&file, gives("two")).unwrap();
        assert!(!made && second.expose() == b"one");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        let names = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "no temporary file stays");
    }

    #[test]
    fn all_who_race_end_with_the_same_key() {
        for _ in 0..20 {
            let state = tempfile::tempdir().unwrap();
            let file = state.path().join("keys/corp.EdDSA.pem");
            let start = Barrier::new(8);
            let ends: Vec<(Vec<u8>, bool)> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..8u8)
                    .map(|racer| {
                        let (file, start) = (&file, &start);
                        scope.spawn(move || {
                            // All have found no file before the first of them keeps its key.
                            let late = || {
                                start.wait();
                                Ok(Secret::new(vec![racer; 100_000]))
                            };
                            let (content, made) = read_or_make(file, late).unwrap();
                            (content.expose().to_vec(), made)
                        })
                    })
                    .collect();
                racers
                    .into_iter()
                    .map(|racer| racer.join().unwrap())
                    .collect()
            });
            let contents: BTreeSet<&[u8]> = ends.iter().map(|(content, _)| &content[..]).collect();
            assert_eq!(contents.len(), 1);
            assert_eq!(ends.iter().filter(|(_, made)| *made).count(), 1);
        }
    }

    #[test]
    fn an_error_names_the_file_and_leaves_nothing() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("keys"), "not a directory").unwrap();
        let file = state.path().join("keys/corp.EdDSA.pem");
        let error = read_or_make(&file, || Ok(Secret::new(b"x".to_vec()))).unwrap_err();
        assert_eq!(error.file, file);
        assert!(error.problem.starts_with("cannot "), "{error}");
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let root = state.path().join("new");
        let first = generated_secret(&root, "store.key").unwrap();
        assert!(first.made && first.secret.len() == 43, "{:?}", first.file);
        assert_eq!(first.file, root.join("store.key"));
        assert_eq!(mode(&first.file), 0o600);
        let again = generated_secret(&root, "store.key").unwrap();
        assert!(!again.made && again.secret == first.secret);
        let other = generated_secret(&root, "other.key").unwrap();
        assert!(other.secret != first.secret);
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_damaged_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let file = generated_secret(state.path(), "store.key").unwrap().file;
        let content = fs::read(&file).unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o644, false),
            (0o602, false),
            (0o601, false),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let read = generated_secret(state.path(), "store.key");
            assert_eq!(read.is_ok(), good, "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for (content, good) in [(&content[..31], false), (b"", false), (&content[..], true)] {
            fs::write(&file, content).unwrap();
            let read = generated_secret(state.path(), "store.key");
            assert_eq!(read.is_ok(), good, "{}", content.len());
            if let Err(error) = read {
                let shown = error.to_string();
                assert!(
                    shown.contains("store.key") && shown.contains("damaged"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_made_is_not_kept() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("keys/corp.EdDSA.pem");
        let refuse = || {
            Err(KeysError {
                file: "x".into(),
                problem: "no randomness".into(),
            })
        };
        assert!(read_or_make(&file, refuse).is_err());
        assert!(!file.exists());
    }
}
