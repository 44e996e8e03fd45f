//! Tables of claims and rules.

use serde_json::json;

use crate::config::Pattern;
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
        name: claim.into(),
        condition: Condition::Claim(ClaimPath::parse(claim).unwrap(), vec![test]),
    }
}

fn nested(name: &str, condition: Condition) -> Rule {
    Rule {
        name: name.into(),
        condition,
    }
}

fn boxed(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| Box::from(*name)).collect()
}

fn asking(scopes: &[&str], any_scope: &[&str], claims: Vec<Rule>) -> Requirements {
    Requirements {
        scopes: boxed(scopes),
        any_scope: boxed(any_scope),
        audiences: Vec::new(),
        claims,
    }
}

fn access(requirements: Requirements) -> Access {
    Access {
        auth: Authentication::Required,
        issuers: Box::default(),
        requirements,
        overrides: Vec::new(),
    }
}

fn claims_set(text: &str) -> ClaimsSet {
    use base64::Engine as _;

    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    ClaimsSet::parse(encoded.as_bytes()).unwrap()
}

fn claimant<'a>(claims: &'a ClaimsSet, method: &'a Method, client: &str) -> Claimant<'a> {
    Claimant {
        claims,
        audience_claim: "aud",
        method,
        client: client.parse().unwrap(),
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
        let asked = asking(scopes, any_scope, Vec::new());
        let result = permits_scopes(&asked, |scope| has.contains(&scope));
        let missing = missing.map(boxed);
        let expected = missing.as_deref().map(AccessError::InsufficientScope);
        assert_eq!(result.err(), expected, "{scopes:?} {any_scope:?} {has:?}");
    }
}

#[test]
fn every_rule_must_hold_and_the_first_that_fails_is_told() {
    let claims = object(r#"{"tenant": "acme", "realm_access": {"roles": ["ops", "dev"]}}"#);
    let tenant = rule("tenant", Test::Equals(json!("acme")));
    let ops = rule("realm_access.roles", Test::Contains(json!("ops")));
    let admin = rule("realm_access.roles", Test::Contains(json!("admin")));
    let absent = rule("absent", Test::Equals(json!(null)));
    let told = |rules: Vec<Rule>| {
        let asked = asking(&[], &[], rules);
        let result = permits_claims(&asked, members(&claims));
        match result {
            Ok(()) => None,
            Err(AccessError::ClaimMismatch(rule)) => Some(rule.name.to_string()),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(told(vec![tenant.clone(), ops.clone()]), None);
    let one_fails = vec![tenant.clone(), admin.clone(), absent.clone(), ops.clone()];
    assert_eq!(told(one_fails).as_deref(), Some("realm_access.roles"));
    assert_eq!(told(vec![absent.clone()]).as_deref(), Some("absent"));
    // Of several together the one that fails; of alternatives, none alone is to blame.
    let all = nested("all", Condition::All(vec![tenant, absent.clone()]));
    assert_eq!(told(vec![all]).as_deref(), Some("absent"));
    let any = nested("any", Condition::Any(vec![absent, admin]));
    assert_eq!(told(vec![any]).as_deref(), Some("any"));
    let not = nested("not", Condition::Not(vec![ops]));
    assert_eq!(told(vec![not]).as_deref(), Some("not"));
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
        ("null", json!(null), false),
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
fn tests_of_one_claim() {
    let pattern = |text| Test::Matches(Pattern::new(text).unwrap());
    let long = format!("\"{}\"", "a".repeat(Pattern::MOST_CLAIM_BYTES + 1));
    for (claim, test, expected) in [
        ("\"b\"", Test::OneOf(vec![json!("a"), json!("b")]), true),
        ("\"c\"", Test::OneOf(vec![json!("a"), json!("b")]), false),
        ("[\"a\"]", Test::OneOf(vec![json!("a")]), false),
        (
            "[1, 2, 3]",
            Test::ContainsAll(vec![json!(3), json!(1)]),
            true,
        ),
        (
            "[1, 2, 3]",
            Test::ContainsAll(vec![json!(3), json!(4)]),
            false,
        ),
        ("\"ab\"", Test::Prefix("a".into()), true),
        ("\"ab\"", Test::Prefix("b".into()), false),
        ("[\"ab\"]", Test::Prefix("a".into()), false),
        ("\"ab12\"", pattern("[a-z]+[0-9]{2}"), true),
        ("\"ab123\"", pattern("[a-z]+[0-9]{2}"), false),
        ("\"x\nab12\"", pattern("[a-z]+[0-9]{2}"), false),
        ("\"ab12\n\"", pattern("[a-z]+[0-9]{2}"), false),
        ("\"a\"", pattern("a|b"), true),
        ("\"ac\"", pattern("a|b"), false),
        ("\"cb\"", pattern("a|b"), false),
        ("7", pattern("7"), false),
        (long.as_str(), pattern("a*"), false),
        ("0", Test::Exists(true), true),
        ("0", Test::Exists(false), false),
        ("null", Test::Exists(true), false),
        ("null", Test::Exists(false), true),
        ("false", Test::Exists(true), true),
    ] {
        let claims = object(&format!("{{\"c\": {}}}", claim.replace('\n', "\\n")));
        let there = holds(&rule("c", test.clone()), members(&claims));
        assert_eq!(there, expected, "{claim:.20} {test:?}");
        let absent = holds(&rule("d", test.clone()), members(&claims));
        assert_eq!(absent, test == Test::Exists(false), "{test:?}");
    }
}

#[test]
fn a_pattern_is_bounded_and_stays_inside_its_group() {
    for text in ["(", "a)(?:b", "[", "\\", "(?<a", "a{1,2", "a{1000}{1000}"] {
        let made = Pattern::new(text);
        assert!(made.is_err() || text == "a{1,2", "{text}: {made:?}");
    }
    assert!(Pattern::new(&"a".repeat(Pattern::MOST_BYTES + 1)).is_err());
    assert!(
        Pattern::new(r"\w+@example\.com")
            .unwrap()
            .matches("ä@example.com")
    );
}

#[test]
fn scopes_audiences_and_rules_of_a_claims_set() {
    let claims =
        claims_set(r#"{"scope": "orders:read orders:write", "tenant": "acme", "aud": ["a", "b"]}"#);
    let claimant = claimant(&claims, &Method::GET, "192.0.2.1");
    let acme = rule("tenant", Test::Equals(json!("acme")));
    let other = rule("tenant", Test::Equals(json!("other")));
    let good = access(asking(&["orders:read"], &["x", "orders:write"], vec![acme]));
    assert_eq!(good.permits(&claimant), Ok(()));
    // Audiences come first, then scopes.
    let mut bad = access(asking(&["orders"], &[], vec![other.clone()]));
    let error = AccessError::InsufficientScope(&bad.requirements.scopes);
    assert_eq!(bad.permits(&claimant), Err(error));
    bad.requirements.audiences = boxed(&["c", "B"]);
    assert_eq!(bad.permits(&claimant), Err(AccessError::WrongAudience));
    bad.requirements.audiences = boxed(&["c", "b"]);
    bad.requirements.scopes = Vec::new();
    assert_eq!(
        bad.permits(&claimant),
        Err(AccessError::ClaimMismatch(&other))
    );
    let elsewhere = Claimant {
        audience_claim: "client_id",
        ..claimant
    };
    assert_eq!(bad.permits(&elsewhere), Err(AccessError::WrongAudience));
}

#[test]
fn the_first_override_that_fits_is_in_force() {
    let mut access = access(asking(&["route"], &[], Vec::new()));
    let other = |scope: &str, methods: &[Method], clients: &[&str], not: &[&str]| Override {
        methods: methods.to_vec(),
        clients: clients.iter().map(|net| net.parse().unwrap()).collect(),
        not_clients: not.iter().map(|net| net.parse().unwrap()).collect(),
        requirements: asking(&[scope], &[], Vec::new()),
    };
    access.overrides = vec![
        other("inside", &[Method::POST], &["10.0.0.0/8"], &["10.9.0.0/16"]),
        other(
            "write",
            &[Method::POST, Method::GET],
            &[],
            &["10.0.0.0/8", "fd00::/8"],
        ),
        other("away", &[], &[], &["10.0.0.0/8"]),
    ];
    for (method, client, scope) in [
        (Method::POST, "10.1.2.3", "inside"),
        (Method::POST, "10.9.2.3", "route"),
        (Method::POST, "192.0.2.1", "write"),
        (Method::HEAD, "192.0.2.1", "write"),
        (Method::PUT, "192.0.2.1", "away"),
        (Method::GET, "10.1.2.3", "route"),
        (Method::POST, "fd00::1", "away"),
        (Method::POST, "2001:db8::1", "write"),
    ] {
        let (asked, _) = access.asked_of(&method, client.parse().unwrap());
        assert_eq!(*asked.scopes, *boxed(&[scope]), "{method} {client}");
    }
}

/// The rules once more, over plain values, as one would write them without a thought of speed.
mod naive {
    use serde_json::{Value, json};

    use super::{Condition, Rule, Test};

    pub(super) fn holds(rule: &Rule, claims: &Value) -> bool {
        match &rule.condition {
            Condition::All(rules) => !rules.iter().any(|rule| !holds(rule, claims)),
            Condition::Any(rules) => rules.iter().any(|rule| holds(rule, claims)),
            Condition::Not(rules) => rules.iter().any(|rule| !holds(rule, claims)),
            Condition::Claim(_, tests) => {
                let value = claims.get(&*rule.name).cloned().unwrap_or(Value::Null);
                tests.iter().all(|test| passes(test, &value))
            }
        }
    }

    fn passes(test: &Test, value: &Value) -> bool {
        let elements = || value.as_array().cloned().unwrap_or_default();
        let said = value.as_str();
        match test {
            Test::Exists(there) => *there != value.is_null(),
            _ if *value == json!(null) => false,
            Test::Equals(wanted) => value == wanted,
            Test::OneOf(wanted) => wanted.contains(value),
            Test::Contains(wanted) => elements().contains(wanted),
            Test::ContainsAll(wanted) => wanted.iter().all(|it| elements().contains(it)),
            Test::Prefix(prefix) => said.is_some_and(|said| said.strip_prefix(&**prefix).is_some()),
            Test::Matches(pattern) => said.is_some_and(|said| said == pattern.to_string()),
        }
    }
}

mod properties {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn any_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(json!("a")),
            Just(json!("ab")),
            Just(json!("b")),
            Just(json!(1)),
            Just(json!(true)),
            Just(json!(null)),
        ];
        let list = proptest::collection::vec(leaf.clone(), 0..3).prop_map(Json::Array);
        prop_oneof![leaf, list]
    }

    fn any_test() -> impl Strategy<Value = Test> {
        let values = || proptest::collection::vec(any_value(), 1..3);
        let text = || proptest::sample::select(vec!["a", "ab", "b"]);
        prop_oneof![
            any_value().prop_map(Test::Equals),
            values().prop_map(Test::OneOf),
            any_value().prop_map(Test::Contains),
            values().prop_map(Test::ContainsAll),
            text().prop_map(|text| Test::Prefix(text.into())),
            text().prop_map(|text| Test::Matches(Pattern::new(text).unwrap())),
            any::<bool>().prop_map(Test::Exists),
        ]
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let name = proptest::sample::select(vec!["c", "d"]);
        let leaf =
            (name, proptest::collection::vec(any_test(), 1..3)).prop_map(|(name, tests)| Rule {
                name: name.into(),
                condition: Condition::Claim(ClaimPath::parse(name).unwrap(), tests),
            });
        leaf.prop_recursive(3, 12, 3, |inner| {
            let rules = proptest::collection::vec(inner, 1..4);
            (rules, 0..3).prop_map(|(rules, kind)| {
                let condition = match kind {
                    0 => Condition::All(rules),
                    1 => Condition::Any(rules),
                    _ => Condition::Not(rules),
                };
                nested("nest", condition)
            })
        })
    }

    proptest! {
        #[test]
        fn rules_hold_as_they_read(
            rules in proptest::collection::vec(any_rule(), 1..4),
            c in proptest::option::of(any_value()),
            d in proptest::option::of(any_value()),
        ) {
            let mut claims = json!({});
            for (name, value) in [("c", c), ("d", d)] {
                if let Some(value) = value {
                    claims[name] = value;
                }
            }
            let expected = rules.iter().all(|rule| naive::holds(rule, &claims));
            let access = access(asking(&[], &[], rules));
            let set = claims_set(&claims.to_string());
            let claimant = claimant(&set, &Method::GET, "192.0.2.1");
            prop_assert_eq!(access.permits(&claimant).is_ok(), expected);
            let examined = access.examine(&claimant);
            prop_assert_eq!(examined.iter().all(|it| it.holds || !it.decides), expected);
        }
    }
}
