//! Issuers whose keys are fetched: `check --online`, and `keys` of a gateway that is not there.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use super::process::{Sandbox, get};

/// A provider of documents, by path: `(path, document)`; everything else is 404.
fn provider(documents: impl Fn(SocketAddr) -> Vec<(&'static str, String)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let documents = documents(address);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that has gone is no fault of ours.
            let _ = answer(stream, &documents);
        }
    });
    address
}

fn answer(mut stream: TcpStream, documents: &[(&'static str, String)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let found = documents.iter().find(|(known, _)| *known == path);
    let (status, body) = found.map_or(("404 Not Found", ""), |(_, body)| ("200 OK", body));
    write!(
        stream,
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn config(issuer: &str, keys: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[issuers]]\nname = \"corp\"\nissuer = \"{issuer}\"\naudiences = [\"api\"]\n\
         algorithms = [\"EdDSA\"]\nkeys = {keys}\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

/// A JWK Set with one key, `k1`.
fn key_set(sandbox: &Sandbox) -> String {
    sandbox.ok(&["keys", "generate", "--kid", "k1"]);
    std::fs::read_to_string(sandbox.path("k1.jwks.json")).expect("a set")
}

#[test]
fn online_each_source_is_fetched_once_and_named() {
    let sandbox = Sandbox::new();
    let set = key_set(&sandbox);
    let address = provider(|address| {
        let metadata = json!({
            "issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/keys"),
        });
        vec![
            ("/keys", set.clone()),
            ("/.well-known/openid-configuration", metadata.to_string()),
        ]
    });
    let issuer = format!("http://{address}");
    for keys in [
        "{ discovery = true }".to_owned(),
        format!("{{ discovery = \"{issuer}/.well-known/openid-configuration\" }}"),
        format!("{{ jwks_url = \"{issuer}/keys\" }}"),
    ] {
        sandbox.write("gateway.toml", &config(&issuer, &keys));
        let out = sandbox.ok(&["check", "--online"]);
        let line = format!("issuer \"corp\": ok (1 key, {issuer}/keys)\n");
        assert!(out.contains(": ok\n") && out.ends_with(&line), "{out}");
        let found = sandbox.ok(&["check", "--online", "--format", "json"]);
        let found: Value = serde_json::from_str(&found).expect("JSON");
        assert_eq!(found["ok"], true);
        assert_eq!(found["sources"][0]["keys"], 1, "{found:#}");
    }
    assert!(!sandbox.path("state").exists(), "check keeps nothing");
}

#[test]
fn online_keys_that_the_gateway_would_leave_out_are_named() {
    let sandbox = Sandbox::new();
    let mut set: Value = serde_json::from_str(&key_set(&sandbox)).expect("JSON");
    let keys = set["keys"].as_array_mut().expect("a list");
    keys.push(json!({ "kty": "RSA", "kid": "enc", "use": "enc" }));
    keys.push(json!({ "kty": "oct", "kid": "sym", "k": "c2VjcmV0" }));
    keys.push(json!({ "kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB" }));
    let address = provider(|_| vec![("/keys", set.to_string())]);
    let url = format!("http://{address}/keys");
    let keys = format!("[{{ jwks_url = \"{url}\" }}, {{ jwks_file = \"o.jwks.json\" }}]");
    // Another key under the name of the provider's.
    sandbox.ok(&["keys", "generate", "--kid", "o"]);
    let other = std::fs::read_to_string(sandbox.path("o.jwks.json")).expect("a set");
    let mut other: Value = serde_json::from_str(&other).expect("JSON");
    let mut twin = other["keys"][0].clone();
    twin["kid"] = json!("other");
    other["keys"].as_array_mut().expect("a list").push(twin);
    other["keys"][0]["kid"] = json!("k1");
    sandbox.write("o.jwks.json", &other.to_string());
    sandbox.write("gateway.toml", &config("https://corp.example/", &keys));

    let ended = sandbox.run(&["check", "--online"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for said in ["\"sym\"", "\"short\"", "\"k1\" names different keys", &url] {
        assert!(ended.err.contains(said), "{said}: {}", ended.err);
    }
    assert_eq!(ended.err.matches("skipped-key").count(), 4, "{}", ended.err);
    assert!(!ended.err.contains("enc"), "of other use: {}", ended.err);
    let strict = sandbox.run(&["check", "--online", "--deny-warnings"]);
    assert_eq!(strict.code, Some(78), "{}", strict.err);
    let offline = sandbox.run(&["check"]);
    assert!(!offline.err.contains("skipped-key"), "{}", offline.err);
}

#[test]
fn online_what_is_wrong_is_78_at_its_place_and_what_is_silent_69() {
    let sandbox = Sandbox::new();
    let address = provider(|address| {
        let metadata = |issuer: &str| {
            json!({ "issuer": issuer, "jwks_uri": format!("http://{address}/keys") }).to_string()
        };
        vec![
            ("/other", metadata("https://other.example/")),
            ("/html", "<html>sign in</html>".to_owned()),
            ("/empty", json!({ "keys": [] }).to_string()),
            ("/metadata", metadata("https://corp.example/")),
        ]
    });
    let url = format!("http://{address}");
    // Port 1 of loopback: nobody listens there.
    let silent = "http://127.0.0.1:1/keys".to_owned();
    for (key, location, code, said) in [
        (
            "discovery",
            format!("{url}/other"),
            78,
            "https://other.example/",
        ),
        ("discovery", format!("{url}/html"), 78, "/html"),
        ("jwks_url", format!("{url}/html"), 78, "/html"),
        ("jwks_url", format!("{url}/empty"), 78, "no key"),
        // The one in place of the other.
        ("discovery", format!("{url}/empty"), 78, "is a `jwks_url`"),
        (
            "jwks_url",
            format!("{url}/metadata"),
            78,
            "is a `discovery`",
        ),
        ("jwks_url", silent.clone(), 69, "127.0.0.1:1"),
        ("discovery", silent, 69, "127.0.0.1:1"),
    ] {
        let keys = format!("{{ {key} = \"{location}\" }}");
        sandbox.write("gateway.toml", &config("https://corp.example/", &keys));
        // Nobody is asked, so nothing is wrong.
        sandbox.ok(&["check"]);
        let ended = sandbox.run(&["check", "--online", "--timeout", "10"]);
        assert_eq!(ended.code, Some(code), "{keys}: {}", ended.err);
        assert!(ended.err.contains(said), "{keys}: {}", ended.err);
        assert!(ended.err.contains("gateway.toml:10:"), "{}", ended.err);
        assert!(ended.err.contains("^^^"), "{}", ended.err);
        let found = sandbox.run(&["check", "--online", "--format", "json"]);
        assert_eq!(found.code, Some(code));
        let found: Value = serde_json::from_str(&found.out).expect("JSON");
        assert_eq!(found["ok"], false, "{found:#}");
        assert_eq!(found["errors"][0]["place"]["line"], 10, "{found:#}");
        assert_eq!(found["sources"][0]["reachable"], code == 78, "{found:#}");
    }
}

#[test]
fn a_ca_file_that_is_not_there_is_found_without_asking_anybody() {
    let sandbox = Sandbox::new();
    let remote = "{ discovery = true, ca = \"absent.pem\" }";
    for (keys, column) in [(remote.to_owned(), 33), (format!("[{remote}]"), 34)] {
        sandbox.write("gateway.toml", &config("https://corp.example/", &keys));
        for arguments in [&["check"][..], &["check", "--online"], &["run"]] {
            let ended = sandbox.run(arguments);
            assert_eq!(ended.code, Some(78), "{}", ended.err);
            assert_eq!(ended.err.matches("absent.pem").count(), 2, "{}", ended.err);
            let place = format!("gateway.toml:10:{column}: error");
            assert!(ended.err.contains(&place), "{}", ended.err);
        }
    }
}

/// A token that the private key of [`key_set`] signs, as its provider would.
fn minted(sandbox: &Sandbox) -> String {
    let key = ["--key", "k1.private.pem", "--kid", "k1"];
    let token = sandbox.ok(&[&["token", "mint", "--sub", "alice"], &key[..]].concat());
    token.trim().to_owned()
}

#[test]
fn tokens_of_an_issuer_whose_keys_are_fetched_come_from_it() {
    let sandbox = Sandbox::new();
    key_set(&sandbox);
    let keys = "{ jwks_url = \"http://127.0.0.1:1/keys\" }";
    sandbox.write("gateway.toml", &config("https://corp.example/", keys));
    let ended = sandbox.run(&["token", "mint", "--sub", "alice"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("are fetched"), "{}", ended.err);
    assert!(ended.err.contains("--key FILE"), "{}", ended.err);
    // Nothing was ever fetched here, and nothing is now.
    let ended = sandbox.run(&["token", "inspect", &minted(&sandbox)]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.out.contains("keys_unavailable"), "{}", ended.out);
    let note = "without the keys of http://127.0.0.1:1/keys: none are kept in ";
    assert!(ended.out.contains(note), "{}", ended.out);
}

#[test]
fn what_a_gateway_has_fetched_is_known_when_it_is_gone() {
    let sandbox = Sandbox::new();
    let set = key_set(&sandbox);
    let provider = provider(|_| vec![("/keys", set.clone())]);
    let keys = format!("{{ jwks_url = \"http://{provider}/keys\" }}");
    let gateway = sandbox.serve(&config("https://corp.example/", &keys));
    let token = minted(&sandbox);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (status, answer) = get(gateway.address(), "/", &bearer);
    // The token is good, and nobody is behind the gateway.
    assert_eq!(status, 502, "{answer}");
    drop(gateway);

    let listed = sandbox.ok(&["keys", "list", "--offline"]);
    let kept = format!("from http://{provider}/keys: kept, fetched ");
    assert!(
        listed.contains(&kept) && listed.contains("k1  EdDSA"),
        "{listed}"
    );
    let listed = sandbox.ok(&["keys", "list", "--offline", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert!(
        listed["issuers"][0]["sources"][0]["serves_until"].is_string(),
        "{listed:#}"
    );
    let inspected = sandbox.ok(&["token", "inspect", &token]);
    assert!(
        inspected.contains("accepted for issuer \"corp\""),
        "{inspected}"
    );
    let note = format!("from http://{provider}/keys\n");
    assert!(
        inspected.contains("with the keys that a gateway fetched"),
        "{inspected}"
    );
    assert!(inspected.ends_with(&note), "{inspected}");
}

#[test]
fn a_running_gateway_reports_on_its_keys_and_fetches_them_when_asked() {
    let sandbox = Sandbox::new();
    let set = key_set(&sandbox);
    let provider = provider(|_| vec![("/keys", set.clone())]);
    let keys = format!("{{ jwks_url = \"http://{provider}/keys\" }}");
    let gateway = sandbox.serve(&config("https://corp.example/", &keys));
    let admin = gateway.admin_url();
    let ask = |arguments: &[&str]| sandbox.run(&[arguments, &["--admin", &admin]].concat());

    let listed = ask(&["keys", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let source = format!("  jwks_url http://{provider}/keys: fresh, 1 key\n");
    assert!(listed.out.contains(&source), "{}", listed.out);
    assert!(listed.out.contains("new and never used"), "{}", listed.out);
    let bearer = format!("Authorization: Bearer {}\r\n", minted(&sandbox));
    get(gateway.address(), "/", &bearer);
    let listed = ask(&["keys", "list"]).out;
    assert!(listed.contains("in use until "), "{listed}");
    assert!(listed.contains("tokens are counted since"), "{listed}");
    let report: Value = serde_json::from_str(&ask(&["keys", "list", "--json"]).out).expect("JSON");
    assert_eq!(report["issuers"][0]["keys"][0]["kid"], "k1");
    assert_eq!(report["issuers"][0]["keys"][0]["tokens"], 1, "{report:#}");
    let issuer = &report["issuers"][0];
    assert_eq!(issuer["keys"][0]["source"], issuer["sources"][0]["source"]);

    for arguments in [&["keys", "refresh"][..], &["keys", "refresh", "corp"]] {
        let asked = ask(arguments);
        assert_eq!(asked.code, Some(0), "{}", asked.err);
        let line = format!("corp  http://{provider}/keys: ");
        assert!(asked.out.starts_with(&line), "{}", asked.out);
    }
    let unknown = ask(&["keys", "refresh", "crop"]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.err.contains("no issuer is named \"crop\""),
        "{}",
        unknown.err
    );
}

#[test]
fn without_a_gateway_there_is_another_way_to_list_keys() {
    let sandbox = Sandbox::new();
    let keys = "[{ jwks_url = \"http://127.0.0.1:1/keys\" }, { jwks_file = \"k1.jwks.json\" }]";
    key_set(&sandbox);
    sandbox.write("gateway.toml", &config("https://corp.example/", keys));
    for command in [&["keys", "list"][..], &["keys", "refresh"]] {
        let ended = sandbox.run(&[command, &["--admin", "http://127.0.0.1:1"]].concat());
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains("no gateway answers"), "{}", ended.err);
        let named = ended.err.contains("keys list --offline");
        assert_eq!(named, command[1] == "list", "{}", ended.err);
    }
    let listed = sandbox.ok(&["keys", "list", "--offline"]);
    assert!(listed.contains("k1  EdDSA"), "{listed}");
}
