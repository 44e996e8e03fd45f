//! Errors in `keys` and `[issuers.refresh]` of [[issuers]].

use crate::config::testing::{assert_error, bad, parse_with, small_with};

const KEYS: &str = "{ jwks_file = \"keys.json\" }";

#[test]
fn wrong_sources() {
    for (keys, message, help) in SOURCES.iter().copied() {
        assert_error(&small_with(KEYS, keys), message, help);
    }
}

#[test]
fn a_source_that_is_mistyped_is_one_error() {
    let errors = bad(&small_with(KEYS, "{ discoverry = true }"));
    assert_eq!(errors.matches("error:").count(), 1, "{errors}");
    assert!(errors.contains("did you mean `discovery`?"), "{errors}");
    let errors = bad(&small_with(KEYS, "{ interval = \"1m\" }"));
    assert!(errors.contains("names no source"), "{errors}");
}

const SOURCES: &[(&str, &str, &str)] = &[
    (
        "\"a\"",
        "`keys` takes a table, or a list of tables, not a string",
        "jwks_url = \"https://..\"",
    ),
    (
        "{ discovery = \"true\" }",
        "`true` is no URL",
        "without quotes",
    ),
    ("[]", "names no source", "discovery = true"),
    ("[\"a\"]", "`keys` takes a table", ""),
    ("[{}]", "names no source", "discovery = true"),
    (
        "{ jwks_file = \"a\", jwks_url = \"https://a/\" }",
        "several sources: `jwks_url`, `jwks_file`",
        "keys = [{ .. }, { .. }]",
    ),
    (
        "{ discovery = true, jwks_url = \"https://a/\" }",
        "several sources: `discovery`, `jwks_url`",
        "keys = [{ .. }, { .. }]",
    ),
    (
        "{ jwks_url = \"https://a/\", generate = \"RS256\" }",
        "several sources: `jwks_url`, `generate`",
        "keep one of them",
    ),
    (
        "[{ jwks_url = \"https://a/\" }, { generate = \"RS256\" }]",
        "stand alone",
        "public keys",
    ),
    (
        "[{ jwks_url = \"https://a/\" }, { jwks_url = \"https://a/\", allow_http = true }]",
        "names this source twice",
        "",
    ),
    (
        "[{ jwks_file = \"a\" }, { jwks_file = \"a\" }]",
        "names this source twice",
        "",
    ),
    (
        "{ jwks_uri = \"https://a/\", discovery = true }",
        "unknown key `jwks_uri`",
        "did you mean `jwks_url`?",
    ),
    // Where nothing is fetched.
    (
        "{ jwks_file = \"a\", allow_http = true }",
        "`allow_http` is for keys that are fetched",
        "beside `discovery` or `jwks_url`",
    ),
    (
        "{ jwks_file = \"a\", allow_link_local = true }",
        "`allow_link_local` is for keys that are fetched",
        "beside",
    ),
    (
        "{ jwks_file = \"a\", ca = \"a\" }",
        "`ca` is for keys that are fetched",
        "beside",
    ),
    (
        "{ jwks_file = \"a\", proxy = \"http://proxy\" }",
        "`proxy` is for keys that are fetched",
        "beside",
    ),
    // URLs; all rules are those of key_url.rs.
    (
        "{ jwks_url = \"/keys\" }",
        "`/keys` is not an absolute URL",
        "https://host/path",
    ),
    (
        "{ jwks_url = \"https://me:hunter2@a/\" }",
        "`https://***@a/` holds credentials",
        "before the `@`",
    ),
    (
        "{ jwks_url = \"https://a/#x\" }",
        "has a fragment",
        "leave out the `#`",
    ),
    (
        "{ jwks_url = \"ftp://a/\" }",
        "another scheme",
        "https://host",
    ),
    (
        "{ jwks_url = \"http://login.example/keys\" }",
        "plain http to another machine",
        "allow_http = true",
    ),
    (
        "{ jwks_url = \"https://169.254.169.254/keys\" }",
        "link-local address",
        "allow_link_local = true",
    ),
    ("{ jwks_url = \"\" }", "not an absolute URL", "https://host"),
    ("{ jwks_url = 1 }", "takes a string, not a number", ""),
    (
        "{ discovery = \"login.example\" }",
        "not an absolute URL",
        "https://host",
    ),
    (
        "{ discovery = \"http://login.example/\" }",
        "plain http to another machine",
        "allow_http = true",
    ),
    ("{ discovery = 1 }", "takes true or a URL, not a number", ""),
    (
        "{ discovery = false }",
        "`discovery` is false",
        "another source",
    ),
    // Proxies.
    (
        "{ discovery = true, proxy = \"proxy:3128\" }",
        "`proxy:3128` is not an absolute URL",
        "http://host:port",
    ),
    (
        "{ discovery = true, proxy = \"https://proxy\" }",
        "is no http proxy",
        "encrypted all the same",
    ),
    (
        "{ discovery = true, proxy = \"socks5://proxy\" }",
        "is no http proxy",
        "http://host:port",
    ),
    (
        "{ discovery = true, proxy = \"http://proxy/path\" }",
        "has a path",
        "http://host:port",
    ),
    (
        "{ discovery = true, proxy = \"http://me:hunter2@proxy\" }",
        "`http://***@proxy` holds credentials",
        "by its address",
    ),
];

#[test]
fn discovery_needs_an_issuer_with_a_place_for_its_metadata() {
    let with = |issuer: &str| {
        small_with(KEYS, "{ discovery = true }").replace("https://login.example.com/", issuer)
    };
    for (issuer, message, help) in [
        (
            "corp",
            "`issuer` is not an absolute URL",
            "discovery = \"https://",
        ),
        (
            "https://a/?tenant=b",
            "`issuer` has a query",
            "discovery = \"https://",
        ),
        ("https://a/#b", "`issuer` has a fragment", "discovery = "),
        (
            "http://login.example/",
            "plain http to another machine",
            "allow_http = true",
        ),
        (
            "https://169.254.169.254/",
            "link-local address",
            "allow_link_local",
        ),
    ] {
        assert_error(&with(issuer), message, help);
        // The document's URL needs nothing of the issuer.
        let text = with(issuer).replace("discovery = true", "discovery = \"https://a/m\"");
        assert!(parse_with(&text, &[]).is_ok(), "{issuer}");
    }
}

#[test]
fn public_keys_check_no_hmac() {
    for keys in [
        "{ discovery = true }",
        "{ jwks_url = \"https://a/\" }",
        "[{ jwks_url = \"https://a/\" }, { jwks_file = \"a\" }]",
    ] {
        let text = small_with(KEYS, keys).replace("RS256", "HS256");
        assert_error(&text, "HMAC algorithms need a `secret`", "secret = ");
    }
}

#[test]
fn wrong_refresh() {
    let with = |refresh: &str| {
        let refresh = format!("[issuers.refresh]\n{refresh}\n[[routes]]");
        small_with(KEYS, "{ discovery = true }").replace("[[routes]]", &refresh)
    };
    for (refresh, message, help) in [
        ("interval = \"0s\"", "1s to 24h are possible", ""),
        ("interval = \"25h\"", "1s to 24h are possible", ""),
        ("interval = 300", "interval", ""),
        ("unknown_kid_gap = \"500ms\"", "1s to 1h are possible", ""),
        ("unknown_kid_gap = \"61m\"", "1s to 1h are possible", ""),
        ("stale_for = \"31 days\"", "1s to 30 days are possible", ""),
        (
            "stale_for = \"4m\"",
            "`stale_for` is 4m, less than `interval`, which is 5m",
            "outage",
        ),
        (
            "interval = \"2h\"\nstale_for = \"1h\"",
            "less than `interval`",
            "outage",
        ),
        (
            "every = \"1m\"",
            "unknown key `every` in `refresh` of [[issuers]]",
            "",
        ),
    ] {
        assert_error(&with(refresh), message, help);
    }
    assert!(parse_with(&with("interval = \"24h\""), &[]).is_ok());
    let local = with("interval = \"1m\"").replace("{ discovery = true }", KEYS);
    assert_error(&local, "for keys that are fetched", "leave it out");
    // One mistake is told once.
    let wrong = with("interval = \"1m\"").replace("true", "false");
    assert_error(&wrong, "`discovery` is false", "");
}

#[test]
fn errors_stand_at_the_value_and_show_no_secret() {
    let text = small_with(
        KEYS,
        "[{ jwks_file = \"a\" }, { jwks_url = \"http://me:hunter2@b/\" }]",
    );
    let shown = bad(&text);
    let line = text.lines().find(|line| line.contains("jwks_url")).unwrap();
    let column = line.find("\"http:").unwrap() + 1;
    assert!(
        shown.starts_with(&format!("gateway.toml:7:{column}: error:")),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    let filled = small_with(KEYS, "{ jwks_url = \"${URL}\" }");
    let errors = parse_with(&filled, &[("URL", "http://inner.example/")]).unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("`${URL}` is plain http"), "{shown}");
    assert!(!shown.contains("inner.example"), "{shown}");
}
