//! Where keys come from, and that an issuer's keys are nobody else's.

use std::path::Path;

use portcullis::jwt::{Algorithm, SigningKey};
use portcullis::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::tokens::{claims_with, jwk_set, keys, mint_with};
use super::harness::{GatewayBuilder, Request, TestGateway, Upstream, alice, claims};

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("a key")
}

fn issuer(name: &str, algorithm: &str, keys: &str) -> String {
    format!(
        "[[issuers]]\nname = \"{name}\"\nissuer = \"https://{name}.test\"\naudiences = [\"api\"]\n\
         algorithms = [\"{algorithm}\"]\nkeys = {keys}\n"
    )
}

/// A gateway whose routes are `/NAME`, for the issuers of that name, and `/both`.
fn gateway(issuers: &[(&str, String)], upstream: &Upstream, directory: TempDir) -> TestGateway {
    let mut text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [claim_headers]\n\"X-Auth-Subject\" = \"sub\"\n"
        .to_owned();
    let names: Vec<&str> = issuers.iter().map(|issuer| issuer.0).collect();
    let route = |path: &str, admitted: &[&str]| {
        let url = upstream.url();
        format!(
            "[[routes]]\nname = \"{path}\"\npath = \"/{path}\"\nupstream = \"{url}\"\nissuers = {admitted:?}\n"
        )
    };
    for (name, table) in issuers {
        text.push_str(table);
        text.push_str(&route(name, &[name]));
    }
    text.push_str(&route("both", &names));
    TestGateway::start(&text, directory, false)
}

/// A token of an issuer.
fn token(issuer: &str, key: &SigningKey) -> String {
    let changes = json!({ "iss": format!("https://{issuer}.test") });
    mint_with(key, "at+jwt", &claims_with(changes))
}

/// The status, and the reason of a refusal.
fn outcome(gateway: &TestGateway, path: &str, token: &str) -> (u16, String) {
    let reply = gateway.send(&Request::get(path).token(token));
    let reason = if reply.status == 200 {
        String::new()
    } else {
        reply.reason()
    };
    (reply.status, reason)
}

fn refused(reason: &str) -> (u16, String) {
    (401, reason.to_owned())
}

fn admitted() -> (u16, String) {
    (200, String::new())
}

fn write(directory: &Path, name: &str, content: &str) -> String {
    let file = directory.join(name);
    std::fs::write(&file, content).expect("written");
    file.display().to_string()
}

fn set_of(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().filter_map(|key| key.public_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

#[test]
fn the_same_kid_at_two_issuers_is_two_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let red = key(Algorithm::EdDsa).with_kid("k1");
    let blue = key(Algorithm::EdDsa).with_kid("k1");
    let file = |name: &str, key: &SigningKey| {
        let path = write(directory.path(), name, &set_of(&[key]));
        format!("{{ jwks_file = {path:?} }}")
    };
    let issuers = [
        ("red", issuer("red", "EdDSA", &file("red.json", &red))),
        ("blue", issuer("blue", "EdDSA", &file("blue.json", &blue))),
    ];
    let upstream = Upstream::start();
    let gateway = gateway(&issuers, &upstream, directory);
    for (path, token, expected) in [
        ("/red", token("red", &red), admitted()),
        ("/blue", token("blue", &blue), admitted()),
        ("/both", token("red", &red), admitted()),
        ("/both", token("blue", &blue), admitted()),
        ("/red", token("red", &blue), refused("bad_signature")),
        ("/both", token("blue", &red), refused("bad_signature")),
        ("/red", token("blue", &blue), refused("wrong_issuer")),
        ("/blue", token("red", &red), refused("wrong_issuer")),
        ("/both", token("green", &red), refused("wrong_issuer")),
    ] {
        assert_eq!(outcome(&gateway, path, &token), expected, "{path}");
    }
}

#[test]
fn an_hmac_issuer_stands_beside_one_with_public_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = "0123456789abcdef0123456789abcdef";
    let hmac = SigningKey::from_secret(&Secret::new(secret.into()), Algorithm::Hs256);
    let hmac = hmac.expect("a key");
    let pair = key(Algorithm::EdDsa).with_kid("k1");
    let set = write(directory.path(), "keys.json", &set_of(&[&pair]));
    // The text of a public key as an HMAC secret: the classic confusion.
    let confused = Secret::new(set_of(&[&pair]).into_bytes());
    let confused = SigningKey::from_secret(&confused, Algorithm::Hs256).expect("a key");
    let issuers = [
        (
            "hmac",
            issuer("hmac", "HS256", &format!("{{ secret = {secret:?} }}")),
        ),
        (
            "pair",
            issuer("pair", "EdDSA", &format!("{{ jwks_file = {set:?} }}")),
        ),
    ];
    let upstream = Upstream::start();
    let gateway = gateway(&issuers, &upstream, directory);
    for (path, token, expected) in [
        ("/hmac", token("hmac", &hmac), admitted()),
        ("/pair", token("pair", &pair), admitted()),
        ("/hmac", token("hmac", &confused), refused("bad_signature")),
        (
            "/hmac",
            token("hmac", &pair),
            refused("unsupported_algorithm"),
        ),
        (
            "/pair",
            token("pair", &hmac),
            refused("unsupported_algorithm"),
        ),
        (
            "/pair",
            token("pair", &confused),
            refused("unsupported_algorithm"),
        ),
    ] {
        assert_eq!(outcome(&gateway, path, &token), expected, "{path}");
    }
}

#[test]
fn pem_files_are_told_apart_by_their_kid() {
    let directory = tempfile::tempdir().expect("a directory");
    let make = |name: &str| {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let file = write(directory.path(), name, &pair.public_key_pem());
        let key = SigningKey::from_pem(pair.serialize_pem().as_bytes(), Algorithm::Es256);
        (file, key.expect("a key"))
    };
    let (a_file, a) = make("a.pem");
    let (b_file, b) = make("b.pem");
    let files = format!(
        "{{ pem_files = [{{ path = {a_file:?}, kid = \"a\" }}, {{ path = {b_file:?}, kid = \"b\" }}] }}"
    );
    let issuers = [("pem", issuer("pem", "ES256", &files))];
    let upstream = Upstream::start();
    let gateway = gateway(&issuers, &upstream, directory);
    let a_as_b = token("pem", &a.with_kid("b"));
    assert_eq!(outcome(&gateway, "/pem", &a_as_b), refused("bad_signature"));
    let b = b.with_kid("b");
    assert_eq!(outcome(&gateway, "/pem", &token("pem", &b)), admitted());
    let b_as_c = token("pem", &b.with_kid("c"));
    assert_eq!(outcome(&gateway, "/pem", &b_as_c), refused("unknown_key"));
}

#[test]
fn one_bad_key_of_a_set_is_skipped_and_shown_and_the_rest_serve() {
    let mut set: Value = serde_json::from_str(&jwk_set()).expect("JSON");
    let list = set["keys"].as_array_mut().expect("keys");
    list.insert(
        0,
        json!({ "kty": "EC", "crv": "P-256", "kid": "bad", "x": "AA", "y": "AA" }),
    );
    list.push(json!({ "kty": "new", "kid": "unknown" }));
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .keys(&set.to_string())
        .route("/api", "")
        .start();
    assert_eq!(outcome(&gateway, "/api", &alice()), admitted());
    let rs256 = mint_with(&keys().rs256, "at+jwt", &claims());
    assert_eq!(outcome(&gateway, "/api", &rs256), admitted());
    let status = super::reloading::status(&gateway);
    let skipped = status["issuers"][0]["skipped"].as_array().expect("a list");
    let kids: Vec<&str> = skipped
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    assert_eq!(kids, ["bad", "unknown"]);
}
