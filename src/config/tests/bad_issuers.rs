//! Errors in [[issuers]].

use crate::config::testing::{SMALL, assert_error, bad, parse_with, small_with};

#[test]
fn wrong_issuers() {
    for (from, to, message, help) in ISSUERS.iter().copied() {
        assert_error(&small_with(from, to), message, help);
    }
    let mixed = small_with("[\"RS256\"]", "[\"RS256\", \"HS256\"]");
    assert!(bad(&mixed).contains("HMAC and public-key algorithms in one issuer"));
    let generated =
        small_with("[\"RS256\"]", "[\"HS256\"]").replace(KEYS, "{ generate = \"HS256\" }");
    assert!(bad(&generated).contains("not an HMAC secret"));
}

const ISSUERS: &[(&str, &str, &str, &str)] = &[
    (
        "name = \"corp\"\n",
        "",
        "[[issuers]] has no `name`",
        "metrics",
    ),
    (
        "name = \"corp\"",
        "name = \"a b\"",
        "is no name for the issuer",
        "letters",
    ),
    (
        "name = \"orders\"",
        "name = \"none\"",
        "is no name for the route",
        "letters",
    ),
    (
        "audiences = [\"orders-api\"]",
        "",
        "has no `audiences`",
        "orders-api",
    ),
    (
        "[\"orders-api\"]",
        "[]",
        "`audiences` is empty",
        "orders-api",
    ),
    ("[\"orders-api\"]", "[\"\"]", "holds an empty string", ""),
    (
        "algorithms = [\"RS256\"]",
        "",
        "has no `algorithms`",
        "RS256",
    ),
    ("[\"RS256\"]", "[]", "`algorithms` is empty", "RS256"),
    (
        "[\"RS256\"]",
        "[\"RSA256\"]",
        "`RSA256` is no algorithm",
        "did you mean `RS256`?",
    ),
    (
        "[\"RS256\"]",
        "[\"none\"]",
        "`none` is no algorithm",
        "proves nothing",
    ),
    (
        "[\"RS256\"]",
        "[\"ES256K\"]",
        "`ES256K` is no algorithm",
        "ES256",
    ),
    (
        "[\"RS256\"]",
        "[\"HS256\"]",
        "HMAC algorithms need a `secret`",
        "secret",
    ),
    (
        "keys = ",
        "leeway = \"6m\"\nkeys = ",
        "0s to 5m are possible",
        "",
    ),
    (
        "keys = ",
        "token_types = []\nkeys = ",
        "every token would be refused",
        "",
    ),
    (
        "keys = ",
        "audience_match = \"both\"\nkeys = ",
        "no value of `audience_match`",
        "`any`, `all`",
    ),
    (
        "keys = { jwks_file = \"keys.json\" }",
        "",
        "[[issuers]] has no `keys`",
        "jwks_file",
    ),
    (KEYS, "{}", "names no source", "jwks_file"),
    (
        KEYS,
        "{ jwks_file = \"a\", generate = \"RS256\" }",
        "several sources: `jwks_file`, `generate`",
        "",
    ),
    (
        KEYS,
        "{ generate = \"EdDSA\" }",
        "which is not listed",
        "add \"EdDSA\"",
    ),
    (KEYS, "{ pem_files = [] }", "names no file", "kid"),
    (
        KEYS,
        "{ pem_files = [{ kid = \"a\" }] }",
        "has no `path`",
        "kid",
    ),
    (
        KEYS,
        "{ pem_files = [{ path = \"a\", kid = \"a\" }, { path = \"b\", kid = \"a\" }] }",
        "stands twice",
        "",
    ),
    (
        KEYS,
        "{ secret = \"0123456789abcdef0123456789abcdef\" }",
        "`secret` is for HS256",
        "public",
    ),
];

const KEYS: &str = "{ jwks_file = \"keys.json\" }";

#[test]
fn a_secret_is_as_long_as_the_longest_hash() {
    let keys = "{ jwks_file = \"keys.json\" }";
    for (algorithms, least) in [
        ("[\"HS256\"]", 32),
        ("[\"HS384\"]", 48),
        ("[\"HS256\", \"HS512\"]", 64),
    ] {
        let text = |length: usize| {
            let secret = format!("{{ secret = \"{}\" }}", "x".repeat(length));
            small_with("[\"RS256\"]", algorithms).replace(keys, &secret)
        };
        assert!(parse_with(&text(least), &[]).is_ok());
        let shown = bad(&text(least - 1));
        assert!(
            shown.contains(&format!("shorter than the {least} bytes")),
            "{shown}"
        );
        assert!(!shown.contains("xxx"), "the secret is shown:\n{shown}");
    }
}

#[test]
fn issuers_are_told_apart() {
    let second = |name: &str, issuer: &str| {
        let more = SMALL.split("[[routes]]").next().unwrap();
        let more = more
            .replace("\"corp\"", name)
            .replace("https://login.example.com/", issuer);
        format!("{SMALL}issuers = [\"corp\"]\n{more}")
    };
    assert!(parse_with(&second("\"b\"", "https://b/"), &[]).is_ok());
    assert_error(
        &second("\"corp\"", "https://b/"),
        "two issuers are named `corp`",
        "",
    );
    assert_error(
        &second("\"b\"", "https://login.example.com/"),
        "same `issuer` as `corp`",
        "",
    );
    let unnamed = second("\"b\"", "https://b/").replace("issuers = [\"corp\"]\n", "");
    assert_error(
        &unnamed,
        "a route that admits tokens names its `issuers`",
        "`corp`, `b`",
    );
}
