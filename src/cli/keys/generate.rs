//! `keys generate`: a private key for an issuer, and the JWK Set that its verifiers need.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cli::arguments::algorithm_argument;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::write_out;
use crate::jwt::{Algorithm, KeyFamily, SigningKey};
use crate::secret::Secret;

/// Make a key pair: the private key in PEM (mode 0600), the public one as a JWK Set
///
/// For HS256, HS384 and HS512 one file with a secret. Files that are there are never overwritten.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Generate {
    #[arg(long, value_name = "ALG", help = "Signature algorithm [default: EdDSA]", value_parser = algorithm_argument)]
    alg: Option<Algorithm>,
    /// Directory for the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Key id, and the name of the files [default: the key's RFC 7638 thumbprint]
    #[arg(long, value_name = "KID", value_parser = kid_argument)]
    kid: Option<String>,
}

/// A kid that is also a file name everywhere.
fn kid_argument(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > 128 || text.starts_with('.') || !text.bytes().all(plain) {
        return Err("letters, digits, '-', '_' and '.', at most 128, not first a '.'".to_owned());
    }
    Ok(text.to_owned())
}

impl Generate {
    /// Makes the key and writes its files.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        std::fs::create_dir_all(&self.out).map_err(failed("make", &self.out))?;
        let algorithm = self.alg.unwrap_or(Algorithm::EdDsa);
        if algorithm.family() == KeyFamily::Hmac {
            return self.secret(algorithm);
        }
        let key = SigningKey::generate(algorithm).map_err(|error| Failure::Key {
            what: algorithm.name().to_owned(),
            error,
        })?;
        let key = match &self.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        };
        let kid = key.kid();
        let private = self.out.join(format!("{kid}.private.pem"));
        let public = self.out.join(format!("{kid}.jwks.json"));
        let Some(jwk) = key.public_jwk() else {
            return Err(Failure::Usage(format!(
                "{} has no public key",
                algorithm.name()
            )));
        };
        let set = format!("{:#}\n", serde_json::json!({ "keys": [jwk] }));
        write_pair((&private, key.to_pem().expose()), (&public, set.as_bytes()))?;
        write_out(format_args!(
            "private key  {}  (stays with the issuer; token mint --key {0} --kid {kid})\n\
             public keys  {}\n\
             gateway.toml keys = {{ jwks_file = {} }}\n",
            private.display(),
            public.display(),
            toml::Value::from(public.display().to_string()),
        ))?;
        Ok(Exit::OK)
    }

    /// A secret is text, so that `${file:..}` can read it: 64 random bytes in base64url, enough for HS512.
    fn secret(&self, algorithm: Algorithm) -> Result<Exit, Failure> {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::Randomness)?;
        let text = Secret::new(URL_SAFE_NO_PAD.encode(bytes).into_bytes());
        let kid = self.kid.as_deref().unwrap_or_else(|| algorithm.name());
        let file = self.out.join(format!("{kid}.secret"));
        write_new(&file, text.expose(), 0o600).map_err(failed("write", &file))?;
        write_out(format_args!(
            "secret       {}\n\
             gateway.toml keys = {{ secret = {} }}\n",
            file.display(),
            toml::Value::from(format!("${{file:{}}}", file.display())),
        ))?;
        Ok(Exit::OK)
    }
}

/// Writes both files, or neither.
fn write_pair(private: (&Path, &[u8]), public: (&Path, &[u8])) -> Result<(), Failure> {
    write_new(private.0, private.1, 0o600).map_err(failed("write", private.0))?;
    write_new(public.0, public.1, 0o644).map_err(|source| {
        // This process has just made it, so it is nobody else's.
        let _ = std::fs::remove_file(private.0);
        failed("write", public.0)(source)
    })
}

/// `create_new` also refuses to follow a link that someone left under that name.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl Fn(io::Error) -> Failure + use<'p> {
    move |source| Failure::File {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn private_files_are_for_their_owner_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let (private, public) = (
            directory.path().join("a.pem"),
            directory.path().join("a.json"),
        );
        write_pair((&private, b"private"), (&public, b"public")).unwrap();
        let mode = private.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write_pair((&private, b"other"), (&public, b"other")).is_err());
        assert_eq!(std::fs::read(&private).unwrap(), b"private");
    }

    #[test]
    fn a_private_key_does_not_stay_without_its_public_half() {
        let directory = tempfile::tempdir().unwrap();
        let (private, public) = (
            directory.path().join("a.pem"),
            directory.path().join("a.json"),
        );
        std::fs::write(&public, "theirs").unwrap();
        assert!(write_pair((&private, b"private"), (&public, b"public")).is_err());
        assert!(!private.exists());
        assert_eq!(std::fs::read(&public).unwrap(), b"theirs");
    }

    #[test]
    fn a_kid_cannot_leave_its_directory() {
        for bad in ["", "..", ".hidden", "a/b", "a b", "ä", &"a".repeat(129)] {
            assert!(kid_argument(bad).is_err(), "{bad}");
        }
        assert_eq!(kid_argument("2026-11_a.b"), Ok("2026-11_a.b".to_owned()));
    }

    #[test]
    fn a_secret_is_long_enough_for_every_hash_and_is_text() {
        let directory = tempfile::tempdir().unwrap();
        let generate = Generate {
            alg: None,
            out: directory.path().to_owned(),
            kid: Some("s".to_owned()),
        };
        generate.secret(Algorithm::Hs512).unwrap();
        let text = std::fs::read_to_string(directory.path().join("s.secret")).unwrap();
        assert!(text.len() >= 64 && !text.ends_with('\n'));
    }
}
