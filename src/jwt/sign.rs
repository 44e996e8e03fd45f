//! Signing: for minted tokens and generated keys.

use crate::json::Value;
use crate::secret::Secret;

use super::{Algorithm, KeyError, VerifyingKey};

/// A private key, or a secret, that signs with one algorithm.
pub struct SigningKey {}

impl SigningKey {
    /// Makes a new key: RSA of 2048 bits, the curve of the algorithm, or a secret as long as the hash.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(_algorithm: Algorithm) -> Result<Self, KeyError> {
        todo!("jwt helper")
    }

    /// Reads a PKCS#8 private key in PEM; the algorithm must fit it.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn from_pem(_pem: &[u8], _algorithm: Algorithm) -> Result<Self, KeyError> {
        todo!("jwt helper")
    }

    /// A key for HS256, HS384 or HS512.
    ///
    /// # Errors
    /// `ShortSecret`.
    pub fn from_secret(_secret: &Secret, _algorithm: Algorithm) -> Result<Self, KeyError> {
        todo!("jwt helper")
    }

    /// The private key as PKCS#8 PEM (the secret itself for HMAC): for a file with mode 0600, nowhere else.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        todo!("jwt helper")
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The RFC 7638 thumbprint of the public key, base64url: its kid unless told otherwise. HMAC: of a keyed digest.
    #[must_use]
    pub fn kid(&self) -> &str {
        todo!()
    }

    /// The public half as a JWK with `kid`, `alg` and `use` (a [`Value::Object`]); `None` for HMAC.
    #[must_use]
    pub fn public_jwk(&self) -> Option<serde_json::Value> {
        todo!()
    }

    /// What verifies its signatures.
    ///
    /// # Errors
    /// Never for a key that was made here.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        todo!()
    }

    /// Signs a claims set as a compact JWS with header `alg`, `kid`, `typ`.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign(&self, _typ: &str, _claims: &serde_json::Value) -> Result<String, KeyError> {
        let _ = std::mem::size_of::<Value>();
        todo!("jwt helper")
    }
}
