//! Whole tokens: `tokens.json`, and the examples of the RFCs.

use std::sync::Arc;

use portcullis::jwt::{
    Algorithm, AlgorithmSet, Issuer, KeyFamily, KeySet, TokenError, VerifiedToken, verify,
};
use serde_json::{Value, json};

use crate::support::{NOW, all_algorithms, cases, issuer, keys, secret_key, text, verify_jws};

fn public_issuer(set: &str) -> Arc<Issuer> {
    let hmac = AlgorithmSet::of_family(KeyFamily::Hmac);
    let set = serde_json::from_str(set).expect("JSON");
    issuer(keys(&set), all_algorithms().difference(hmac))
}

fn hmac_issuer() -> Arc<Issuer> {
    let jwk = serde_json::from_str(include_str!("data/hmac_oct.json")).expect("JSON");
    issuer(
        vec![secret_key(&jwk).expect("a secret")],
        AlgorithmSet::from_iter([Algorithm::Hs256]),
    )
}

/// As the gateway does it: the length first, with the default of `token_bytes`.
fn check(token: &[u8], issuer: &Arc<Issuer>) -> Result<VerifiedToken, TokenError> {
    const LIMIT: usize = 16 * 1024;
    if token.len() > LIMIT {
        return Err(TokenError::TooLong { limit: LIMIT });
    }
    verify(token, std::slice::from_ref(issuer), |_| true, NOW)
}

/// The bytes of a token as a client would send them.
fn bytes(case: &Value) -> Vec<u8> {
    let token = text(case, "token");
    if case["transport"] == true {
        return token.into();
    }
    let latin1: Result<Vec<u8>, _> = token.chars().map(u8::try_from).collect();
    latin1.unwrap_or_else(|_| token.into())
}

/// Whether a case allows that answer. Where our own choice decides, `http_also_ok` says what else is right.
fn allows(case: &Value, accepted: bool) -> bool {
    // What a claim may hold when it becomes a field is the rule of another module.
    let open = case["level"] == "policy" || case["class"] == "claim-to-header";
    let also = |status: &Value| (status.as_u64() == Some(200)) == accepted;
    (case["expect"] == "accept") == accepted
        || open
            && case["http_also_ok"]
                .as_array()
                .is_some_and(|all| all.iter().any(also))
}

#[test]
fn tokens_have_their_expected_outcome() {
    let (public, hmac) = (public_issuer(include_str!("data/jwks.json")), hmac_issuer());
    let mut wrong = Vec::new();
    let mut outcomes = [0, 0];
    for case in cases(include_str!("data/tokens.json")) {
        if case["class"] == "authorization" {
            // The token is good: what its scopes allow is the route's to say.
            continue;
        }
        let needs_hmac = case["needs"]
            .as_array()
            .is_some_and(|needs| needs.contains(&json!("hs256")));
        let issuer = if needs_hmac { &hmac } else { &public };
        let result = check(&bytes(&case), issuer);
        outcomes[usize::from(result.is_ok())] += 1;
        if !allows(&case, result.is_ok()) {
            wrong.push(format!("{}: {:?}", text(&case, "name"), result.err()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let [refused, accepted] = outcomes;
    assert_eq!(refused + accepted, 342);
    assert!(accepted >= 40, "{accepted}");
}

#[test]
fn a_rotation_replaces_keys() {
    let all = cases(include_str!("data/tokens.json"));
    let token = |name: &str| {
        let case = all.iter().find(|case| case["name"] == name);
        bytes(case.unwrap_or_else(|| panic!("{name}")))
    };
    let before = public_issuer(include_str!("data/jwks.json"));
    let after = public_issuer(include_str!("data/jwks_rotated.json"));
    assert!(check(&token("valid-rs256"), &before).is_ok());
    assert_eq!(
        check(&token("valid-rs256"), &after).err(),
        Some(TokenError::UnknownKey)
    );
    assert_eq!(
        check(&token("rotation-future-key"), &before).err(),
        Some(TokenError::UnknownKey)
    );
    assert!(check(&token("rotation-future-key"), &after).is_ok());
}

#[test]
fn keys_of_another_issuer_never_check_a_token_of_this_one() {
    let all = cases(include_str!("data/tokens.json"));
    let token = all
        .iter()
        .find(|case| case["name"] == "subst-other-issuer-same-kid")
        .map(bytes)
        .unwrap();
    let ours = public_issuer(include_str!("data/jwks.json"));
    let mut other =
        Arc::into_inner(public_issuer(include_str!("data/jwks_other_issuer.json"))).unwrap();
    Arc::make_mut(&mut other.policy).issuer = "https://other.test".into();
    let both = [ours, Arc::new(other)];
    assert_eq!(
        verify(&token, &both, |_| true, NOW).err(),
        Some(TokenError::BadSignature)
    );
}

#[test]
fn examples_of_the_rfcs_verify_as_jws_and_never_as_access_tokens() {
    let mut verified = 0;
    let examples = cases(include_str!("data/rfc_examples.json"));
    for case in &examples {
        let id = text(case, "id");
        let token = text(case, "token").as_bytes();
        // As JWS: whether the signature is the key's.
        let set = json!({ "keys": case["key"].as_object().iter().collect::<Vec<_>>() });
        let (key_set, _) = KeySet::new(keys(&set), all_algorithms());
        let accepted = verify_jws(token, &key_set).is_ok();
        assert_eq!(accepted, case["jws_expect"] == "accept", "{id}");
        verified += usize::from(accepted);
        // As an access token: refused for this or for that.
        let issuer = issuer(keys(&set), all_algorithms());
        assert_eq!(case["gateway_expect"], "reject", "{id}");
        assert!(check(token, &issuer).is_err(), "{id}");
    }
    assert_eq!((examples.len(), verified), (38, 10));
}
