//! Signing: for minted tokens and generated keys.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaSignatureEncoding,
};
use jsonwebtoken::{EncodingKey, Header};

use crate::secret::Secret;

use super::public_key::{Curve, PublicKey, Scheme, scheme};
use super::{Algorithm, AlgorithmSet, KeyError, VerifyingKey, base64url, pem};

/// A private key, or a secret, that signs with one algorithm.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Box<str>,
    /// The public half; none of a secret.
    public: Option<PublicKey>,
    /// PKCS#8 DER, or the secret itself.
    private: Secret,
    signer: Signer,
}

/// The key as its signing library wants it, read once: jsonwebtoken reads and checks a private key again for each signature,
/// which costs as much as the signature, and for RSA more.
enum Signer {
    Hmac(jsonwebtoken::Algorithm, EncodingKey),
    Rsa(rsa::KeyPair, &'static RsaSignatureEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key: RSA of 2048 bits, the curve of the algorithm, or a secret as long as the hash.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Invalid("the key could not be made");
        let pkcs8 = match scheme(algorithm) {
            Scheme::Rsa(_) => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Secret::new(der.as_ref().to_vec())
            }
            Scheme::Ec(curve, _) => {
                let pair = EcdsaKeyPair::generate(ecdsa(curve)).map_err(failed)?;
                let der = pair.to_pkcs8v1().map_err(failed)?;
                Secret::new(der.as_ref().to_vec())
            }
            Scheme::Ed25519 => {
                // Version 1, without the public key: some tools cannot read the other.
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                let der = pair.to_pkcs8v1().map_err(failed)?;
                Secret::new(der.as_ref().to_vec())
            }
            Scheme::Hmac(hmac_algorithm) => {
                let mut secret = vec![0; hmac_algorithm.tag_len()];
                rand::fill(&mut secret).map_err(failed)?;
                return Self::from_secret(&Secret::new(secret), algorithm);
            }
        };
        Self::from_pkcs8(pkcs8, algorithm)
    }

    /// Reads a PKCS#8 private key in PEM; the algorithm must fit it. For an HMAC algorithm: base64url text, as
    /// [`Self::to_pem`] writes it.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        if let Scheme::Hmac(_) = scheme(algorithm) {
            let secret = base64url::decode(pem.trim_ascii())
                .ok_or(KeyError::Invalid("not base64url text of a secret"))?;
            return Self::from_secret(&Secret::new(secret), algorithm);
        }
        Self::from_pkcs8(pem::private_key(pem)?, algorithm)
    }

    /// A key for HS256, HS384 or HS512.
    ///
    /// # Errors
    /// `ShortSecret`, `NotUsable` for another algorithm.
    pub fn from_secret(secret: &Secret, algorithm: Algorithm) -> Result<Self, KeyError> {
        let verifying = VerifyingKey::from_secret(secret, AlgorithmSet::from_iter([algorithm]))?;
        Ok(Self {
            algorithm,
            kid: base64url::encode(verifying.thumbprint()).into(),
            public: None,
            private: secret.clone(),
            signer: signer(algorithm, secret)?,
        })
    }

    fn from_pkcs8(pkcs8: Secret, algorithm: Algorithm) -> Result<Self, KeyError> {
        let public = public_half(&pkcs8, algorithm)?;
        Ok(Self {
            algorithm,
            kid: base64url::encode(&public.thumbprint()).into(),
            public: Some(public),
            signer: signer(algorithm, &pkcs8)?,
            private: pkcs8,
        })
    }

    /// The private key as PKCS#8 PEM (the secret itself as base64url text for HMAC): for a file with mode 0600, nowhere
    /// else.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        match self.public {
            Some(_) => pem::encode_private_key(&self.private),
            None => Secret::new(base64url::encode(self.private.expose()).into_bytes()),
        }
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The RFC 7638 thumbprint of the public key, base64url: its kid unless told otherwise. HMAC: of a keyed digest.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The same key under another kid: the one that its verifiers know it by.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = kid.into();
        self
    }

    /// The public half as a JWK with `kid`, `alg` and `use` (an object); `None` for HMAC.
    #[must_use]
    pub fn public_jwk(&self) -> Option<serde_json::Value> {
        let mut jwk = serde_json::Map::new();
        for (name, value) in self.public.as_ref()?.jwk_members() {
            jwk.insert(name.to_owned(), value.into());
        }
        jwk.insert("kid".to_owned(), self.kid().into());
        jwk.insert("alg".to_owned(), self.algorithm.name().into());
        jwk.insert("use".to_owned(), "sig".into());
        Some(jwk.into())
    }

    /// What verifies its signatures: with this key's kid and algorithm.
    ///
    /// # Errors
    /// Never for a key that was made here.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        let algorithms = AlgorithmSet::from_iter([self.algorithm]);
        match &self.public {
            Some(public) => VerifyingKey::from_public(public.clone(), algorithms, Some(&self.kid)),
            None => VerifyingKey::from_secret(&self.private, algorithms)
                .map(|key| key.with_kid(&self.kid)),
        }
    }

    /// Signs a claims set as a compact JWS with header `alg`, `kid`, `typ`.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign(&self, typ: &str, claims: &serde_json::Value) -> Result<String, KeyError> {
        self.sign_as(&self.kid, typ, claims)
    }

    /// The same under another `kid`, for this token alone: what its verifiers make of that is their matter.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign_as(
        &self,
        kid: &str,
        typ: &str,
        claims: &serde_json::Value,
    ) -> Result<String, KeyError> {
        let failed = KeyError::Invalid("the token could not be signed");
        match &self.signer {
            Signer::Hmac(algorithm, key) => {
                let mut header = Header::new(*algorithm);
                header.typ = Some(typ.to_owned());
                header.kid = Some(kid.to_owned());
                jsonwebtoken::encode(&header, claims, key).map_err(|_| failed)
            }
            Signer::Rsa(pair, encoding) => self.compact((kid, typ), claims, |input| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), input, &mut signature)
                    .map_err(|_| failed)?;
                Ok(signature)
            }),
            Signer::Ecdsa(pair) => self.compact((kid, typ), claims, |input| {
                let signature = pair.sign(&SystemRandom::new(), input);
                Ok(signature.map_err(|_| failed)?.as_ref().to_vec())
            }),
            Signer::Ed25519(pair) => self.compact((kid, typ), claims, |input| {
                let signature = pair.try_sign(input).map_err(|_| failed)?;
                Ok(signature.as_ref().to_vec())
            }),
        }
    }

    /// The compact serialization (RFC 7515 §7.1).
    fn compact(
        &self,
        (kid, typ): (&str, &str),
        claims: &serde_json::Value,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, KeyError>,
    ) -> Result<String, KeyError> {
        let header = serde_json::json!({
            "typ": typ,
            "alg": self.algorithm.name(),
            "kid": kid,
        });
        let part = |value: &serde_json::Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = sign(input.as_bytes())?;
        Ok(format!("{input}.{}", base64url::encode(&signature)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The public half of a PKCS#8 key that is one for `algorithm`.
fn public_half(pkcs8: &Secret, algorithm: Algorithm) -> Result<PublicKey, KeyError> {
    let rejected = |_| KeyError::Invalid("not a private key for this algorithm");
    match scheme(algorithm) {
        Scheme::Rsa(_) => {
            let pair = rsa::KeyPair::from_pkcs8(pkcs8.expose()).map_err(rejected)?;
            pem::from_pkcs1(pair.public_key().as_ref())
        }
        Scheme::Ec(curve, _) => {
            let pair = EcdsaKeyPair::from_pkcs8(ecdsa(curve), pkcs8.expose()).map_err(rejected)?;
            PublicKey::ec_point(curve, pair.public_key().as_ref())
        }
        Scheme::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.expose()).map_err(rejected)?;
            PublicKey::ed25519(pair.public_key().as_ref())
        }
        Scheme::Hmac(_) => Err(KeyError::NotUsable("an HMAC key has no public half")),
    }
}

fn signer(algorithm: Algorithm, private: &Secret) -> Result<Signer, KeyError> {
    let key = match scheme(algorithm) {
        Scheme::Rsa(_) => {
            let pair = rsa::KeyPair::from_pkcs8(private.expose())
                .map_err(|_| KeyError::Invalid("not an RSA private key"))?;
            return Ok(Signer::Rsa(pair, rsa_encoding(algorithm)?));
        }
        Scheme::Ec(curve, _) => {
            return EcdsaKeyPair::from_pkcs8(ecdsa(curve), private.expose())
                .map(Signer::Ecdsa)
                .map_err(|_| KeyError::Invalid("not a private key of this curve"));
        }
        Scheme::Ed25519 => {
            return Ed25519KeyPair::from_pkcs8(private.expose())
                .map(Signer::Ed25519)
                .map_err(|_| KeyError::Invalid("not an Ed25519 private key"));
        }
        Scheme::Hmac(_) => EncodingKey::from_secret(private.expose()),
    };
    let algorithm = algorithm
        .name()
        .parse()
        .map_err(|_| KeyError::NotUsable("no signer for this algorithm"))?;
    Ok(Signer::Hmac(algorithm, key))
}

fn rsa_encoding(algorithm: Algorithm) -> Result<&'static RsaSignatureEncoding, KeyError> {
    match algorithm {
        Algorithm::Rs256 => Ok(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Ok(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Ok(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Ok(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Ok(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Ok(&RSA_PSS_SHA512),
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => Err(KeyError::NotUsable("not an RSA algorithm")),
    }
}

const fn ecdsa(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::jwt::{CompactJws, JoseHeader, parse_jwk_set};

    use super::super::PreparedKeys;
    use super::*;

    #[test]
    fn each_algorithm_signs_what_its_key_verifies() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let token = key.sign("at+jwt", &json!({"sub": "alice"})).unwrap();
            let jws = CompactJws::parse(token.as_bytes()).unwrap();
            let header = JoseHeader::parse(jws.header).unwrap();
            assert_eq!(header.algorithm, algorithm);
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            assert_eq!(header.kid.as_deref(), Some(key.kid()));
            assert_eq!(jws.payload_bytes().unwrap(), br#"{"sub":"alice"}"#);

            let verifying = key.verifying_key().unwrap();
            let mut keys = PreparedKeys::default();
            assert_eq!(verifying.kid(), Some(key.kid()));
            assert_eq!(
                verifying.check(algorithm, jws.signing_input, jws.signature, &mut keys),
                Ok(()),
                "{algorithm:?}"
            );
            assert_eq!(
                verifying.check(algorithm, b"other", jws.signature, &mut keys),
                Err(super::super::TokenError::BadSignature)
            );
        }
    }

    #[test]
    fn a_key_comes_back_from_its_file() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pem(key.to_pem().expose(), algorithm).unwrap();
            assert_eq!(key.kid(), again.kid(), "{algorithm:?}");
            assert_eq!(key.algorithm(), again.algorithm());
            assert_eq!(key.to_pem(), again.to_pem());
            let token = again.sign("JWT", &json!({})).unwrap();
            let jws = CompactJws::parse(token.as_bytes()).unwrap();
            let verifying = key.verifying_key().unwrap();
            let mut keys = PreparedKeys::default();
            let checked = verifying.check(algorithm, jws.signing_input, jws.signature, &mut keys);
            assert_eq!(checked, Ok(()));
        }
    }

    #[test]
    fn the_public_jwk_verifies_and_holds_nothing_private() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let Some(jwk) = key.public_jwk() else {
                assert!(algorithm.name().starts_with("HS"));
                continue;
            };
            let set = json!({ "keys": [jwk] }).to_string();
            let parsed = parse_jwk_set(set.as_bytes()).unwrap();
            assert_eq!(parsed.skipped, [], "{algorithm:?}");
            let [verifying] = &parsed.keys[..] else {
                panic!("one key");
            };
            assert_eq!(verifying.kid(), Some(key.kid()));
            assert_eq!(
                base64url::encode(verifying.thumbprint()),
                key.kid(),
                "the kid is the thumbprint"
            );
            assert_eq!(verifying.algorithms(), AlgorithmSet::from_iter([algorithm]));
        }
    }

    #[test]
    fn a_key_signs_under_the_kid_that_it_was_given() {
        let key = SigningKey::generate(Algorithm::EdDsa)
            .unwrap()
            .with_kid("k1");
        let token = key.sign("JWT", &serde_json::json!({})).unwrap();
        let (header, _) = token.split_once('.').unwrap();
        let header = JoseHeader::parse(header.as_bytes()).unwrap();
        assert_eq!(header.kid.as_deref(), Some("k1"));
        assert_eq!(key.public_jwk().unwrap()["kid"], "k1");
        assert_eq!(key.verifying_key().unwrap().kid(), Some("k1"));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let pem = SigningKey::generate(Algorithm::Es256).unwrap().to_pem();
        for algorithm in Algorithm::ALL {
            let read = SigningKey::from_pem(pem.expose(), algorithm);
            assert_eq!(read.is_ok(), algorithm == Algorithm::Es256, "{algorithm:?}");
        }
        let label = "EC PRIVATE KEY";
        let old = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        for (pem, usable) in [(&b"x"[..], false), (old.as_bytes(), true)] {
            let read = SigningKey::from_pem(pem, Algorithm::Es256).unwrap_err();
            assert_eq!(matches!(read, KeyError::NotUsable(_)), usable, "{read}");
        }
        let short = Secret::new(vec![0; 31]);
        assert!(matches!(
            SigningKey::from_secret(&short, Algorithm::Hs256),
            Err(KeyError::ShortSecret { .. })
        ));
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = SigningKey::generate(Algorithm::Hs256).unwrap();
        let text = format!("{key:?}");
        assert!(
            text.contains("Hs256") && !text.contains("private"),
            "{text}"
        );
    }
}
