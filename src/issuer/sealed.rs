//! What the store may hold only sealed: private keys, and the secrets of refresh tokens.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::config::{Config, ConfigError, LocalIssuer, Place, StoreUrl};
use crate::keys::generated_secret;
use crate::secret::Secret;
use crate::store::{Store, StoreError};

/// The file of the state directory that holds the secret where none is configured.
const KEPT: &str = "store.key";

/// Where the store holds what tells whether a secret is the one that it was sealed with.
const KEY_CHECK: &str = "key_check";

/// The first byte of everything that is sealed: how, so that there can be another way one day.
const VERSION: u8 = 1;

/// What precedes the ciphertext.
const HEAD: usize = 1 + NONCE_LEN;

/// What follows it.
const TAG: usize = 16;

/// Salt of the derivation: no other program makes the same key of the same secret.
const SALT: &[u8] = b"portcullis sealed 1";

/// Seals and opens with AES-256-GCM, under a key that HKDF-SHA256 (RFC 5869) makes of a secret.
///
/// A nonce is 96 random bits, so that one secret is good for 2³² sealings (NIST SP 800-38D §8.3): a sign-in is one of them.
pub struct Sealer {
    key: RandomizedNonceKey,
    /// Where its secret comes from.
    place: Place,
    made: Option<PathBuf>,
}

/// Why something that is sealed cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is too short, or sealed in a way that this program does not know.
    #[error("it is not sealed as this portcullis seals")]
    Format,
    /// Another key has sealed it, or for another purpose, or it was changed.
    #[error("the encryption key does not open it")]
    Opened,
    /// The crypto library refuses, or the system has no randomness.
    #[error("it cannot be sealed: no randomness")]
    Randomness,
}

/// Why the store is not used with this secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyCheckError {
    /// What is in the store was sealed with another secret. Nothing was changed.
    #[error(
        "the store was sealed with another encryption key than `local_issuer.encryption_key` or `{KEPT}` of the state \
         directory gives: nobody can sign in until that one is back"
    )]
    OtherKey,
    /// The crypto library refuses.
    #[error(transparent)]
    Seal(SealError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sealer {
    /// The sealer of a local issuer: of its `encryption_key`, or with SQLite of a secret that is made once and kept in the
    /// state directory, which is said loudly.
    ///
    /// # Errors
    /// There is no key, and the store is one that other machines can reach; the file with the key cannot be made or read, or
    /// everybody can read it.
    pub fn of(local: &LocalIssuer, config: &Config) -> Result<Self, ConfigError> {
        let wrong = |message: String, hint: Option<&str>| ConfigError {
            place: config.places.of("local_issuer.encryption_key"),
            message,
            hint: hint.map(str::to_owned),
        };
        let unsealed = |error: SealError| wrong(error.to_string(), None);
        if let Some(secret) = &local.encryption_key {
            let sealer = Self::new(secret).map_err(unsealed)?;
            let place = config.places.of("local_issuer.encryption_key");
            return Ok(Self { place, ..sealer });
        }
        match config.store_url() {
            StoreUrl::Sqlite(_) => {}
            StoreUrl::Postgres(_) => {
                let message = "`encryption_key` is missing, which PostgreSQL needs".to_owned();
                let hint = "make one with `openssl rand -hex 32`, the same for all gateways";
                return Err(wrong(message, Some(hint)));
            }
        }
        let kept = generated_secret(&config.state_directory, KEPT)
            .map_err(|error| wrong(error.to_string(), None))?;
        if kept.made {
            tracing::warn!(
                file = %kept.file.display(),
                "an encryption key for the store was made, since `local_issuer.encryption_key` is not set: keep a copy of this \
                 file, apart from those of the store; without it no session and no signing key can be read"
            );
        }
        Ok(Self {
            place: Place::of_file(kept.file.clone()),
            made: kept.made.then_some(kept.file),
            ..Self::new(&kept.secret).map_err(unsealed)?
        })
    }

    /// The file of the secret, if it was made just now: whoever has a terminal is told there.
    #[must_use]
    pub fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }

    /// Whether this is the secret that the store was sealed with. The first one to ask says which that is; nobody changes it.
    ///
    /// # Errors
    /// [`KeyCheckError`]
    pub async fn check(&self, store: &Store) -> Result<(), KeyCheckError> {
        let own = self.seal(KEY_CHECK, KEY_CHECK.as_bytes());
        let own = own.map_err(KeyCheckError::Seal)?;
        let in_force = store.put_setting_once(KEY_CHECK, &own).await?;
        self.open(KEY_CHECK, &in_force)
            .map(drop)
            .map_err(|_| KeyCheckError::OtherKey)
    }

    /// That the store was sealed with another key, at the place where this one comes from. A key that was made just now is
    /// of no use then, and its file would stand where the right one has to go back: it is removed.
    #[must_use]
    pub fn other_key(&self) -> ConfigError {
        if let Some(file) = &self.made
            && let Err(error) = std::fs::remove_file(file)
        {
            tracing::warn!(file = %file.display(), %error, "the key that was made in vain is still there");
        }
        let message = "the store was sealed with another encryption key than this one: its signing keys and sessions cannot \
                       be read with it";
        let hint = if self.made.is_some() {
            "this key was made just now, since `local_issuer.encryption_key` is not set, and is removed again: configure the \
             one that the store was sealed with, or put its file back"
        } else {
            "give back the one that the store was sealed with; without it nothing but a new store helps"
        };
        ConfigError {
            place: self.place.clone(),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }
    }

    /// Seals under a key made of `secret`: what is configured, or kept in the state directory.
    ///
    /// # Errors
    /// `Randomness`, when the crypto library refuses.
    pub fn new(secret: &Secret) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        let extracted = Salt::new(HKDF_SHA256, SALT).extract(secret.expose());
        let expanded = extracted
            .expand(&[b"AES-256-GCM"], HKDF_SHA256)
            .and_then(|expanded| expanded.fill(&mut *key));
        expanded.map_err(|_| SealError::Randomness)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*key);
        Ok(Self {
            key: key.map_err(|_| SealError::Randomness)?,
            place: Place::default(),
            made: None,
        })
    }

    /// Seals `content`: version, nonce, ciphertext, tag. Only who names the same `purpose` opens it, so that nobody can put
    /// what one row of the store holds into another: it names the row, too.
    ///
    /// # Errors
    /// `Randomness`
    pub fn seal(&self, purpose: &str, content: &[u8]) -> Result<Vec<u8>, SealError> {
        // Of its full size from the beginning: growing would leave copies of the content behind.
        let mut sealed = Vec::with_capacity(HEAD + content.len() + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(content);
        let (head, text) = sealed.split_at_mut(HEAD);
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(Aad::from(bound(purpose)), text)
            .map_err(|_| SealError::Randomness)?;
        head[1..].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// `Format`, `Opened`
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, text) = sealed.split_at_checked(HEAD).ok_or(SealError::Format)?;
        if head[0] != VERSION || text.len() < TAG {
            return Err(SealError::Format);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| SealError::Format)?;
        let mut content = Zeroizing::new(text.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(bound(purpose)), &mut content)
            .map_err(|_| SealError::Opened)?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

/// What is authenticated beside the content.
fn bound(purpose: &str) -> Vec<u8> {
    [&[VERSION], purpose.as_bytes()].concat()
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

#[cfg(test)]
mod tests;
