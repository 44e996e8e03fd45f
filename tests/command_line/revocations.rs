//! `revoke` and `revoke list`, at the store.

use serde_json::Value;

use super::process::Sandbox;

/// Two issuers: tokens of `corp` live for an hour, of those of `other` nobody knows.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let issuer = |name: &str, more: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nissuer = \"https://{name}.example/\"\naudiences = [\"api\"]\n\
             algorithms = [\"EdDSA\"]\nkeys = {{ generate = \"EdDSA\" }}\n{more}\n"
        )
    };
    let text = [
        issuer("corp", "max_lifetime = \"1h\""),
        issuer("other", ""),
        "[store]\n[[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://127.0.0.1:9\"\nissuers = [\"corp\"]\n".to_owned(),
    ];
    sandbox.write("gateway.toml", &text.concat());
    sandbox
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let said = sandbox.ok(&["revoke", "list", "--json"]);
    let all: Value = serde_json::from_str(&said).expect("JSON");
    all["revocations"].as_array().expect("a list").clone()
}

#[test]
fn what_is_revoked_is_listed_until_it_is_taken_back() {
    let sandbox = sandbox();
    let said = sandbox.ok(&[
        "revoke", "--issuer", "corp", "--sub", "alice", "--before", "now",
    ]);
    assert!(
        said.starts_with("revoked: sub alice of https://corp.example/, issued until "),
        "{said}"
    );
    sandbox.ok(&["revoke", "--issuer", "https://other.example/", "--all"]);
    sandbox.ok(&[
        "revoke",
        "--issuer",
        "other",
        "--jti",
        "j",
        "--exp",
        "4102444800",
    ]);
    let all = listed(&sandbox);
    let shown: Vec<_> = all
        .iter()
        .map(|one| {
            (
                one["kind"].as_str(),
                one["value"].as_str(),
                one["until"].is_string(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some("sub"), Some("alice"), true),
            (Some("all"), Some(""), false),
            (Some("jti"), Some("j"), true),
        ]
    );
    assert!(
        sandbox
            .ok(&["revoke", "list"])
            .contains("https://corp.example/")
    );
    let back = ["revoke", "--issuer", "corp", "--sub", "alice", "--remove"];
    assert_eq!(
        sandbox.ok(&back),
        "taken back: sub alice of https://corp.example/\n"
    );
    assert_eq!(listed(&sandbox).len(), 2);
    let again = sandbox.run(&back);
    assert_eq!(again.code, Some(1));
    assert!(sandbox.ok(&["audit"]).contains("revocation.removed"));
}

/// Whoever has a key can sign with it as long as it is in the set.
#[test]
fn a_key_is_revoked_until_that_is_taken_back() {
    let sandbox = Sandbox::new();
    let text = "[local_issuer]\nissuer = \"https://localhost:8443/auth\"\naudience = \"demo\"\n[[routes]]\nname = \"all\"\n\
                path = \"/\"\nupstream = \"http://127.0.0.1:9\"\n";
    sandbox.write("gateway.toml", text);
    let said = sandbox.ok(&["revoke", "--kid", "k"]);
    assert!(
        said.ends_with("kept until it is taken back (--remove)\n"),
        "{said}"
    );
    sandbox.ok(&["revoke", "--kid", "k", "--until", "4102444800"]);
    sandbox.ok(&["revoke", "--kid", "l", "--until", "4102444800"]);
    for kind in ["--sub", "--client", "--sid", "--jti"] {
        sandbox.ok(&["revoke", kind, "a"]);
    }
    sandbox.ok(&["revoke", "--all", "--before", "now"]);
    let ends = |one: &Value| one["until"].is_string();
    let all = listed(&sandbox);
    let endless: Vec<_> = all.iter().filter(|one| !ends(one)).collect();
    assert_eq!(all.len(), 7);
    assert_eq!(endless.len(), 1, "{all:?}");
    assert_eq!(endless[0]["value"], "k");
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let sandbox = sandbox();
    for line in [
        "revoke",
        "revoke --sub alice",
        "revoke --issuer nobody --sub alice",
        "revoke --issuer corp --sub alice --jti 1",
        "revoke --issuer corp --sub alice --exp 5",
        "revoke --issuer corp --sub alice --before tomorrow",
        "revoke --issuer corp --sub alice --until 2020-01-01T00:00:00Z",
    ] {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let ended = sandbox.run(&arguments);
        assert_eq!(ended.code, Some(2), "{line}");
    }
    assert!(listed(&sandbox).is_empty());
}

#[test]
fn a_name_is_not_taken_for_the_subject_of_our_own_tokens() {
    let sandbox = sandbox();
    let gateway = std::fs::read_to_string(sandbox.path("gateway.toml")).expect("written");
    let local = "[local_issuer]\nissuer = \"http://localhost:8080/auth\"\naudience = \"demo\"\n";
    sandbox.write("gateway.toml", &format!("{local}{gateway}"));
    sandbox.ok(&["user", "add", "alice", "--no-password"]);
    let users: Value =
        serde_json::from_str(&sandbox.ok(&["user", "list", "--json"])).expect("JSON");
    let id = users["users"][0]["id"].as_str().expect("an id");
    let by_name = ["revoke", "--issuer", "local", "--sub", "Alice"];
    let ended = sandbox.run(&by_name);
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert!(ended.err.contains(&format!("--sub {id}")), "{}", ended.err);
    assert!(listed(&sandbox).is_empty());
    // The id itself, the name at another issuer, and a client of that name.
    sandbox.ok(&["revoke", "--issuer", "local", "--sub", id]);
    sandbox.ok(&["revoke", "--issuer", "corp", "--sub", "alice"]);
    sandbox.ok(&["client", "add", "alice"]);
    sandbox.ok(&["revoke", "--issuer", "local", "--sub", "alice"]);
    assert_eq!(listed(&sandbox).len(), 3);
}
