//! One key, prepared for verifying when it is loaded.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use crate::secret::Secret;

use super::pem;
use super::public_key::{MAX_SIGNATURE_BYTES, PublicKey, Scheme, scheme};
use super::{Algorithm, AlgorithmSet, KeyError, KeyFamily, TokenError, base64url};

/// A key prepared for verifying, parsed once when loaded.
pub struct VerifyingKey {
    kid: Option<Box<str>>,
    /// Its place in the document that it came from.
    place: Option<usize>,
    thumbprint: [u8; 32],
    /// The key in the form that each algorithm of it needs.
    prepared: Vec<Prepared>,
}

struct Prepared {
    algorithm: Algorithm,
    signature_bytes: usize,
    material: Material,
}

enum Material {
    Public(ParsedPublicKey),
    // Boxed: twenty times as large as the other.
    Hmac(Box<hmac::Key>),
}

impl VerifyingKey {
    /// Reads a public key (`PUBLIC KEY`, `RSA PUBLIC KEY`) or certificate in PEM.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn from_pem(pem: &[u8], kid: Option<&str>) -> Result<Self, KeyError> {
        let key = pem::public_key(pem)?;
        Self::from_public(&key, AlgorithmSet::of_family(key.family()), kid)
    }

    /// A secret for the HMAC algorithms of `algorithms`.
    ///
    /// # Errors
    /// `ShortSecret` if it is too short for one of them, `NotUsable` if none of them is an HMAC algorithm.
    pub fn from_secret(secret: &Secret, algorithms: AlgorithmSet) -> Result<Self, KeyError> {
        let algorithms = algorithms.intersection(AlgorithmSet::of_family(KeyFamily::Hmac));
        let mut prepared = Vec::new();
        for algorithm in algorithms.iter() {
            let Scheme::Hmac(hmac_algorithm) = scheme(algorithm) else {
                continue;
            };
            let needed = hmac_algorithm.tag_len();
            if secret.len() < needed {
                return Err(KeyError::ShortSecret {
                    bytes: secret.len(),
                    needed,
                    algorithm: algorithm.name(),
                });
            }
            prepared.push(Prepared {
                algorithm,
                signature_bytes: needed,
                material: Material::Hmac(Box::new(hmac::Key::new(hmac_algorithm, secret.expose()))),
            });
        }
        if prepared.is_empty() {
            return Err(KeyError::NotUsable("a secret serves HMAC algorithms only"));
        }
        Ok(Self {
            kid: None,
            place: None,
            thumbprint: secret_thumbprint(secret),
            prepared,
        })
    }

    /// A public key for some algorithms of its family.
    pub(super) fn from_public(
        key: &PublicKey,
        algorithms: AlgorithmSet,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        let prepare = |algorithm| {
            Ok(Prepared {
                algorithm,
                signature_bytes: key.signature_bytes(),
                material: Material::Public(key.prepare(algorithm)?),
            })
        };
        Ok(Self {
            kid: kid.map(Into::into),
            place: None,
            thumbprint: key.thumbprint(),
            prepared: algorithms.iter().map(prepare).collect::<Result<_, _>>()?,
        })
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it can verify.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.prepared.iter().map(|one| one.algorithm).collect()
    }

    /// Whether it can verify that algorithm.
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.prepared(algorithm).is_some()
    }

    /// Its RFC 7638 thumbprint (SHA-256): its identity, with the algorithm, over refreshes and reloads.
    ///
    /// Of a secret: a keyed digest, which tells nothing about it.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Whether `signature` is this key's for `signing_input`. The algorithm must be one of [`Self::algorithms`].
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, signing_input: &[u8], signature: &[u8]) -> bool {
        self.prepared(algorithm)
            .is_some_and(|prepared| prepared.verifies(signing_input, signature))
    }

    /// Checks an encoded signature, its length first: crypto never sees one of another length.
    ///
    /// # Errors
    /// `UnknownKey` if the key does not serve `algorithm`, `BadSignature` if the signature has another length or is not this
    /// key's, `Malformed` if it is not strict base64url.
    pub fn check(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        encoded: &[u8],
    ) -> Result<(), TokenError> {
        let mut buffer = SignatureBuffer::default();
        let signature = self.decode_signature(algorithm, encoded, &mut buffer)?;
        if self.verifies(algorithm, signing_input, signature) {
            Ok(())
        } else {
            Err(TokenError::BadSignature)
        }
    }

    /// The signature's bytes: `BadSignature` if it has not the length of this key's signatures, `Malformed` if it is not
    /// strict base64url.
    pub(super) fn decode_signature<'b>(
        &self,
        algorithm: Algorithm,
        encoded: &[u8],
        buffer: &'b mut SignatureBuffer,
    ) -> Result<&'b [u8], TokenError> {
        let prepared = self.prepared(algorithm).ok_or(TokenError::UnknownKey)?;
        if encoded.len() != base64url::encoded_len(prepared.signature_bytes) {
            return Err(TokenError::BadSignature);
        }
        base64url::decode_into(encoded, &mut buffer.0)
            .ok_or(TokenError::Malformed("signature is not base64url"))
    }

    /// Keeps what `algorithms` holds, and forgets the rest.
    pub(super) fn restrict(&mut self, algorithms: AlgorithmSet) {
        self.prepared
            .retain(|prepared| algorithms.contains(prepared.algorithm));
    }

    /// Its place in the document that it came from, if it came from one.
    pub(super) fn place(&self) -> Option<usize> {
        self.place
    }

    pub(super) fn set_place(&mut self, place: usize) {
        self.place = Some(place);
    }

    fn prepared(&self, algorithm: Algorithm) -> Option<&Prepared> {
        self.prepared
            .iter()
            .find(|prepared| prepared.algorithm == algorithm)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms().iter().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Prepared {
    fn verifies(&self, signing_input: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(signing_input, signature).is_ok(),
            // In constant time, and of the whole tag.
            Material::Hmac(key) => hmac::verify(key, signing_input, signature).is_ok(),
        }
    }
}

/// Room for any signature, on the stack.
pub(super) struct SignatureBuffer([u8; MAX_SIGNATURE_BYTES]);

impl Default for SignatureBuffer {
    fn default() -> Self {
        Self([0; MAX_SIGNATURE_BYTES])
    }
}

/// Not RFC 7638's plain hash, which would let a reader of `/status` test guesses without a token; and no JWS signing input
/// has this text, which holds no dot.
fn secret_thumbprint(secret: &Secret) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let mut digest = [0; 32];
    digest.copy_from_slice(hmac::sign(&key, b"portcullis key identity").as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(algorithms: &[Algorithm]) -> AlgorithmSet {
        algorithms.iter().copied().collect()
    }

    #[test]
    fn a_secret_is_as_long_as_the_hash() {
        for (algorithm, needed) in [
            (Algorithm::Hs256, 32),
            (Algorithm::Hs384, 48),
            (Algorithm::Hs512, 64),
        ] {
            let secret = Secret::new(vec![7; needed]);
            let key = VerifyingKey::from_secret(&secret, set(&[algorithm])).unwrap();
            assert_eq!(key.algorithms(), set(&[algorithm]));
            let short = Secret::new(vec![7; needed - 1]);
            assert_eq!(
                VerifyingKey::from_secret(&short, set(&[Algorithm::Rs256, algorithm])).err(),
                Some(KeyError::ShortSecret {
                    bytes: needed - 1,
                    needed,
                    algorithm: algorithm.name()
                })
            );
        }
        let secret = Secret::new(vec![7; 64]);
        assert!(matches!(
            VerifyingKey::from_secret(&secret, set(&[Algorithm::Rs256])),
            Err(KeyError::NotUsable(_))
        ));
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
        let check = |encoded: &str| key.check(Algorithm::Hs256, b"input", encoded.as_bytes());
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
            key.check(Algorithm::Hs256, b"other", good.as_bytes()),
            Err(TokenError::BadSignature)
        );
        assert_eq!(
            key.check(Algorithm::Hs384, b"input", good.as_bytes()),
            Err(TokenError::UnknownKey)
        );
    }

    #[test]
    fn a_key_prints_its_name_and_nothing_of_a_secret() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        let key = VerifyingKey::from_secret(&secret, set(&[Algorithm::Hs256]))
            .unwrap()
            .with_kid("k1");
        assert_eq!(
            format!("{key:?}"),
            "VerifyingKey { kid: Some(\"k1\"), algorithms: [Hs256], .. }"
        );
        let plain = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose());
        assert_ne!(key.thumbprint(), plain.as_ref());
    }
}
