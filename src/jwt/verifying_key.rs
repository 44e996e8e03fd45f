//! One key that was found fit to verify. It stays with the snapshot; what checks signatures is prepared from it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::secret::Secret;

use super::pem;
use super::public_key::{MAX_SIGNATURE_BYTES, PublicKey, Scheme, scheme};
use super::{
    Algorithm, AlgorithmSet, KeyError, KeyFamily, KeyIdentity, PreparedKey, PreparedKeys,
    TokenError, base64url,
};

/// A key that can verify: for each of its algorithms it was prepared once when it was loaded, to prove that it can be.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<Box<str>>,
    /// Where it came from.
    source: Option<Arc<str>>,
    /// Its place in the document that it came from.
    place: Option<usize>,
    thumbprint: [u8; 32],
    algorithms: AlgorithmSet,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Public(PublicKey),
    Secret(Secret),
}

impl VerifyingKey {
    /// Reads a public key (`PUBLIC KEY`, `RSA PUBLIC KEY`) or certificate in PEM.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn from_pem(pem: &[u8], kid: Option<&str>) -> Result<Self, KeyError> {
        let key = pem::public_key(pem)?;
        let algorithms = AlgorithmSet::of_family(key.family());
        Self::from_public(key, algorithms, kid)
    }

    /// A secret for the HMAC algorithms of `algorithms`.
    ///
    /// # Errors
    /// `ShortSecret` if it is too short for one of them, `NotUsable` if none of them is an HMAC algorithm.
    pub fn from_secret(secret: &Secret, algorithms: AlgorithmSet) -> Result<Self, KeyError> {
        let algorithms = algorithms.intersection(AlgorithmSet::of_family(KeyFamily::Hmac));
        if algorithms.is_empty() {
            return Err(KeyError::NotUsable("a secret serves HMAC algorithms only"));
        }
        for algorithm in algorithms.iter() {
            let needed = tag_bytes(algorithm);
            if secret.len() < needed {
                return Err(KeyError::ShortSecret {
                    bytes: secret.len(),
                    needed,
                    algorithm: algorithm.name(),
                });
            }
        }
        Ok(Self {
            kid: None,
            source: None,
            place: None,
            thumbprint: secret_thumbprint(secret),
            algorithms,
            material: Material::Secret(Secret::new(secret.expose().to_vec())),
        })
    }

    /// A public key for some algorithms of its family.
    pub(super) fn from_public(
        key: PublicKey,
        algorithms: AlgorithmSet,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        for algorithm in algorithms.iter() {
            key.prepare(algorithm)?;
        }
        Ok(Self {
            kid: kid.map(Into::into),
            source: None,
            place: None,
            thumbprint: key.thumbprint(),
            algorithms,
            material: Material::Public(key),
        })
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The same key as one of that source: its first, if it came from no place in a set.
    #[must_use]
    pub fn with_source(mut self, source: &Arc<str>) -> Self {
        self.source = Some(Arc::clone(source));
        self.place.get_or_insert_default();
        self
    }

    /// Where it came from, in words for an operator; the first of several sources that have it.
    #[must_use]
    pub fn source(&self) -> Option<&Arc<str>> {
        self.source.as_ref()
    }

    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it can verify.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Whether it can verify that algorithm.
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(algorithm)
    }

    /// Its RFC 7638 thumbprint (SHA-256): its identity, with the algorithm, over refreshes and reloads.
    ///
    /// Of a secret: a keyed digest, which tells nothing about it.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// What it is as a key of `algorithm`, under whatever name and from whatever file.
    #[must_use]
    pub fn identity(&self, algorithm: Algorithm) -> KeyIdentity {
        KeyIdentity {
            thumbprint: self.thumbprint,
            algorithm,
        }
    }

    /// The key as one thread needs it to check signatures.
    ///
    /// # Errors
    /// `NotUsable` for an algorithm that it does not serve. For the others it was prepared before, so only a library that
    /// runs out of memory fails here.
    pub fn prepare(&self, algorithm: Algorithm) -> Result<PreparedKey, KeyError> {
        if !self.serves(algorithm) {
            return Err(KeyError::NotUsable("the key does not serve the algorithm"));
        }
        match &self.material {
            Material::Public(key) => key.prepare(algorithm).map(PreparedKey::public),
            Material::Secret(secret) => match scheme(algorithm) {
                Scheme::Hmac(hash) => Ok(PreparedKey::hmac(hash, secret)),
                Scheme::Rsa(_) | Scheme::Ec(..) | Scheme::Ed25519 => {
                    Err(KeyError::NotUsable("a secret serves HMAC algorithms only"))
                }
            },
        }
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
        keys: &mut PreparedKeys,
    ) -> Result<(), TokenError> {
        if !self.serves(algorithm) {
            return Err(TokenError::UnknownKey);
        }
        if !self.has_length(algorithm, encoded) {
            return Err(TokenError::BadSignature);
        }
        let mut buffer = [0; MAX_SIGNATURE_BYTES];
        let signature = base64url::decode_into(encoded, &mut buffer)
            .ok_or(TokenError::Malformed("signature is not base64url"))?;
        if keys
            .get(self, algorithm)?
            .verifies(signing_input, signature)
        {
            Ok(())
        } else {
            Err(TokenError::BadSignature)
        }
    }

    /// Whether an encoded signature has the length of this key's.
    pub(super) fn has_length(&self, algorithm: Algorithm, encoded: &[u8]) -> bool {
        encoded.len() == base64url::encoded_len(self.signature_bytes(algorithm))
    }

    /// Bytes of each of its signatures.
    pub(super) fn signature_bytes(&self, algorithm: Algorithm) -> usize {
        match &self.material {
            Material::Public(key) => key.signature_bytes(),
            Material::Secret(_) => tag_bytes(algorithm),
        }
    }

    /// Keeps what `algorithms` holds, and forgets the rest.
    pub(super) fn restrict(&mut self, algorithms: AlgorithmSet) {
        self.algorithms = self.algorithms.intersection(algorithms);
    }

    /// Its place in the document that it came from, if it came from one.
    pub(super) fn place(&self) -> Option<usize> {
        self.place
    }

    pub(super) fn set_place(&mut self, place: usize) {
        self.place = Some(place);
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

/// Bytes of an HMAC tag, and of the shortest secret for it (RFC 7518 §3.2).
fn tag_bytes(algorithm: Algorithm) -> usize {
    match scheme(algorithm) {
        Scheme::Hmac(hash) => hash.tag_len(),
        Scheme::Rsa(_) | Scheme::Ec(..) | Scheme::Ed25519 => 0,
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
