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
    for block in blocks(pem) {
        let block = block?;
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
    for block in blocks(pem) {
        let block = block?;
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

fn blocks(pem: &[u8]) -> impl Iterator<Item = Result<Pem, KeyError>> {
    Pem::iter_from_buffer(pem).map(|block| block.map_err(|_| KeyError::Invalid("not PEM")))
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature::KeyPair as _;

    use crate::jwt::{Algorithm, AlgorithmSet, SigningKey, VerifyingKey};

    use super::*;

    fn block(label: &str, der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    fn rsa_pair() -> rsa::KeyPair {
        rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()
    }

    #[test]
    fn both_forms_of_an_rsa_key_are_the_same_key() {
        let pair = rsa_pair();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let spki = block("PUBLIC KEY", spki.as_ref());
        let pkcs1 = block("RSA PUBLIC KEY", pair.public_key().as_ref());
        let [first, second] = [spki, pkcs1].map(|pem| {
            let key = VerifyingKey::from_pem(pem.as_bytes(), Some("k")).unwrap();
            assert_eq!(key.kid(), Some("k"));
            assert_eq!(key.algorithms().iter().count(), 6);
            *key.thumbprint()
        });
        assert_eq!(first, second);
    }

    #[test]
    fn keys_and_certificates_of_each_kind_are_read() {
        for (algorithm, of_rcgen) in [
            (Algorithm::Es256, &rcgen::PKCS_ECDSA_P256_SHA256),
            (Algorithm::Es384, &rcgen::PKCS_ECDSA_P384_SHA384),
            (Algorithm::Es512, &rcgen::PKCS_ECDSA_P521_SHA512),
            (Algorithm::EdDsa, &rcgen::PKCS_ED25519),
        ] {
            let pair = rcgen::KeyPair::generate_for(of_rcgen).unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
                .unwrap()
                .self_signed(&pair)
                .unwrap();
            let signing = SigningKey::from_pem(pair.serialize_pem().as_bytes(), algorithm).unwrap();
            for pem in [
                pair.public_key_pem(),
                certificate.pem(),
                // What stands around a block is a comment.
                format!("Issuer: x\n{}", certificate.pem()),
                // As some editors and secret stores leave them.
                pair.public_key_pem().trim().to_owned(),
                pair.public_key_pem()
                    .replace('\r', "")
                    .replace('\n', "\r\n"),
            ] {
                let key = VerifyingKey::from_pem(pem.as_bytes(), None).unwrap();
                assert_eq!(key.kid(), None);
                assert_eq!(key.algorithms(), AlgorithmSet::from_iter([algorithm]));
                assert_eq!(
                    key.thumbprint(),
                    signing.verifying_key().unwrap().thumbprint()
                );
            }
        }
    }

    #[test]
    fn what_holds_no_public_key_is_refused() {
        let private = SigningKey::generate(Algorithm::Es256).unwrap().to_pem();
        let spki = block("PUBLIC KEY", &[0x30, 0x00]);
        let truncated = &spki[..spki.len() - 10];
        let pair = rsa_pair();
        let trailing = block(
            "RSA PUBLIC KEY",
            &[pair.public_key().as_ref(), &[0]].concat(),
        );
        for pem in [
            &b""[..],
            b"garbage",
            spki.as_bytes(),
            truncated.as_bytes(),
            trailing.as_bytes(),
            block("CERTIFICATE", b"x").as_bytes(),
            block("X509 CRL", b"x").as_bytes(),
        ] {
            let error = VerifyingKey::from_pem(pem, None).unwrap_err();
            assert!(matches!(error, KeyError::Invalid(_)), "{error:?}");
        }
        assert!(matches!(
            VerifyingKey::from_pem(private.expose(), None),
            Err(KeyError::NotUsable(_))
        ));
        let secp256k1 = [
            0x30, 0x18, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x04, 0x00, 0x04, 0x01, 0x01,
        ];
        assert_eq!(
            VerifyingKey::from_pem(block("PUBLIC KEY", &secp256k1).as_bytes(), None).err(),
            Some(KeyError::NotUsable(UNSUPPORTED_CURVE))
        );
    }

    #[test]
    fn private_keys_come_back_from_pem() {
        let der = Secret::new((0..200).collect());
        let pem = encode_private_key(&der);
        let text = std::str::from_utf8(pem.expose()).unwrap();
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(private_key(pem.expose()).unwrap(), der);
    }
}
