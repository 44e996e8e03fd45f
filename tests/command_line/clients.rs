//! `client`: what is typed, what it prints, what it ends with, and that no secret is anywhere in the clear.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::process::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "gateway.toml",
        "[local_issuer]\nissuer = \"https://localhost:8443/auth\"\naudience = \"demo\"\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\n",
    );
    sandbox
}

fn clients(sandbox: &Sandbox) -> Vec<Value> {
    let list: Value =
        serde_json::from_str(&sandbox.ok(&["client", "list", "--json"])).expect("JSON");
    list["clients"].as_array().expect("an array").clone()
}

/// Everything that the state directory holds.
fn stored(sandbox: &Sandbox) -> Vec<u8> {
    let entries = std::fs::read_dir(sandbox.path("state")).expect("a directory");
    let files = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file());
    files
        .flat_map(|path| std::fs::read(path).expect("read"))
        .collect()
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_secret_is_shown_once_alone_and_never_kept() {
    let sandbox = sandbox();
    let added = sandbox.run(&[
        "client",
        "add",
        "billing",
        "--scope",
        "orders:read",
        "--scope",
        "a",
    ]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    let secret = added.out.strip_suffix('\n').expect("a line");
    assert_eq!(URL_SAFE_NO_PAD.decode(secret).expect("base64url").len(), 32);
    assert!(
        added.err.contains("client billing added") && !added.err.contains(secret),
        "{}",
        added.err
    );

    let again = sandbox.run(&["client", "rotate-secret", "billing"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let other = again.out.strip_suffix('\n').expect("a line");
    assert_eq!(other.len(), 43);
    assert_ne!(secret, other);
    assert!(
        again.err.contains("client billing has another secret"),
        "{}",
        again.err
    );
    sandbox.ok(&["client", "add", "phone", "--public"]);
    let first = sandbox.run(&["client", "rotate-secret", "phone"]);
    assert!(
        first.err.contains("client phone is public no more"),
        "{}",
        first.err
    );

    let all = stored(&sandbox);
    for secret in [secret, other] {
        let bytes = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
        assert!(!contains(&all, secret.as_bytes()) && !contains(&all, &bytes));
    }
    // What the store has is the digest of the text, which is what a client sends.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, other.as_bytes());
    assert!(contains(&all, digest.as_ref()));
    let shown = sandbox.ok(&["client", "list", "--json"]) + &sandbox.ok(&["client", "list"]);
    assert!(!shown.contains(secret) && !shown.contains(other), "{shown}");
}

#[test]
fn clients_are_listed_switched_and_written_down() {
    let sandbox = sandbox();
    sandbox.ok(&["client", "add", "billing", "--scope", "orders:read"]);
    let public = sandbox.run(&["client", "add", "app", "--public"]);
    assert_eq!((public.code, &*public.out), (Some(0), ""), "{}", public.err);
    assert_eq!(public.err, "client app added, without a secret\n");
    for (command, said) in [
        ("enable", "client billing is enabled already\n"),
        ("disable", "client billing is disabled\n"),
        ("disable", "client billing is disabled already\n"),
    ] {
        assert_eq!(sandbox.ok(&["client", command, "billing"]), said);
    }
    let all = clients(&sandbox);
    let short = |client: &Value| {
        json!([
            client["id"],
            client["public"],
            client["disabled"],
            client["scopes"]
        ])
    };
    assert_eq!(
        all.iter().map(short).collect::<Vec<_>>(),
        [
            json!(["app", true, false, []]),
            json!(["billing", false, true, ["orders:read"]])
        ]
    );
    let text = sandbox.ok(&["client", "list"]);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["ID", "STATE", "KIND", "SCOPES", "CREATED"]);
    assert_eq!(lines[1][..4], ["app", "enabled", "public", "-"]);
    assert_eq!(
        lines[2][..4],
        ["billing", "disabled", "secret", "orders:read"]
    );
    assert_eq!(
        sandbox.ok(&["client", "enable", "billing"]),
        "client billing is enabled\n"
    );
    let trail = sandbox.ok(&["audit"]);
    for action in ["client.added", "client.disabled", "client.enabled"] {
        assert!(trail.contains(action), "{trail}");
    }
}

#[test]
fn each_mistake_has_its_code_and_says_what_to_do() {
    let sandbox = sandbox();
    sandbox.ok(&["client", "add", "billing"]);
    let long = "a".repeat(256);
    let rows: [(&[&str], i32, &str); 11] = [
        (
            &["add", "billing"],
            1,
            "there is a client `billing` already",
        ),
        (&["add", "two words"], 2, "visible ASCII"),
        (&["add", ""], 2, "visible ASCII"),
        (&["add", &long], 2, "1 to 255"),
        (&["add", "Portcullis"], 2, "the gateway's own"),
        (&["add", "b", "--scope", "a b"], 2, "`a b`"),
        (&["disable", "other"], 1, "there is no client `other`"),
        (&["enable", "other"], 1, "there is no client `other`"),
        (&["rotate-secret", "other"], 1, "there is no client `other`"),
        (&["rotate-secret", "portcullis"], 2, "the gateway's own"),
        (&["disable", "portcullis"], 2, "the gateway's own"),
    ];
    for (arguments, code, said) in rows {
        let ended = sandbox.run(&[&["client"], arguments].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "no secret of a client that is not there");
    }
    assert_eq!(clients(&sandbox).len(), 1);
}
