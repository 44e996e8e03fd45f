//! `token mint`, `token inspect`, `keys generate`, `keys list`, `version`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::process::Sandbox;

/// An issuer whose keys are `keys`, and a route.
fn config(algorithm: &str, keys: &str) -> String {
    format!(
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"{algorithm}\"]\nkeys = {keys}\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

fn part(token: &str, index: usize) -> Value {
    let part = token.trim().split('.').nth(index).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn every_algorithm_makes_keys_whose_tokens_are_accepted() {
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ] {
        let sandbox = Sandbox::new();
        sandbox.ok(&["keys", "generate", "--alg", algorithm, "--kid", "k1"]);
        sandbox.write(
            "gateway.toml",
            &config(algorithm, "{ jwks_file = \"k1.jwks.json\" }"),
        );
        let key = ["--key", "k1.private.pem", "--kid", "k1", "--alg", algorithm];
        let token = sandbox.ok(&[&["token", "mint", "--sub", "alice"], &key[..]].concat());
        assert_eq!(part(&token, 0)["alg"], algorithm);
        sandbox.ok(&["token", "inspect", token.trim()]);
    }
    for algorithm in ["HS256", "HS384", "HS512"] {
        let sandbox = Sandbox::new();
        sandbox.ok(&["keys", "generate", "--alg", algorithm, "--kid", "s"]);
        let keys = "{ secret = \"${file:s.secret}\" }";
        sandbox.write("gateway.toml", &config(algorithm, keys));
        let token = sandbox.ok(&["token", "mint", "--sub", "alice"]);
        assert_eq!(part(&token, 0)["alg"], algorithm);
        sandbox.ok(&["token", "inspect", token.trim()]);
    }
}

#[test]
fn a_token_has_the_claims_and_the_lifetime_that_were_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    let token = sandbox.ok(&[
        "token",
        "mint",
        "--sub",
        "alice",
        "--expires-in",
        "7 days",
        "--claim",
        "roles=[\"a\",\"b\"]",
        "--claim",
        "tenant=acme",
    ]);
    let claims = part(&token, 1);
    let seconds = |name: &str| claims[name].as_i64().expect("a number");
    assert_eq!(seconds("exp") - seconds("iat"), 7 * 24 * 60 * 60);
    assert_eq!(claims["roles"], json!(["a", "b"]));
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims["aud"], "api");
}

#[test]
fn many_tokens_are_one_a_line_and_all_different() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    let ended = sandbox.run(&["token", "mint", "--sub", "u{n}", "--count", "200"]);
    let mut tokens: Vec<&str> = ended.out.lines().collect();
    assert_eq!(part(tokens[199], 1)["sub"], "u200");
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 200);
}

#[test]
fn a_mix_of_tokens_is_exact_in_order_and_refused_as_it_says() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    let mix = ["--bad", "expired=5%,forged=2.5%", "--bad", "malformed=5%"];
    let all = ["token", "mint", "--count", "1000", "--subjects", "20"];
    let out = sandbox.ok(&[&all[..], &mix[..]].concat());
    let tokens: Vec<&str> = out.lines().collect();
    assert_eq!(tokens.len(), 1000);
    let whole: Vec<Value> = tokens
        .iter()
        .filter(|token| token.matches('.').count() == 2)
        .map(|token| part(token, 1))
        .collect();
    assert_eq!(whole.len(), 950);
    // An expired one was issued two days ago.
    let newest = whole
        .iter()
        .filter_map(|claims| claims["iat"].as_i64())
        .max();
    let is_expired = |claims: &&Value| claims["exp"].as_i64() < newest;
    assert_eq!(whole.iter().filter(is_expired).count(), 50);
    let is_forged = |claims: &&Value| claims["jti"].as_str().expect("text").starts_with("forged-");
    assert_eq!(whole.iter().filter(is_forged).count(), 25);
    let subjects: BTreeSet<&str> = whole
        .iter()
        .filter_map(|claims| claims["sub"].as_str())
        .collect();
    assert_eq!(subjects.len(), 20);
    assert!(subjects.contains("load-1") && subjects.contains("load-20"));
    let ids: BTreeSet<&str> = whole
        .iter()
        .filter_map(|claims| claims["jti"].as_str())
        .collect();
    assert_eq!(ids.len(), whole.len());
    let good: Vec<&Value> = whole
        .iter()
        .filter(|claims| !is_expired(claims) && !is_forged(claims))
        .collect();
    for (n, claims) in good.iter().enumerate() {
        assert_eq!(claims["sub"], format!("load-{}", n % 20 + 1));
    }
}

#[test]
fn a_mix_that_cannot_be_is_a_usage_error() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    for (bad, hint) in [
        ("expird=5%", "did you mean `expired`?"),
        ("expired=5", "write it as 5%"),
        ("expired=60%,forged=41%", "more than 100%"),
        ("expired=10%,expired=10%", "stands twice"),
        ("expired=1%", "less than one token of 10"),
    ] {
        let ended = sandbox.run(&["token", "mint", "--sub", "a", "--count", "10", "--bad", bad]);
        assert_eq!(ended.code, Some(2), "{bad}");
        assert!(ended.err.contains(hint), "{bad}: {}", ended.err);
        assert!(ended.out.is_empty(), "{bad}");
    }
}

#[test]
fn a_token_is_inspected_from_standard_input_and_its_signature_not_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    let token = sandbox.ok(&["token", "mint", "--sub", "alice"]);
    let mut command = sandbox.command(&["token", "inspect"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(token.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let signature = token.trim().rsplit('.').next().expect("a part");
    assert!(
        shown.contains("alice") && !shown.contains(signature),
        "{shown}"
    );
}

#[test]
fn a_token_of_another_key_is_refused_with_3() {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", &config("EdDSA", "{ generate = \"EdDSA\" }"));
    sandbox.ok(&["keys", "list", "--offline"]);
    sandbox.ok(&["keys", "generate", "--kid", "other"]);
    let key = ["--key", "other.private.pem", "--kid", "other"];
    let token = sandbox.ok(&[&["token", "mint", "--sub", "alice"], &key[..]].concat());
    let ended = sandbox.run(&["token", "inspect", token.trim()]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.out.contains("unknown_key"), "{}", ended.out);
}

#[test]
fn keys_are_listed_with_those_that_are_skipped() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["keys", "generate", "--kid", "k1"]);
    let text = std::fs::read_to_string(sandbox.path("k1.jwks.json")).expect("a set");
    let mut set: Value = serde_json::from_str(&text).expect("JSON");
    let keys = set["keys"].as_array_mut().expect("keys");
    keys.push(json!({ "kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AA" }));
    sandbox.write("keys.json", &set.to_string());
    sandbox.write(
        "gateway.toml",
        &config("EdDSA", "{ jwks_file = \"keys.json\" }"),
    );
    let listed = sandbox.ok(&["keys", "list", "--offline", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let listed = &listed["issuers"][0];
    assert_eq!(listed["keys"][0]["kid"], "k1");
    assert_eq!(listed["skipped"][0]["kid"], "bad");
    let checked = sandbox.run(&["check"]);
    assert_eq!(checked.code, Some(0));
    assert!(checked.err.contains("skipped-key"), "{}", checked.err);
}

#[test]
fn the_version_is_said_as_text_and_as_json() {
    let sandbox = Sandbox::new();
    let json: Value = serde_json::from_str(&sandbox.ok(&["version", "--json"])).expect("JSON");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let text = format!("portcullis {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(sandbox.ok(&["version"]), text);
    assert_eq!(sandbox.ok(&["--version"]), text);
}
