//! What is wrong with a local issuer, and logout tokens of providers.

use crate::config::StoreUrl;
use crate::config::testing::{
    LOCAL, SMALL, assert_error, bad, good, local_at, local_with, parse_with,
};

/// [`SMALL`] and, if it is not empty, where its provider posts logout tokens.
fn with_logout(keys: &str) -> String {
    SMALL.replacen(
        "[[routes]]",
        &format!("[issuers.logout]\n{keys}\n[[routes]]"),
        1,
    )
}

#[test]
fn logout_tokens_need_a_path_and_a_name_and_bring_a_store() {
    let config = good(&with_logout(
        "path = \"/logout/corp\"\nclient_id = \"gate\"",
    ));
    let logout = config.issuers[0].logout.as_ref().unwrap();
    assert_eq!(
        (&*logout.path, &*logout.client_id),
        ("/logout/corp", "gate")
    );
    let store = config.store.as_ref().unwrap();
    assert!(matches!(store.url, StoreUrl::Sqlite(_)));
    assert_eq!(store.place, logout.place);
    assert!(good(SMALL).issuers[0].logout.is_none());
    for (keys, message, help) in [
        (
            "client_id = \"g\"",
            "`logout` of [[issuers]] has no `path`",
            "/logout/corp",
        ),
        ("path = \"/l\"", "has no `client_id`", "`aud`"),
        ("path = \"/l\"\nclient_id = \"\"", "empty", ""),
        (
            "path = \"logout\"\nclient_id = \"g\"",
            "no plain path",
            "slash",
        ),
        ("path = \"/\"\nclient_id = \"g\"", "no plain path", ""),
        ("path = \"/a/\"\nclient_id = \"g\"", "no plain path", ""),
        ("path = \"/a//b\"\nclient_id = \"g\"", "no plain path", ""),
        ("path = \"/a/../b\"\nclient_id = \"g\"", "no plain path", ""),
        ("path = \"/a%20b\"\nclient_id = \"g\"", "no plain path", ""),
        (
            "path = \"/l\"\nclient_id = \"g\"\naudience = \"x\"",
            "unknown key `audience`",
            "",
        ),
    ] {
        assert_error(&with_logout(keys), message, help);
    }
    let number = SMALL.replacen("keys =", "logout = 1\nkeys =", 1);
    assert_error(&number, "`logout` takes a table", "");
    let twice = with_logout("path = \"/l\"\nclient_id = \"g\"")
        + "issuers = [\"corp\", \"other\"]\n[[issuers]]\nname = \"other\"\nissuer = \"https://o\"\naudiences = \"a\"\n\
           algorithms = \"RS256\"\nkeys = { jwks_file = \"k\" }\nlogout = { path = \"/l\", client_id = \"g\" }\n";
    assert_error(
        &twice,
        "logout tokens of `corp` are sent to the same path",
        "",
    );
}

#[test]
fn wrong_local_issuers() {
    for (url, message, help) in WRONG_URLS.iter().copied() {
        assert_error(&local_at(url), message, help);
    }
    for (keys, message, help) in WRONG_KEYS.iter().copied() {
        assert_error(&local_with(keys), message, help);
    }
}

#[test]
fn what_is_missing_or_taken_is_told() {
    let without = |line: &str| LOCAL.replacen(line, "", 1);
    for (text, message, help) in [
        (
            without("issuer = \"https://localhost:8443/auth\""),
            "[local_issuer] has no `issuer`",
            "https://host/auth",
        ),
        (
            without("audience = \"demo\""),
            "[local_issuer] has no `audience`",
            "`aud`",
        ),
        (
            LOCAL.replacen("\"demo\"", "[\"a\", \"b\"]", 1),
            "`audience` takes a string",
            "",
        ),
        (
            SMALL.replacen("\"corp\"", "\"local\"", 1),
            "`local` is no name for the issuer",
            "another name",
        ),
        (
            LOCAL.replacen("name = \"demo\"", "name = \"local_issuer\"", 1),
            "`local_issuer` is no name for the route",
            "",
        ),
        (
            LOCAL.replacen("path =", "issuers = \"locale\"\npath =", 1),
            "no issuer is named `locale`",
            "`local`",
        ),
        (
            SMALL.replacen("path =", "issuers = \"local\"\npath =", 1),
            "no issuer is named `local`",
            "",
        ),
        (
            format!("{LOCAL}[store]\nurl = \"postgres://u@localhost/d\""),
            "has no `encryption_key`",
            "openssl rand",
        ),
        (
            format!("local_issuer = 1{SMALL}"),
            "`local_issuer` takes a table",
            "",
        ),
    ] {
        assert_error(&text, message, help);
    }
}

#[test]
fn a_stale_store_fails_in_one_of_two_ways_and_within_a_day() {
    for (key, message, help) in [
        ("fail = \"close\"", "no value of `fail`", "`closed`"),
        ("stale_for = \"9s\"", "`stale_for` is 9s; 10s to 24h", ""),
        ("stale_for = \"2 days\"", "10s to 24h", ""),
    ] {
        assert_error(&format!("{SMALL}[store]\n{key}"), message, help);
    }
}

#[test]
fn neither_its_url_nor_its_paths_are_those_of_another() {
    let named = "issuers = \"corp\"\npath =";
    let both = format!("{SMALL}{LOCAL}").replace("path =", named);
    let same = both.replacen(
        "https://localhost:8443/auth",
        "https://login.example.com/",
        1,
    );
    assert_error(&same, "ends with `/`", "leave out the slash");
    let same = same.replace("https://login.example.com/", "https://login.example.com");
    assert_error(&same, "has the `issuer` of `corp`", "");
    let below = with_logout("path = \"/auth/corp\"\nclient_id = \"g\"");
    let below = format!("{below}{LOCAL}");
    let below = below.replace("upstream =", "issuers = \"corp\"\nupstream =");
    assert_error(&below, "`/auth/corp`, is one of the local issuer's own", "");
}

const WRONG_URLS: &[(&str, &str, &str)] = &[
    ("", "empty", ""),
    (
        "localhost:8443/auth",
        "is not an absolute URL",
        "https://host",
    ),
    ("/auth", "is not an absolute URL", ""),
    ("ftp://a/auth", "another scheme", "https://host"),
    ("HTTPS://a/auth", "another scheme", "https://host"),
    ("https://", "no valid host", ""),
    ("https:///auth", "no valid host", ""),
    ("https://a b/auth", "no valid host", ""),
    ("https://ä/auth", "no valid host", ""),
    ("https://[::1/auth", "no valid host", ""),
    ("https://2130706433/auth", "no valid host", ""),
    ("https://a:0/auth", "no valid port", ""),
    ("https://a:/auth", "no valid port", ""),
    ("https://u@a/auth", "credentials", "before the `@`"),
    ("https://a/auth?x=1", "query or a fragment", "leave out"),
    ("https://a/auth#x", "query or a fragment", ""),
    ("https://a?x", "query or a fragment", ""),
    ("https://a/", "ends with `/`", "leave out the slash"),
    ("https://a/auth/", "ends with `/`", ""),
    ("https://a/a//b", "a path with more than", "plain one"),
    ("https://a/a/../b", "a path with more than", ""),
    ("https://a/./b", "a path with more than", ""),
    ("https://a/a%2Fb", "a path with more than", ""),
    ("https://a/a;b", "a path with more than", ""),
    ("https://a/a\\\\b", "a path with more than", ""),
    ("https://a/ä", "a path with more than", ""),
];

const WRONG_KEYS: &[(&str, &str, &str)] = &[
    ("signing = \"EdDSA\"", "`signing` takes a table", ""),
    (
        "signing = { algorithm = \"HS256\" }",
        "no value of `algorithm`",
        "`ES256`",
    ),
    (
        "signing = { algorithm = \"PS256\" }",
        "no value of `algorithm`",
        "",
    ),
    ("signing = { rotate = \"1h\" }", "24h to 365 days", ""),
    ("signing = { rotate = \"366 days\" }", "24h to 365 days", ""),
    (
        "signing = { algorith = \"EdDSA\" }",
        "unknown key `algorith`",
        "`algorithm`",
    ),
    ("access_token = \"59s\"", "1m to 24h", ""),
    ("access_token = \"25h\"", "1m to 24h", ""),
    ("access_token = 15", "`access_token`", "unit"),
    ("refresh_token = \"4m\"", "5m to 90 days", ""),
    ("refresh_token = \"91 days\"", "5m to 90 days", ""),
    ("session = \"366 days\"", "5m to 365 days", ""),
    ("session = \"off\"", "`session`", ""),
    (
        "refresh_token = \"10m\"",
        "`refresh_token` is 10m, less than `access_token`, which is 15m",
        "replaces",
    ),
    (
        "session = \"6 days\"",
        "`session` is 6 days, less than `refresh_token`, which is 7 days",
        "the most",
    ),
    (
        "refresh_token = \"31 days\"",
        "`session` is 30 days, less than `refresh_token`",
        "",
    ),
    ("page = true", "`page` needs cookies", "cookies = true"),
    ("page = true\ncookies = false", "`page` needs cookies", ""),
    ("cookies = \"yes\"", "true or false", ""),
    (
        "encryption_key = \"\"",
        "shorter than 32 bytes",
        "openssl rand",
    ),
    (
        "encryption_key = \"0123456789abcdef0123456789abcde\"",
        "shorter than 32 bytes",
        "",
    ),
    ("encryption_key = 1", "`encryption_key` takes a string", ""),
    ("name = \"x\"", "unknown key `name` in [local_issuer]", ""),
    (
        "password_grants = true",
        "unknown key `password_grants`",
        "`password_grant`",
    ),
];

#[test]
fn an_error_shows_no_encryption_key() {
    for key in [
        "encryption_key = \"hunter2\"",
        "encryption_keys = \"hunter2\"",
        "encryption-key = \"hunter2\"",
        "encrypt_key = \"hunter2\"",
        "key = \"hunter2\"",
        "secret = \"hunter2\"",
        "encryption_key = [\"hunter2\"]",
        "encryption_key = hunter2",
        "encryption_key: \"hunter2\"",
        "encryption_key = \"hunter2${UNSET}\"",
    ] {
        let shown = bad(&local_with(key));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let filled = parse_with(
        &local_with("encryption_key = \"${KEY}\""),
        &[("KEY", "hunter2")],
    );
    assert!(!filled.unwrap_err().to_string().contains("hunter2"));
}
