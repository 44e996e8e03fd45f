//! JWK Set documents: which load, and which keys of them serve.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::jwt::{KeyError, KeySet, parse_jwk_set};
use serde_json::{Value, json};

use crate::support::{all_algorithms, cases, text};

/// The document of a case: stored, or made as `generate` tells.
fn document(case: &Value) -> Vec<u8> {
    if let Some(body) = case["body_b64"].as_str() {
        return STANDARD.decode(body).expect("base64");
    }
    assert_eq!(text(case, "name"), "bad-huge-5mb");
    let set: Value = serde_json::from_str(include_str!("data/jwks.json")).expect("JSON");
    let keys = vec![&set["keys"][0]; 100];
    json!({ "keys": keys, "pad": "a".repeat(2_900_000) })
        .to_string()
        .into_bytes()
}

/// The kids of the keys that serve; `None` where the previous set stays in force.
fn usable_kids(document: &[u8]) -> Option<Vec<String>> {
    let (keys, _) = KeySet::new(parse_jwk_set(document).ok()?.keys, all_algorithms());
    let kid = |key: &portcullis::jwt::VerifyingKey| key.kid().unwrap_or_default().to_owned();
    (!keys.is_empty()).then(|| keys.iter().map(kid).collect())
}

#[test]
fn key_sets_load_as_expected() {
    let all = cases(include_str!("data/jwks_cases.json"));
    let mut loaded = 0;
    for case in &all {
        let name = text(case, "name");
        let expected: Vec<String> = serde_json::from_value(case["usable_kids"].clone()).unwrap();
        let usable = usable_kids(&document(case));
        loaded += usize::from(usable.is_some());
        match text(case, "expect") {
            "load" => assert_eq!(usable, Some(expected), "{name}"),
            "keep-previous" => assert_eq!(usable, None, "{name}"),
            "load-or-keep-previous" => {
                assert!(usable.is_none_or(|kids| kids == expected), "{name}");
            }
            other => panic!("{name}: {other}"),
        }
    }
    assert_eq!((all.len(), loaded), (26, 14));
}

#[test]
fn keys_that_everyone_can_sign_with_are_known_as_that() {
    let all = cases(include_str!("data/jwks_cases.json"));
    let exposed = |case: &Value| {
        let parsed = parse_jwk_set(&document(case));
        let mut skipped = parsed.into_iter().flat_map(|set| set.skipped);
        skipped.any(|key| matches!(key.error, KeyError::Exposed(_)))
    };
    let named: Vec<&str> = all
        .iter()
        .filter(|case| exposed(case))
        .map(|case| text(case, "name"))
        .collect();
    assert_eq!(named, ["private-in-jwks"]);
}
