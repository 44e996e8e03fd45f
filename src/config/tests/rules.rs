//! `claims`, `audiences` and `overrides` of routes.

use http::Method;
use serde_json::json;

use crate::config::testing::{assert_error, good, small_with};
use crate::config::{Condition, Requirements, Rule, Test};

fn requirements(text: &str) -> Requirements {
    let config = good(&small_with("path = ", &format!("{text}\npath = ")));
    config.routes[0].requirements.clone()
}

fn tests(rule: &Rule) -> &[Test] {
    match &rule.condition {
        Condition::Claim(_, tests) => tests,
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) => panic!("{rule:?}"),
    }
}

fn inside(rule: &Rule) -> &[Rule] {
    match &rule.condition {
        Condition::All(rules) | Condition::Any(rules) | Condition::Not(rules) => rules,
        Condition::Claim(..) => panic!("{rule:?}"),
    }
}

fn names(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| &*rule.name).collect()
}

#[test]
fn every_test_is_read() {
    let asked = requirements(
        r#"claims = { a = { equals = 1 }, b = { one_of = ["x", 2] }, c = { contains = true }, d = { contains_all = ["y"] }, e = { prefix = "p", matches = "p.*" }, f = { exists = false } }"#,
    );
    let all: Vec<&Test> = asked.claims.iter().flat_map(tests).collect();
    assert_eq!(*all[0], Test::Equals(json!(1)));
    assert_eq!(*all[1], Test::OneOf(vec![json!("x"), json!(2)]));
    assert_eq!(*all[2], Test::Contains(json!(true)));
    assert_eq!(*all[3], Test::ContainsAll(vec![json!("y")]));
    assert_eq!(*all[4], Test::Prefix("p".into()));
    assert!(matches!(all[5], Test::Matches(pattern) if pattern.matches("pq")));
    assert_eq!(*all[6], Test::Exists(false));
    assert_eq!(names(&asked.claims), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn rules_stand_in_each_other_and_are_named_by_their_place() {
    let asked = requirements(
        r#"claims = { any = [{ role = { equals = "admin" } }, { role = { equals = "ops" }, not = { suspended = { exists = true } } }], all = [{ x = { exists = true } }], '"any"' = { equals = 1 } }"#,
    );
    assert_eq!(names(&asked.claims), ["any", "all", "\"any\""]);
    let any = inside(&asked.claims[0]);
    assert_eq!(names(any), ["any[0].role", "any[1]"]);
    assert_eq!(names(inside(&any[1])), ["any[1].role", "any[1].not"]);
    let not = &inside(&any[1])[1];
    assert!(matches!(not.condition, Condition::Not(_)));
    assert_eq!(names(inside(not)), ["any[1].not.suspended"]);
    assert_eq!(names(inside(&asked.claims[1])), ["all[0].x"]);
    assert_eq!(*tests(&asked.claims[2]), [Test::Equals(json!(1))]);
}

#[test]
fn what_is_no_rule_is_said_where_it_stands() {
    let deep = "{ all = [".repeat(9) + "{ a = { exists = true } }" + &"] }".repeat(9);
    let many: Vec<String> = (0..300)
        .map(|n| format!("a{n} = {{ exists = true }}"))
        .collect();
    let many = format!("{{ {} }}", many.join(", "));
    for (claims, message, help) in [
        (
            "{ a = { one_of = \"x\" } }",
            "takes a list of values",
            "[\"a\", \"b\"]",
        ),
        ("{ a = { one_of = [] } }", "takes a list of values", ""),
        (
            "{ a = { contains_all = [] } }",
            "takes a list of values",
            "",
        ),
        (
            "{ a = { one_of = [1979-05-27] } }",
            "compared with a date",
            "",
        ),
        ("{ a = { prefix = 1 } }", "takes a string", ""),
        ("{ a = { prefix = \"\" } }", "fits an empty one", ""),
        ("{ a = { matches = \"(\" } }", "no regular expression", ""),
        (
            "{ a = { matches = \"a)(b\" } }",
            "no regular expression",
            "",
        ),
        ("{ a = { exists = \"yes\" } }", "true or false", ""),
        ("{ a = { eqals = 1 } }", "unknown key", "`equals`"),
        (
            "{ any = { a = { exists = true } } }",
            "takes a list of tables",
            "'\"any\"'",
        ),
        ("{ any = [] }", "takes a list of tables", ""),
        ("{ any = [{}] }", "asks for nothing", ""),
        ("{ all = [1] }", "takes tables of rules, not", ""),
        ("{ not = [] }", "takes tables of rules, not", ""),
        ("{ not = {} }", "asks for nothing", ""),
        (deep.as_str(), "more than 8 deep", ""),
        (many.as_str(), "more than 256 rules", ""),
    ] {
        let text = small_with("path = ", &format!("claims = {claims}\npath = "));
        assert_error(&text, message, help);
    }
}

#[test]
fn an_override_replaces_what_it_names_and_keeps_the_rest() {
    let text = small_with(
        "path = ",
        "scopes = [\"read\"]\naudiences = [\"orders-api\"]\npath = ",
    ) + "[[routes.overrides]]\nmethods = [\"POST\"]\nscopes = [\"write\"]\n\
           [[routes.overrides]]\nwhen = { client = [\"10.0.0.0/8\"], not_client = [\"10.1.0.1\"] }\nscopes = []\naudiences = []\n";
    let route = &good(&text).routes[0];
    let [write, inside] = route.overrides.as_slice() else {
        panic!("{:?}", route.overrides);
    };
    assert_eq!(write.methods, [Method::POST]);
    assert_eq!(*write.requirements.scopes, ["write".into()]);
    assert_eq!(*write.requirements.audiences, ["orders-api".into()]);
    assert_eq!(inside.clients, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(inside.not_clients, ["10.1.0.1/32".parse().unwrap()]);
    assert_eq!(inside.requirements, Requirements::default());
}

#[test]
fn an_override_says_when_and_what() {
    for (text, message, help) in [
        ("scopes = [\"a\"]", "fits every request", "when ="),
        ("methods = [\"POST\"]", "changes nothing", "`scopes`"),
        (
            "when = { client = [\"x\"] }\nscopes = []",
            "is not a network",
            "",
        ),
        (
            "when = { clients = [] }\nscopes = []",
            "unknown key",
            "`client`",
        ),
        ("methods = [\"post\"]\nscopes = []", "upper-case", "`POST`"),
        (
            "methods = [\"POST\"]\nauth = \"none\"\nscopes = []",
            "unknown key",
            "",
        ),
    ] {
        let all = small_with("path = ", "path = ") + "[[routes.overrides]]\n" + text + "\n";
        assert_error(&all, message, help);
    }
    let public = small_with("path = ", "auth = \"none\"\npath = ")
        + "[[routes.overrides]]\nmethods = [\"POST\"]\nscopes = [\"a\"]\n";
    assert_error(&public, "no meaning with auth = \"none\"", "");
}
