//! `check`, and what `run` does with the same mistakes: every error at once, with its place; warnings by code.

use serde_json::Value;

use super::process::Sandbox;

const ROUTE: &str = "[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n";

fn issuer(algorithm: &str, keys: &str) -> String {
    format!(
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudiences = [\"api\"]\n\
         algorithms = [\"{algorithm}\"]\nkeys = {keys}\n{ROUTE}"
    )
}

#[test]
fn every_error_is_reported_at_once_with_place_caret_and_suggestion() {
    let sandbox = Sandbox::new();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1\"]\nworkres = 4\n[server.limits]\nheader_timeout = 10\n{}",
        issuer("RS257", "{ jwks_file = \"keys.json\" }")
    );
    sandbox.write("gateway.toml", &text);
    for command in ["check", "run"] {
        let ended = sandbox.run(&[command, "-c", "gateway.toml"]);
        assert_eq!(ended.code, Some(78), "{}", ended.err);
        for place in ["toml:2:", "toml:3:1", "toml:5:", "toml:10:"] {
            assert!(
                ended.err.contains(place),
                "{command} {place}: {}",
                ended.err
            );
        }
        let caret = |line: &str| line.trim_start_matches([' ', '|']).starts_with('^');
        let carets = ended.err.lines().filter(|line| caret(line)).count();
        assert!(carets >= 4, "{}", ended.err);
        assert!(ended.err.contains("`workers`"), "{}", ended.err);
    }
}

#[test]
fn warnings_have_codes_and_fail_only_when_denied() {
    let sandbox = Sandbox::new();
    let text = issuer("EdDSA", "{ generate = \"EdDSA\" }")
        .replace("algorithms", "leeway = \"3m\"\nalgorithms");
    sandbox.write("gateway.toml", &text);
    let ended = sandbox.run(&["check"]);
    assert_eq!(ended.code, Some(0));
    for code in ["leeway-over-2m", "tokens-over-plaintext", "generated-key"] {
        assert!(ended.err.contains(&format!("[{code}]")), "{}", ended.err);
    }
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, Some(78));
    let json = sandbox.ok(&["check", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["ok"], true);
    let places = json["warnings"].as_array().expect("a list").iter();
    assert!(
        places.clone().any(|warning| warning["place"]["line"] == 5),
        "{json:#}"
    );
    assert!(!sandbox.path("state").exists(), "check makes nothing");
}

#[test]
fn wrong_key_files_are_78_and_named() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.json", "{ \"keys\": [] }");
    sandbox.write("broken.json", "{");
    sandbox.write("short.secret", "too short");
    sandbox.write("no.pem", "no key");
    // A modulus of 1024 bits.
    let modulus = format!("w{}E", "q".repeat(169));
    let weak = format!(
        "{{\"keys\":[{{\"kty\":\"RSA\",\"kid\":\"weak\",\"e\":\"AQAB\",\"n\":\"{modulus}\"}}]}}"
    );
    sandbox.write("weak.json", &weak);
    for (algorithm, keys, said) in [
        ("RS256", "{ jwks_file = \"absent.json\" }", "absent.json"),
        ("RS256", "{ jwks_file = \"empty.json\" }", "empty.json"),
        ("RS256", "{ jwks_file = \"broken.json\" }", "broken.json"),
        ("RS256", "{ jwks_file = \"weak.json\" }", "2048"),
        ("RS256", "{ pem_files = [{ path = \"no.pem\" }] }", "no.pem"),
        ("HS256", "{ secret = \"${file:short.secret}\" }", "32"),
    ] {
        sandbox.write("gateway.toml", &issuer(algorithm, keys));
        for command in ["check", "run"] {
            let ended = sandbox.run(&[command]);
            assert_eq!(ended.code, Some(78), "{command} {keys}: {}", ended.err);
            assert!(ended.err.contains(said), "{command} {keys}: {}", ended.err);
            let place = "gateway.toml:6:";
            assert!(ended.err.contains(place), "{command} {keys}: {}", ended.err);
        }
    }
}

#[test]
fn wrong_certificates_are_78_and_named() {
    let sandbox = Sandbox::new();
    sandbox.write("cert.pem", "no certificate");
    sandbox.write("cert.key", "no key");
    let server = "[server]\nlisten = [\"127.0.0.1:0\"]\n";
    for (tls, said) in [
        ("{ cert = \"cert.pem\", key = \"cert.key\" }", "cert."),
        (
            "{ cert = \"absent.pem\", key = \"cert.key\" }",
            "absent.pem",
        ),
    ] {
        let text = format!(
            "{server}tls = {tls}\n{}",
            issuer("EdDSA", "{ generate = \"EdDSA\" }")
        );
        sandbox.write("gateway.toml", &text);
        for command in ["check", "run"] {
            let ended = sandbox.run(&[command]);
            assert_eq!(ended.code, Some(78), "{command}: {}", ended.err);
            assert!(ended.err.contains(said), "{command}: {}", ended.err);
        }
    }
}

#[test]
fn what_check_refuses_does_not_run() {
    let sandbox = Sandbox::new();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:4711\"]\n[admin]\nlisten = \"off\"\n{}",
        ROUTE.replace("127.0.0.1:9", "127.0.0.1:4711") + "auth = \"none\"\n"
    );
    sandbox.write("gateway.toml", &text);
    for command in ["check", "run"] {
        let ended = sandbox.run(&[command]);
        assert_eq!(ended.code, Some(78), "{command}: {}", ended.err);
        assert!(ended.err.contains("gateway-is-upstream"), "{}", ended.err);
    }
}

#[test]
fn a_local_issuer_is_checked_without_a_store_and_its_keys_are_not_looked_for() {
    let sandbox = Sandbox::new();
    let local = format!(
        "[local_issuer]\nissuer = \"https://localhost:8443/auth\"\naudience = \"demo\"\n{ROUTE}"
    );
    sandbox.write("gateway.toml", &local);
    let ended = sandbox.run(&["check", "--online"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("[encryption-key-made]"), "{}", ended.err);
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, Some(78));
    let keys = sandbox.ok(&["keys", "list", "--offline"]);
    assert!(keys.starts_with("local\n  from the store"), "{keys}");
    let ended = sandbox.run(&["token", "mint", "--sub", "alice"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("those who sign in"), "{}", ended.err);
    assert!(!sandbox.path("state").exists(), "nothing is made");

    sandbox.write(
        "gateway.toml",
        &format!("{local}[store]\nurl = \"postgres://u@localhost/d\"\n"),
    );
    let place = "gateway.toml:1:1: error: [local_issuer] has no `encryption_key`";
    for command in ["check", "run"] {
        let ended = sandbox.run(&[command, "-c", "gateway.toml"]);
        assert_eq!(ended.code, Some(78), "{}", ended.err);
        assert!(ended.err.contains(place), "{}", ended.err);
    }
}
