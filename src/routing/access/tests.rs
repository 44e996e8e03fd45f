//! Tables of claims and rules.

use serde_json::json;

use crate::json::{self, ClaimPath, Document};

use super::*;

fn object(text: &str) -> Document {
    json::parse(text.as_bytes()).unwrap()
}

fn members(claims: &Document) -> Object<'_> {
    claims.root().as_object().unwrap()
}

fn rule(claim: &str, test: Test) -> Rule {
    Rule {
        claim: ClaimPath::parse(claim).unwrap(),
        name: claim.into(),
        test,
    }
}

fn access(scopes: &[&str], any_scope: &[&str], claims: Vec<Rule>) -> Access {
    let boxed = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    Access {
        auth: Authentication::Required,
        issuers: Box::default(),
        scopes: boxed(scopes),
        any_scope: boxed(any_scope),
        claims,
    }
}

#[test]
fn scopes() {
    for (scopes, any_scope, has, missing) in [
        (&[][..], &[][..], &[][..], None),
        (&["a", "b"], &[], &["b", "c", "a"], None),
        (&["a", "b"], &[], &["a"], Some(&["a", "b"][..])),
        (&["a"], &[], &["A", "ab", "a b"], Some(&["a"])),
        (&[], &["a", "b"], &["b"], None),
        (&[], &["a", "b"], &["c"], Some(&["a", "b"])),
        (&["a"], &["b", "c"], &["a"], Some(&["b", "c"])),
        (&["a"], &["b", "c"], &["b"], Some(&["a"])),
    ] {
        let access = access(scopes, any_scope, Vec::new());
        let result = access.permits_scopes(|scope| has.contains(&scope));
        match (result, missing) {
            (Ok(()), None) => {}
            (Err(AccessError::InsufficientScope(wanted)), Some(missing)) => {
                assert!(
                    wanted
                        .iter()
                        .map(|scope| &**scope)
                        .eq(missing.iter().copied())
                );
            }
            other => panic!("{scopes:?} {any_scope:?} {has:?}: {other:?}"),
        }
    }
}

#[test]
fn every_rule_must_hold_and_the_first_that_fails_is_told() {
    let claims = object(r#"{"tenant": "acme", "realm_access": {"roles": ["ops", "dev"]}}"#);
    let tenant = rule("tenant", Test::Equals(json!("acme")));
    let ops = rule("realm_access.roles", Test::Contains(json!("ops")));
    let admin = rule("realm_access.roles", Test::Contains(json!("admin")));
    let absent = rule("absent", Test::Equals(json!(null)));
    let all = access(&[], &[], vec![tenant.clone(), ops.clone()]);
    assert_eq!(all.permits_claims(members(&claims)), Ok(()));
    let one_fails = access(&[], &[], vec![tenant, admin.clone(), absent.clone(), ops]);
    let error = Err(AccessError::ClaimMismatch(&admin));
    assert_eq!(one_fails.permits_claims(members(&claims)), error);
    let absent_one = access(&[], &[], vec![absent.clone()]);
    let error = Err(AccessError::ClaimMismatch(&absent));
    assert_eq!(absent_one.permits_claims(members(&claims)), error);
}

#[test]
fn equality_is_that_of_json() {
    for (claim, wanted, expected) in [
        ("\"a\"", json!("a"), true),
        ("\"a\"", json!("A"), false),
        ("\"ab\"", json!("a"), false),
        ("1", json!(1), true),
        ("1", json!(1.0), true),
        ("1.0", json!(1), true),
        ("1e3", json!(1000), true),
        ("-1", json!(-1.0), true),
        ("0.5", json!(0.5), true),
        ("0.5", json!(0), false),
        ("1e300", json!(1e300), true),
        ("1e300", json!(1), false),
        // The same as doubles, but not the same.
        ("9007199254740993", json!(9_007_199_254_740_992_i64), false),
        ("9007199254740993", json!(9_007_199_254_740_992.0), false),
        ("18446744073709551615", json!(u64::MAX), true),
        ("18446744073709551615", json!(-1), false),
        ("\"1\"", json!(1), false),
        ("true", json!(true), true),
        ("true", json!("true"), false),
        ("null", json!(null), true),
        ("[1, \"a\"]", json!([1.0, "a"]), true),
        ("[1, \"a\"]", json!(["a", 1]), false),
        ("[1]", json!([1, 1]), false),
        ("[\"a\"]", json!("a"), false),
        ("{\"a\": 1, \"b\": [2]}", json!({"b": [2], "a": 1}), true),
        ("{\"a\": 1}", json!({"a": 1, "b": 2}), false),
        ("{\"a\": 1, \"b\": 2}", json!({"a": 1}), false),
        ("{\"a\": 1}", json!({"b": 1}), false),
    ] {
        let claims = object(&format!("{{\"c\": {claim}}}"));
        let rule = rule("c", Test::Equals(wanted.clone()));
        assert_eq!(holds(&rule, members(&claims)), expected, "{claim} {wanted}");
    }
}

#[test]
fn only_an_array_contains() {
    for (claim, wanted, expected) in [
        ("[\"ops\", \"dev\"]", json!("dev"), true),
        ("[\"ops\", \"dev\"]", json!("de"), false),
        ("[1, 2]", json!(2.0), true),
        ("[[\"ops\"]]", json!("ops"), false),
        ("[[\"ops\"]]", json!(["ops"]), true),
        ("[]", json!(null), false),
        ("[null]", json!(null), true),
        ("\"ops dev\"", json!("ops"), false),
        ("\"ops\"", json!("ops"), false),
        ("{\"ops\": true}", json!("ops"), false),
        ("null", json!(null), false),
    ] {
        let claims = object(&format!("{{\"c\": {claim}}}"));
        let rule = rule("c", Test::Contains(wanted.clone()));
        assert_eq!(holds(&rule, members(&claims)), expected, "{claim} {wanted}");
    }
}

#[test]
fn scopes_and_rules_of_a_claims_set() {
    use base64::Engine as _;

    let text = r#"{"scope": "orders:read orders:write", "tenant": "acme"}"#;
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = ClaimsSet::parse(encoded.as_bytes()).unwrap();
    let acme = rule("tenant", Test::Equals(json!("acme")));
    let other = rule("tenant", Test::Equals(json!("other")));
    let good = access(&["orders:read"], &["x", "orders:write"], vec![acme]);
    assert_eq!(good.permits(&claims), Ok(()));
    // Scopes come first.
    let bad = access(&["orders"], &[], vec![other.clone()]);
    let error = AccessError::InsufficientScope(&bad.scopes);
    assert_eq!(bad.permits(&claims), Err(error));
    let bad = access(&[], &[], vec![other.clone()]);
    assert_eq!(
        bad.permits(&claims),
        Err(AccessError::ClaimMismatch(&other))
    );
}
