//! Metadata documents: `OpenID` Connect Discovery 1.0 and RFC 8414.

use serde_json::json;

use super::super::harness::Upstream;
use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, OAUTH, OPENID, Part, Provider, metadata, ok, status};
use super::{
    BACK_OFF, INTERVAL, World, admitted, iss, key, last_error, outcome, outcome_of, source,
    token_as, unavailable, unknown, wait_for, wait_for_fetches,
};

/// `keys` that are found by the document of a provider.
fn by_document(provider: &Provider) -> String {
    format!("{{ discovery = {:?} }}", provider.url(OPENID))
}

#[test]
fn the_document_says_where_keys_are_and_is_not_read_each_time() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[]);
    // On another host than the document.
    let other = Provider::start(&[key("a")]);
    provider.serve(
        OPENID,
        vec![ok("", &metadata(&iss("corp"), &other.url(JWKS)))],
    );
    let gateway = World::new()
        .issuer("corp", &by_document(&provider))
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    for turn in 2..=4_u8 {
        gateway.advance(INTERVAL);
        wait_for_fetches(&gateway, "corp", "", f64::from(turn));
    }
    assert_eq!(other.fetches(JWKS), 4);
    assert_eq!((provider.fetches(OPENID), provider.fetches(JWKS)), (1, 0));
    gateway.advance(3600);
    wait_until("the document is read again", || {
        provider.fetches(OPENID) == 2
    });
}

#[test]
fn when_keys_have_moved_the_document_is_asked_again() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let document = |path: &str| vec![ok("", &metadata(&iss("corp"), &provider.url(path)))];
    provider.serve(OPENID, document(JWKS));
    let gateway = World::new()
        .issuer("corp", &by_document(&provider))
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.serve(JWKS, vec![status("404 Not Found", "", "")]);
    provider.serve(
        "/moved",
        vec![ok(
            "",
            &super::super::harness::provider::set_of(&[key("b")]),
        )],
    );
    provider.serve(OPENID, document("/moved"));
    gateway.advance(INTERVAL);
    wait_until("the refresh fails or finds it at once", || {
        !last_error(&gateway, "corp").is_empty() || outcome(&gateway, "corp", "b") == admitted()
    });
    gateway.advance(BACK_OFF);
    wait_for(&gateway, "corp", "b");
}

/// A token for an issuer with that `iss`.
fn admits(gateway: &super::TestGateway, name: &str, iss: &str) -> bool {
    outcome_of(&mut gateway.connect(), name, &token_as(iss, key("a"))) == admitted()
}

#[test]
fn the_issuer_alone_is_enough() {
    let upstream = Upstream::start();
    let at = |paths: &[(&str, &str)]| {
        let provider = Provider::start(&[key("a")]);
        for (path, iss) in paths {
            let document = metadata(&provider.url(iss), &provider.url(JWKS));
            provider.serve(path, vec![ok("", &document)]);
        }
        provider
    };
    // (name, the issuer's path, where its document is)
    let rows = [
        ("openid", "", OPENID),
        (
            "openid-path",
            "/tenant",
            "/tenant/.well-known/openid-configuration",
        ),
        (
            "openid-slash",
            "/tenant/",
            "/tenant/.well-known/openid-configuration",
        ),
        ("oauth", "", OAUTH),
        (
            "oauth-path",
            "/tenant",
            "/.well-known/oauth-authorization-server/tenant",
        ),
    ];
    let providers = rows.map(|(_, path, document)| at(&[(document, path)]));
    let mut world = World::new();
    for ((name, path, _), provider) in rows.iter().zip(&providers) {
        world = world.issuer_as(name, &provider.url(path), "{ discovery = true }");
    }
    let gateway = world.start(&upstream);
    for ((name, path, document), provider) in rows.iter().zip(&providers) {
        let iss = provider.url(path);
        wait_until(name, || admits(&gateway, name, &iss));
        assert_eq!(provider.fetches(document), 1, "{name}");
        // A twin with or without the slash is another issuer.
        let twin = iss
            .strip_suffix('/')
            .map_or_else(|| format!("{iss}/"), str::to_owned);
        let found = outcome_of(&mut gateway.connect(), name, &token_as(&twin, key("a")));
        assert_eq!(found, (401, "wrong_issuer".to_owned()), "{name}");
    }
}

#[test]
fn only_a_404_leads_to_the_next_document() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let document = metadata(&provider.url(""), &provider.url(JWKS));
    provider.serve(OAUTH, vec![ok("", &document)]);
    provider.serve(
        OPENID,
        vec![status("500 Internal Server Error", "", &document)],
    );
    let gateway = World::new()
        .issuer_as("corp", &provider.url(""), "{ discovery = true }")
        .start(&upstream);
    wait_until("it fails", || last_error(&gateway, "corp").contains("500"));
    assert_eq!((provider.fetches(OAUTH), provider.fetches(JWKS)), (0, 0));
    provider.serve(OPENID, vec![status("404 Not Found", "", "no such page")]);
    gateway.advance(BACK_OFF);
    wait_until("it heals", || admits(&gateway, "corp", &provider.url("")));
}

/// A bad document: the name of its row and its issuer, what the operator reads, the answer.
type Bad = (&'static str, &'static str, Vec<Part>);

fn bad(keys: &Provider) -> Vec<Bad> {
    let jwks = keys.url(JWKS);
    let mut all = of_others(&jwks);
    all.extend(bad_uris());
    all.extend(no_documents(&jwks));
    all
}

fn body(name: &'static str, says: &'static str, body: &str) -> Bad {
    (name, says, vec![ok("", body)])
}

/// Documents of another issuer, or of none.
fn of_others(jwks: &str) -> Vec<Bad> {
    let of = |name, iss| body(name, iss, &metadata(iss, jwks));
    let twice = format!(
        "{{\"issuer\":\"{}\",\"issuer\":\"https://evil.test\",\"jwks_uri\":\"{jwks}\"}}",
        iss("issuer-twice")
    );
    let no_issuer = format!("{{\"jwks_uri\":\"{jwks}\"}}");
    let null = format!("{{\"issuer\":null,\"jwks_uri\":\"{jwks}\"}}");
    vec![
        of("wrong-issuer", "https://evil.test"),
        of("slash", "https://slash.test/"),
        of("case", "https://CASE.test"),
        of("port", "https://port.test:443"),
        body("no-issuer", "issuer", &no_issuer),
        body("issuer-null", "issuer", &null),
        body("issuer-twice", "twice", &twice),
    ]
}

/// Documents that do not say where keys are that may be fetched.
fn bad_uris() -> Vec<Bad> {
    let uri = |name, says, uri| body(name, says, &metadata(&iss(name), uri));
    let number = json!({ "issuer": iss("uri-number"), "jwks_uri": 1 });
    let none = json!({ "issuer": iss("no-jwks-uri") });
    vec![
        body("no-jwks-uri", "jwks_uri", &none.to_string()),
        body("uri-number", "jwks_uri", &number.to_string()),
        uri("uri-http", "plain http", "http://keys.test/jwks"),
        uri("uri-file", "https", "file:///etc/passwd"),
        uri("uri-relative", "jwks_uri", "/jwks"),
        uri("uri-empty", "jwks_uri", ""),
        uri("uri-user", "jwks_uri", "https://user:secret@127.0.0.1/jwks"),
        uri("uri-fragment", "jwks_uri", "https://127.0.0.1/jwks#x"),
        uri(
            "uri-metadata",
            "169.254.169.254",
            "https://169.254.169.254/jwks",
        ),
    ]
}

/// Answers that are no document.
fn no_documents(jwks: &str) -> Vec<Bad> {
    let redirect = format!("Location: {jwks}\r\n");
    let until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let huge = vec![
        Part::Send(until_close.into()),
        Part::Fill(50 << 20),
        Part::Close,
    ];
    vec![
        body("html", "JSON", "<!doctype html><title>Sign in</title>"),
        body("empty", "JSON", ""),
        body("array", "object", "[]"),
        body("a-set", "issuer", "{\"keys\":[]}"),
        ("not-found", "404", vec![status("404 Not Found", "", "{}")]),
        ("redirect", "302", vec![status("302 Found", &redirect, "")]),
        ("hangs", "5 s", vec![Part::Hold]),
        ("huge", "1048576", huge),
    ]
}

#[test]
fn a_bad_document_is_named_and_heals() {
    let upstream = Upstream::start();
    let keys = Provider::start(&[key("a")]);
    let rows = bad(&keys);
    let providers: Vec<Provider> = rows.iter().map(|_| Provider::start(&[])).collect();
    let mut world = World::new();
    for ((name, _, parts), provider) in rows.iter().zip(&providers) {
        provider.serve(OPENID, parts.clone());
        world = world.issuer(name, &by_document(provider));
    }
    let gateway = world.start(&upstream);
    for (name, says, _) in &rows {
        wait_until(&format!("{name} fails"), || {
            !last_error(&gateway, name).is_empty()
        });
        let error = last_error(&gateway, name);
        assert!(error.contains(says), "{name}: {error:?}");
        assert!(!error.contains("secret"), "{name}: {error:?}");
        assert_eq!(outcome(&gateway, name, "a"), unavailable(), "{name}");
        let ready = gateway.admin("/readyz").text();
        assert!(
            ready.contains(&format!("issuer {name}: ")),
            "{name}: {ready}"
        );
    }
    assert_eq!(keys.fetches(JWKS), 0);
    for ((name, _, _), provider) in rows.iter().zip(&providers) {
        let document = metadata(&iss(name), &keys.url(JWKS));
        provider.serve(OPENID, vec![ok("", &document)]);
    }
    gateway.advance(BACK_OFF);
    for (name, _, _) in &rows {
        wait_for(&gateway, name, "a");
    }
}

#[test]
fn a_document_that_goes_bad_costs_no_request() {
    let upstream = Upstream::start();
    let keys = Provider::start(&[key("a")]);
    let rows = bad(&keys);
    let providers: Vec<Provider> = rows.iter().map(|_| Provider::start(&[key("a")])).collect();
    let mut world = World::new();
    for ((name, _, _), provider) in rows.iter().zip(&providers) {
        let document = metadata(&iss(name), &provider.url(JWKS));
        provider.serve(OPENID, vec![ok("", &document)]);
        world = world.issuer(name, &by_document(provider));
    }
    let gateway = world.start(&upstream);
    for ((name, _, parts), provider) in rows.iter().zip(&providers) {
        wait_for(&gateway, name, "a");
        // The keys stay where they were, and nobody may say any more that they are there.
        provider.serve(OPENID, parts.clone());
        provider.publish(&[key("a"), key("b")]);
    }
    gateway.advance(2 * 3600);
    for (name, _, _) in &rows {
        wait_until(&format!("{name} fails"), || {
            source(&gateway, name)["state"] == "stale"
        });
        assert_eq!(outcome(&gateway, name, "a"), admitted(), "{name}");
        assert_eq!(outcome(&gateway, name, "b"), unknown(), "{name}");
    }
    assert_eq!(keys.fetches(JWKS), 0);
    assert_eq!(gateway.admin("/readyz").status, 200);
}
