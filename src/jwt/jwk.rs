//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): a bad key of a set is skipped and named, the rest serve.

use std::sync::Arc;

use crate::json::{self, JsonError, Object, Value};

use super::pem::UNSUPPORTED_CURVE;
use super::public_key::{Curve, PublicKey};
use super::{Algorithm, AlgorithmSet, KeyError, VerifyingKey, base64url};

/// Bytes of a JWK Set that are read: 1 MiB. Hundreds of keys with certificate chains fit.
pub const JWK_SET_MAX_BYTES: usize = 1 << 20;

/// Keys of a JWK Set that are read: 100. Providers publish two to ten.
const JWK_SET_MAX_KEYS: usize = 100;

/// Bytes of the longest `kid` that a set gives a key. Hashes have 43, the longest URLs some hundred; it is kept for each key
/// that was ever there lately, and stands in the log and in reports.
const KID_MAX_BYTES: usize = 1024;

/// What a JWK Set document held.
#[derive(Debug)]
pub struct ParsedJwkSet {
    /// The keys that can be used.
    pub keys: Vec<VerifyingKey>,
    /// The keys that cannot, with the reason.
    pub skipped: Vec<SkippedKey>,
}

/// A key that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Where it came from, in words for an operator.
    pub source: Option<Arc<str>>,
    /// Its place there, from 0.
    pub index: usize,
    /// Its `kid`, if it has a readable one of at most 1024 bytes.
    pub kid: Option<Box<str>>,
    /// Why.
    pub error: KeyError,
}

/// Why a document is not a JWK Set: the previous one stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// Not JSON, not an object with an array `keys`, or with a duplicate member.
    #[error("not a JWK Set: {0}")]
    Malformed(&'static str),
    /// More than 1 MiB or more than 100 keys.
    #[error("too large: at most 1 MiB and 100 keys are read")]
    TooLarge,
}

/// Parses a JWK Set. Symmetric keys (`oct`) are always skipped: a public set never holds a secret. So is a key with its
/// private half: everyone who read the set can sign with it.
///
/// # Errors
/// As [`JwkSetError`] says.
pub fn parse_jwk_set(document: &[u8]) -> Result<ParsedJwkSet, JwkSetError> {
    if document.len() > JWK_SET_MAX_BYTES {
        return Err(JwkSetError::TooLarge);
    }
    let parsed = json::parse(document).map_err(|error| {
        JwkSetError::Malformed(match error {
            JsonError::Syntax => "not JSON",
            JsonError::DuplicateMember => "a member stands twice",
        })
    })?;
    let Some(set) = parsed.root().as_object() else {
        return Err(JwkSetError::Malformed("not an object"));
    };
    let Some(Value::Array(elements)) = set.get("keys") else {
        return Err(JwkSetError::Malformed("no array `keys`"));
    };
    if elements.len() > JWK_SET_MAX_KEYS {
        return Err(JwkSetError::TooLarge);
    }
    let (mut keys, mut skipped) = (Vec::new(), Vec::new());
    for (index, element) in elements.iter().enumerate() {
        let element = &element;
        match parse_element(element) {
            Ok(mut key) => {
                key.set_place(index);
                keys.push(key);
            }
            Err(error) => skipped.push(SkippedKey {
                source: None,
                index,
                kid: readable_kid(element),
                error,
            }),
        }
    }
    Ok(ParsedJwkSet { keys, skipped })
}

fn readable_kid(element: &Value<'_>) -> Option<Box<str>> {
    let kid = text(element.as_object()?, "kid").ok().flatten();
    kid.filter(|kid| kid.len() <= KID_MAX_BYTES).map(Into::into)
}

fn parse_element(element: &Value<'_>) -> Result<VerifyingKey, KeyError> {
    let members = element
        .as_object()
        .ok_or(KeyError::Invalid("not an object"))?;
    let kid = text(members, "kid").map_err(|_| KeyError::Invalid("kid is not a string"))?;
    if kid.is_some_and(|kid| kid.len() > KID_MAX_BYTES) {
        return Err(KeyError::Invalid("kid is longer than 1024 bytes"));
    }
    check_use(members)?;
    // Before all else that may be wrong with it: this is what its owner must hear.
    check_exposure(members)?;
    check_operations(members)?;
    let key = parse_material(members)?;
    let algorithms = algorithms(members, &key)?;
    VerifyingKey::from_public(key, algorithms, kid)
}

/// What only the owner of a key may know (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// `use` (RFC 7517 §4.2): where it stands it must allow verifying.
fn check_use(members: Object<'_>) -> Result<(), KeyError> {
    match text(members, "use") {
        Ok(None | Some("sig")) => Ok(()),
        Ok(Some(_)) => Err(KeyError::NotUsable("use is not sig")),
        Err(NotText) => Err(KeyError::Invalid("use is not a string")),
    }
}

/// Whoever reads the set could sign with such a key.
fn check_exposure(members: Object<'_>) -> Result<(), KeyError> {
    if let Ok(Some("oct")) = text(members, "kty") {
        return Err(KeyError::Exposed("a secret in a set of public keys"));
    }
    let private = |name: &&str| members.get(name).is_some();
    if PRIVATE_MEMBERS.iter().any(private) {
        return Err(KeyError::Exposed(
            "published with its private half: whoever read it can sign",
        ));
    }
    Ok(())
}

/// `key_ops` (RFC 7517 §4.3): where it stands it must allow verifying.
fn check_operations(members: Object<'_>) -> Result<(), KeyError> {
    let Some(operations) = members.get("key_ops") else {
        return Ok(());
    };
    let mut operations = operations
        .as_array()
        .ok_or(KeyError::Invalid("key_ops is not an array"))?
        .iter();
    if operations.any(|operation| operation.as_str() == Some("verify")) {
        Ok(())
    } else {
        Err(KeyError::NotUsable("key_ops without verify"))
    }
}

/// What the key verifies: the one algorithm of its `alg`, or all of its family.
fn algorithms(members: Object<'_>, key: &PublicKey) -> Result<AlgorithmSet, KeyError> {
    match text(members, "alg") {
        Ok(None) => Ok(AlgorithmSet::of_family(key.family())),
        // Whether it fits the key shows when the key is prepared for it.
        Ok(Some(name)) => Algorithm::from_name(name)
            .map(|algorithm| AlgorithmSet::from_iter([algorithm]))
            .ok_or(KeyError::NotUsable(
                "alg is not a signature algorithm of ours",
            )),
        Err(NotText) => Err(KeyError::Invalid("alg is not a string")),
    }
}

fn parse_material(members: Object<'_>) -> Result<PublicKey, KeyError> {
    match text(members, "kty") {
        Ok(Some("RSA")) => PublicKey::rsa(&bytes(members, "n")?, &bytes(members, "e")?),
        Ok(Some("EC")) => {
            let curve = text(members, "crv").ok().flatten();
            let curve = curve
                .and_then(Curve::from_name)
                .ok_or(KeyError::NotUsable(UNSUPPORTED_CURVE))?;
            PublicKey::ec(curve, &bytes(members, "x")?, &bytes(members, "y")?)
        }
        Ok(Some("OKP")) => match text(members, "crv") {
            Ok(Some("Ed25519")) => PublicKey::ed25519(&bytes(members, "x")?),
            Ok(_) | Err(NotText) => Err(KeyError::NotUsable(UNSUPPORTED_CURVE)),
        },
        Ok(Some(_)) => Err(KeyError::NotUsable("unknown kty")),
        Ok(None) | Err(NotText) => Err(KeyError::Invalid("no kty")),
    }
}

/// A member that holds base64url.
fn bytes(members: Object<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let text = text(members, name).ok().flatten();
    text.and_then(|text| base64url::decode(text.as_bytes()))
        .ok_or(KeyError::Invalid(
            "n, e, x or y is missing or not base64url",
        ))
}

/// A member that stands there with another type.
struct NotText;

/// A member that must be a string where it stands.
fn text<'d>(members: Object<'d>, name: &str) -> Result<Option<&'d str>, NotText> {
    let text = |value: Value<'d>| value.as_str().ok_or(NotText);
    members.get(name).map(text).transpose()
}

#[cfg(test)]
mod tests;
