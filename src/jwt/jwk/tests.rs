use serde_json::{Value as Json, json};

use crate::jwt::SigningKey;

use super::*;

fn jwk(algorithm: Algorithm) -> Json {
    SigningKey::generate(algorithm)
        .unwrap()
        .public_jwk()
        .unwrap()
}

/// `jwk` with the members of `changes`; `null` removes one.
fn with(mut jwk: Json, changes: &Json) -> Json {
    let members = jwk.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk
}

fn parse(keys: &[Json]) -> ParsedJwkSet {
    parse_jwk_set(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// Why a key is skipped.
fn skipped(jwk: Json) -> Option<KeyError> {
    let mut parsed = parse(&[jwk]);
    assert_eq!(parsed.keys.len() + parsed.skipped.len(), 1);
    parsed.skipped.pop().map(|key| key.error)
}

#[test]
fn what_is_not_a_set_is_refused() {
    for document in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":[]} x"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"a":1,"a":1}]}"#,
        r#"{"keys":[],"x":[{"y":{"a":1,"a":1}}]}"#,
    ] {
        assert!(
            matches!(
                parse_jwk_set(document.as_bytes()),
                Err(JwkSetError::Malformed(_))
            ),
            "{document}"
        );
    }
    assert!(parse_jwk_set(br#"{"keys":[]}"#).unwrap().keys.is_empty());
}

#[test]
fn a_kid_has_its_limit() {
    let named = |bytes| json!({ "kid": "k".repeat(bytes) });
    let key = jwk(Algorithm::Es256);
    assert_eq!(skipped(with(key.clone(), &named(KID_MAX_BYTES))), None);
    let long = with(key, &named(KID_MAX_BYTES + 1));
    let parsed = parse(std::slice::from_ref(&long));
    assert!(parsed.keys.is_empty());
    assert_eq!(parsed.skipped[0].kid, None);
    let error = KeyError::Invalid("kid is longer than 1024 bytes");
    assert_eq!(skipped(long), Some(error));
}

#[test]
fn a_set_has_its_limits() {
    let keys = |count| json!({ "keys": vec![json!({}); count] }).to_string();
    let most = parse_jwk_set(keys(JWK_SET_MAX_KEYS).as_bytes()).unwrap();
    assert_eq!(most.skipped.len(), JWK_SET_MAX_KEYS);
    assert_eq!(
        parse_jwk_set(keys(JWK_SET_MAX_KEYS + 1).as_bytes()).err(),
        Some(JwkSetError::TooLarge)
    );
    let empty = r#"{"keys":[]}"#;
    let padded = |bytes: usize| format!("{empty}{}", " ".repeat(bytes - empty.len()));
    assert!(parse_jwk_set(padded(JWK_SET_MAX_BYTES).as_bytes()).is_ok());
    assert_eq!(
        parse_jwk_set(padded(JWK_SET_MAX_BYTES + 1).as_bytes()).err(),
        Some(JwkSetError::TooLarge)
    );
}

#[test]
fn a_bad_key_is_named_and_the_rest_serve() {
    let good = with(jwk(Algorithm::EdDsa), &json!({"kid": "good"}));
    let bad = with(good.clone(), &json!({"kid": "bad", "x": "AA"}));
    let parsed = parse(&[json!(1), bad, json!({"kid": 7}), good]);
    let [key] = &parsed.keys[..] else {
        panic!("{parsed:?}");
    };
    assert_eq!((key.kid(), key.place()), (Some("good"), Some(3)));
    let named: Vec<_> = parsed
        .skipped
        .iter()
        .map(|key| (key.index, key.kid.as_deref()))
        .collect();
    assert_eq!(named, [(0, None), (1, Some("bad")), (2, None)]);
}

#[test]
fn alg_pins_a_key_and_without_it_the_family_is_served() {
    for (algorithm, of_family) in [
        (Algorithm::Ps384, 6),
        (Algorithm::Es256, 1),
        (Algorithm::Es384, 1),
        (Algorithm::Es512, 1),
        (Algorithm::EdDsa, 1),
    ] {
        let pinned = jwk(algorithm);
        let free = with(pinned.clone(), &json!({"alg": null}));
        let parsed = parse(&[pinned.clone(), free]);
        let served = |index: usize| parsed.keys[index].algorithms();
        assert!(served(0).iter().eq([algorithm]), "{algorithm:?}");
        assert_eq!(served(1).iter().count(), of_family);
        assert!(served(1).contains(algorithm));
        for other in Algorithm::ALL {
            if other.family() != algorithm.family() {
                let relabelled = with(pinned.clone(), &json!({"alg": other.name()}));
                assert!(matches!(skipped(relabelled), Some(KeyError::NotUsable(_))));
            }
        }
    }
    let named = with(jwk(Algorithm::EdDsa), &json!({"alg": "Ed25519"}));
    assert_eq!(skipped(named), None);
}

#[test]
fn keys_for_something_else_are_not_usable() {
    let rsa = jwk(Algorithm::Rs256);
    for changes in [
        json!({"use": "enc"}),
        json!({"use": ""}),
        json!({"key_ops": []}),
        json!({"key_ops": ["sign", "encrypt"]}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "none"}),
        json!({"use": "enc", "d": "AQAB"}),
        json!({"kty": "AKP"}),
        json!({"kty": "EC", "crv": "secp256k1"}),
        json!({"kty": "OKP", "crv": "X25519"}),
        json!({"kty": "OKP"}),
    ] {
        let error = skipped(with(rsa.clone(), &changes));
        assert!(
            matches!(error, Some(KeyError::NotUsable(_))),
            "{changes}: {error:?}"
        );
    }
    for changes in [
        json!({"use": null, "key_ops": null, "kid": null, "alg": null}),
        json!({"key_ops": ["verify", "sign", 1]}),
        json!({"x5c": ["AAAA"], "x5u": 1, "unknown": {}}),
    ] {
        assert_eq!(skipped(with(rsa.clone(), &changes)), None, "{changes}");
    }
}

#[test]
fn keys_that_everyone_can_sign_with_are_called_that_whatever_else_is_wrong() {
    let rsa = jwk(Algorithm::Rs256);
    for changes in [
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "oct", "k": "AAAA", "alg": "HS256", "key_ops": ["sign"]}),
        json!({"d": "AQAB"}),
        json!({"d": 1}),
        json!({"p": null, "q": "AQAB"}),
        json!({"d": "AQAB", "key_ops": ["sign"]}),
        json!({"d": "AQAB", "alg": "none", "n": null}),
    ] {
        let error = skipped(with(rsa.clone(), &changes));
        assert!(
            matches!(error, Some(KeyError::Exposed(_))),
            "{changes}: {error:?}"
        );
    }
}

#[test]
fn ill_typed_members_are_invalid() {
    let rsa = jwk(Algorithm::Rs256);
    let ec = jwk(Algorithm::Es256);
    let ed = jwk(Algorithm::EdDsa);
    for (jwk, changes) in [
        (&rsa, json!({"kty": null})),
        (&rsa, json!({"kty": 1})),
        (&rsa, json!({"kid": 1})),
        (&rsa, json!({"alg": 1})),
        (&rsa, json!({"use": 1})),
        (&rsa, json!({"key_ops": "verify"})),
        (&rsa, json!({"n": null})),
        (&rsa, json!({"e": 65537})),
        (&rsa, json!({"e": "AQAB=="})),
        (&rsa, json!({"e": "AQ"})),
        (&rsa, json!({"e": "AQAA"})),
        (&ec, json!({"y": ec["x"]})),
        (&ec, json!({"x": null})),
        (
            &ec,
            json!({"x": format!("AA{}", ec["x"].as_str().unwrap())}),
        ),
        (&ec, json!({"crv": "P-384", "alg": null})),
        (&ed, json!({"x": "AQ"})),
        (&ed, json!({"x": format!("AQ{}", "A".repeat(41))})),
    ] {
        let error = skipped(with(jwk.clone(), &changes));
        assert!(
            matches!(error, Some(KeyError::Invalid(_))),
            "{changes}: {error:?}"
        );
    }
    let small = with(rsa, &json!({"n": format!("{}8", "_".repeat(170))}));
    assert_eq!(skipped(small), Some(KeyError::RsaSize { bits: 1024 }));
}
