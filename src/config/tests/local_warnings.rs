//! Warnings about the local issuer, and about what revocation costs.

use crate::config::testing::{LOCAL, SMALL, good, local_at, local_with};
use crate::config::{Warning, warnings};

const KEY: &str = "encryption_key = \"${K:-0123456789abcdef0123456789abcdef}\"";

/// Warnings of a text, without what depends on this machine and on the listener.
fn warned(text: &str) -> Vec<Warning> {
    let mut found = warnings(&good(text));
    let listener = [
        "file-limit-too-low",
        "tokens-over-plaintext",
        "local-issuer-without-tls",
    ];
    found.retain(|warning| !listener.contains(&warning.code));
    found
}

fn codes(text: &str) -> Vec<&'static str> {
    warned(text).iter().map(|warning| warning.code).collect()
}

/// [`LOCAL`] with nothing to say about: its key comes from elsewhere.
fn quiet(keys: &str) -> String {
    local_with(&format!("{KEY}\n{keys}"))
}

fn quiet_at(url: &str, keys: &str) -> String {
    quiet(keys).replacen("https://localhost:8443/auth", url, 1)
}

#[test]
fn dangerous_settings_of_the_local_issuer_have_codes() {
    let literal = "encryption_key = \"0123456789abcdef0123456789abcdef\"";
    let no_route = quiet("").replacen("name = \"demo\"", "name = \"demo\"\nauth = \"none\"", 1);
    for (text, expected) in [
        (quiet(""), &[][..]),
        (quiet("cookies = true\npage = true"), &[]),
        (quiet_at("http://localhost:8080/auth", ""), &[]),
        (quiet_at("http://127.0.0.2/auth", ""), &[]),
        (quiet_at("http://[::1]:1/auth", ""), &[]),
        (
            quiet_at("http://login.example/auth", ""),
            &["local-issuer-over-http"],
        ),
        (
            quiet_at("http://localhost.example/auth", ""),
            &["local-issuer-over-http"],
        ),
        (
            quiet_at("http://localhost/auth", "cookies = true"),
            &["cookies-over-http"],
        ),
        (
            quiet_at("http://10.0.0.1/auth", "cookies = true"),
            &["local-issuer-over-http", "cookies-over-http"],
        ),
        (quiet("password_grant = true"), &["password-grant"]),
        (LOCAL.to_owned(), &["encryption-key-made"]),
        (local_with(literal), &["literal-secret"]),
        (no_route, &["no-route-needs-a-token", "unused-issuer"]),
        (
            format!("{}[store]\nfail = \"open\"\n", quiet("")),
            &["store-fails-open"],
        ),
    ] {
        let mut found = codes(&text);
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn an_issuer_under_https_needs_someone_who_ends_tls() {
    let tls = "tls = { self_signed = \"localhost\" }";
    let proxies = "trusted_proxies = [\"127.0.0.1/32\"]";
    for (url, server, expected) in [
        ("https://localhost:8443/auth", "", true),
        ("https://login.example", "", true),
        ("https://login.example", tls, false),
        ("https://login.example", proxies, false),
        ("http://localhost:8080/auth", "", false),
    ] {
        let text = format!("[server]\n{server}\n{}", quiet_at(url, ""));
        let all = warnings(&good(&text));
        let found = all
            .iter()
            .find(|warning| warning.code == "local-issuer-without-tls");
        assert_eq!(found.is_some(), expected, "{text}");
        let stands = found.is_none_or(|found| found.place.text.contains("issuer = "));
        assert!(stands, "{found:?}");
    }
}

#[test]
fn they_stand_at_their_key() {
    for (text, line) in [
        (quiet("password_grant = true"), "password_grant = true"),
        (quiet_at("http://a/b", ""), "issuer = \"http://a/b\""),
        (LOCAL.to_owned(), "[local_issuer]"),
        (
            quiet("").replacen("path =", "auth = \"none\"\npath =", 1),
            "issuer = ",
        ),
    ] {
        let found = warned(&text);
        let shown = found.iter().map(ToString::to_string).collect::<String>();
        assert!(
            found
                .iter()
                .any(|warning| warning.place.text.contains(line)),
            "{line}: {shown}"
        );
    }
}

/// Whether a route is never reached, behind an issuer at this URL.
fn hidden(url: &str, route: &str) -> bool {
    let text = quiet_at(url, "").replacen("path = \"/\"", route, 1);
    codes(&text).contains(&"unreachable-route")
}

#[test]
fn a_route_behind_the_issuers_own_paths_is_never_reached() {
    for (url, route, expected) in [
        ("https://a/auth", "path = \"/\"", false),
        ("https://a/auth", "path = \"/auth\"", true),
        ("https://a/auth", "path = \"/auth/login\"", true),
        ("https://a/auth", "path = \"/authx\"", false),
        ("https://a/auth", "path = \"/.well-known\"", false),
        (
            "https://a/auth",
            "path = \"/.well-known/oauth-authorization-server/auth\"",
            true,
        ),
        ("https://a/auth", "path = \"/auth\"\nhosts = [\"b\"]", false),
        (
            "https://a/auth",
            "path = \"/auth\"\nhosts = [\"b\", \"A\"]",
            true,
        ),
        (
            "https://x.y.a/auth",
            "path = \"/auth\"\nhosts = [\"*.a\"]",
            true,
        ),
        (
            "https://xa/auth",
            "path = \"/auth\"\nhosts = [\"*.a\"]",
            false,
        ),
        (
            "https://a/auth",
            "path = \"/auth\"\nhosts = [\"*.a\"]",
            false,
        ),
        (
            "https://[::1]/auth",
            "path = \"/auth\"\nhosts = [\"[::1]\"]",
            true,
        ),
        // The whole host is the issuer's.
        ("https://a", "path = \"/\"", true),
        ("https://a", "path = \"/\"\nhosts = [\"b\"]", false),
    ] {
        assert_eq!(hidden(url, route), expected, "{url} {route}");
    }
}

#[test]
fn a_route_at_the_path_of_logout_tokens_misses_it() {
    let text = |path: &str| {
        let logout = format!(
            "max_lifetime = \"1h\"\nlogout = {{ path = \"{path}\", client_id = \"g\" }}\nkeys ="
        );
        SMALL.replacen("keys =", &logout, 1)
    };
    assert_eq!(codes(&text("/orders")), ["unreachable-route"]);
    for path in ["/orders/logout", "/logout"] {
        assert_eq!(codes(&text(path)), [""; 0], "{path}");
    }
}

#[test]
fn with_a_store_revocations_need_an_end() {
    let code = "revocations-without-end";
    assert_eq!(codes(SMALL), [""; 0]);
    let store = format!("{SMALL}[store]\n");
    let found = warned(&store);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, code);
    assert!(
        found[0].message.contains("`corp`") && found[0].place.line == 2,
        "{}",
        found[0]
    );
    let limited = store.replacen("keys =", "max_lifetime = \"24h\"\nkeys =", 1);
    assert_eq!(codes(&limited), [""; 0]);
    // The local issuer brings a store along.
    let routes = format!("{SMALL}{}", quiet(""))
        .replace("path =", "issuers = [\"corp\", \"local\"]\npath =");
    assert_eq!(codes(&routes), [code]);
}

#[cfg(unix)]
#[test]
fn an_encryption_key_that_everyone_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "k".repeat(32)).unwrap();
    let text = local_with(&format!(
        "encryption_key = \"${{file:{}}}\"",
        file.display()
    ));
    for (mode, expected) in [
        (0o644, &["world-readable-secret"][..]),
        (0o640, &[]),
        (0o600, &[]),
    ] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(codes(&text), expected, "{mode:o}");
    }
    assert_eq!(
        codes(&local_at("https://b")),
        ["encryption-key-made", "unreachable-route"]
    );
}
