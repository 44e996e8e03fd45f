//! PEM (RFC 7468): public keys, certificates, and PKCS#8 private keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::secret::Secret;

use super::KeyError;
use super::public_key::{Curve, PublicKey};

/// The first public key or certificate of a PEM text.
pub(super) fn public_key(pem: &[u8]) -> Result<PublicKey, KeyError> {
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| KeyError::Invalid("not PEM"))?;
        match block.label.as_str() {
            "PUBLIC KEY" => return from_spki(&block.contents),
            "RSA PUBLIC KEY" => return from_pkcs1(&block.contents),
            "CERTIFICATE" => return from_certificate(&block),
            label if label.ends_with("PRIVATE KEY") => {
                return Err(KeyError::NotUsable(
                    "a private key: a public key or certificate belongs here",
                ));
            }
            _ => {}
        }
    }
    Err(KeyError::Invalid(
        "no PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE in it",
    ))
}

/// The first PKCS#8 private key of a PEM text, as DER.
pub(super) fn private_key(pem: &[u8]) -> Result<Secret, KeyError> {
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| KeyError::Invalid("not PEM"))?;
        match block.label.as_str() {
            PRIVATE_KEY => return Ok(Secret::new(block.contents)),
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                return Err(KeyError::NotUsable(
                    "not plain PKCS#8: `openssl pkcs8 -topk8 -nocrypt` converts it",
                ));
            }
            _ => {}
        }
    }
    Err(KeyError::Invalid("no PRIVATE KEY in it"))
}

/// A PKCS#8 private key as PEM text.
pub(super) fn encode_private_key(pkcs8: &Secret) -> Secret {
    /// Characters of a line (RFC 7468 §2).
    const LINE: usize = 64;
    let mut encoded = STANDARD.encode(pkcs8.expose()).into_bytes();
    let mut text = format!("-----BEGIN {PRIVATE_KEY}-----\n").into_bytes();
    // Room for all of it at once, so that no half-filled buffer with key material is left behind.
    text.reserve_exact(2 * encoded.len() + LINE);
    for line in encoded.chunks(LINE) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {PRIVATE_KEY}-----\n").as_bytes());
    zeroize::Zeroize::zeroize(&mut encoded);
    Secret::new(text)
}

const PRIVATE_KEY: &str = "PRIVATE KEY";

/// An RSA key of a PKCS#1 `RSAPublicKey` (RFC 8017 §A.1.1).
pub(super) fn from_pkcs1(der: &[u8]) -> Result<PublicKey, KeyError> {
    match RSAPublicKey::from_der(der) {
        Ok((&[], key)) => PublicKey::rsa(key.modulus, key.exponent),
        Ok(_) | Err(_) => Err(KeyError::Invalid("not an RSA public key")),
    }
}

fn from_certificate(block: &Pem) -> Result<PublicKey, KeyError> {
    let certificate = block
        .parse_x509()
        .map_err(|_| KeyError::Invalid("not a certificate"))?;
    from_parsed_spki(certificate.public_key())
}

fn from_spki(der: &[u8]) -> Result<PublicKey, KeyError> {
    match SubjectPublicKeyInfo::from_der(der) {
        Ok((&[], spki)) => from_parsed_spki(&spki),
        Ok(_) | Err(_) => Err(KeyError::Invalid("not a public key")),
    }
}

fn from_parsed_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, KeyError> {
    let bits = &spki.subject_public_key.data;
    let kind = &spki.algorithm.algorithm;
    if *kind == OID_PKCS1_RSAENCRYPTION {
        from_pkcs1(bits)
    } else if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        PublicKey::ec_point(curve_of(spki)?, bits)
            .ok_or(KeyError::Invalid("not an uncompressed point of its curve"))
    } else if *kind == OID_SIG_ED25519 {
        PublicKey::ed25519(bits)
    } else {
        Err(KeyError::NotUsable("not an RSA, ECDSA or Ed25519 key"))
    }
}

fn curve_of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Curve, KeyError> {
    let parameters = spki.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
    match curve {
        Some(oid) if oid == OID_EC_P256 => Ok(Curve::P256),
        Some(oid) if oid == OID_NIST_EC_P384 => Ok(Curve::P384),
        Some(oid) if oid == OID_NIST_EC_P521 => Ok(Curve::P521),
        Some(_) | None => Err(KeyError::NotUsable(UNSUPPORTED_CURVE)),
    }
}

/// A curve on which no algorithm of ours signs.
pub(super) const UNSUPPORTED_CURVE: &str = "not on P-256, P-384, P-521 or Ed25519";
