//! Keys as they check signatures: one copy for each thread, made when first needed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use crate::secret::Secret;

use super::{Algorithm, Issuer, TokenError, VerifyingKey};

/// What a key is, whatever its name and wherever it came from: it outlives refreshes and reloads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyIdentity {
    /// RFC 7638, SHA-256; of a secret a keyed digest.
    pub thumbprint: [u8; 32],
    /// What it checks.
    pub algorithm: Algorithm,
}

/// A key parsed for one algorithm.
///
/// Of one thread: each check of a public key counts references in it, and threads that share one wait for each other's cache
/// lines.
pub struct PreparedKey(Material);

enum Material {
    Public(ParsedPublicKey),
    // Boxed: twenty times as large as the other.
    Hmac(Box<hmac::Key>),
}

impl PreparedKey {
    pub(super) fn public(key: ParsedPublicKey) -> Self {
        Self(Material::Public(key))
    }

    pub(super) fn hmac(hash: hmac::Algorithm, secret: &Secret) -> Self {
        let key = hmac::Key::new(hash, secret.expose());
        Self(Material::Hmac(Box::new(key)))
    }

    /// Whether `signature` is this key's for `signing_input`.
    #[must_use]
    pub fn verifies(&self, signing_input: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Material::Public(key) => key.verify_sig(signing_input, signature).is_ok(),
            // In constant time, and of the whole tag.
            Material::Hmac(key) => hmac::verify(key, signing_input, signature).is_ok(),
        }
    }
}

/// The keys that one thread has used, by identity.
#[derive(Default)]
pub struct PreparedKeys(HashMap<KeyIdentity, PreparedKey, foldhash::fast::RandomState>);

impl PreparedKeys {
    /// Most keys that are kept: about 3 MiB of the largest kind. Whoever uses more in turn prepares them again.
    pub const MOST: usize = 1024;

    /// `key` for `algorithm`, prepared now if it was not.
    ///
    /// # Errors
    /// `KeysUnavailable` if the key cannot be prepared, which was tried when it was loaded.
    pub fn get(
        &mut self,
        key: &VerifyingKey,
        algorithm: Algorithm,
    ) -> Result<&PreparedKey, TokenError> {
        let identity = key.identity(algorithm);
        if self.0.len() >= Self::MOST && !self.0.contains_key(&identity) {
            self.0.clear();
        }
        match self.0.entry(identity) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => match key.prepare(algorithm) {
                Ok(prepared) => Ok(place.insert(prepared)),
                Err(_) => Err(TokenError::KeysUnavailable),
            },
        }
    }

    /// Forgets every key that none of `issuers` has.
    pub fn retain(&mut self, issuers: &[Arc<Issuer>]) {
        self.0.retain(|identity, _| {
            issuers.iter().any(|issuer| {
                issuer.keys.iter().any(|key| {
                    key.thumbprint() == &identity.thumbprint && key.serves(identity.algorithm)
                })
            })
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AlgorithmSet, base64url};
    use super::*;

    fn set(algorithms: &[Algorithm]) -> AlgorithmSet {
        algorithms.iter().copied().collect()
    }

    #[test]
    fn the_length_of_a_signature_is_checked_before_crypto() {
        let secret = Secret::new(vec![7; 32]);
        let key = VerifyingKey::from_secret(&secret, set(&[Algorithm::Hs256])).unwrap();
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
            b"input",
        );
        let good = base64url::encode(tag.as_ref());
        let checked = |algorithm, input: &[u8], encoded: &str| {
            key.check(
                algorithm,
                input,
                encoded.as_bytes(),
                &mut PreparedKeys::default(),
            )
        };
        let check = |encoded: &str| checked(Algorithm::Hs256, b"input", encoded);
        assert_eq!(check(&good), Ok(()));
        for short_or_long in [
            "",
            "AA",
            &good[1..],
            &format!("{good}A"),
            &"A".repeat(40_000),
        ] {
            assert_eq!(check(short_or_long), Err(TokenError::BadSignature));
        }
        let not_base64url = format!("{}+", &good[1..]);
        assert!(matches!(
            check(&not_base64url),
            Err(TokenError::Malformed(_))
        ));
        assert_eq!(
            checked(Algorithm::Hs256, b"other", &good),
            Err(TokenError::BadSignature)
        );
        assert_eq!(
            checked(Algorithm::Hs384, b"input", &good),
            Err(TokenError::UnknownKey)
        );
    }
}
