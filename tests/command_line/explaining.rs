//! `explain`: offline, and by the gateway that runs.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::process::{Sandbox, repository};

const CONFIG: &str = r#"
[server]
listen = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[[issuers]]
name = "corp"
issuer = "https://corp.example/"
audiences = ["api"]
algorithms = ["EdDSA"]
keys = { generate = "EdDSA" }
[[routes]]
name = "orders"
path = "/orders"
upstream = "http://127.0.0.1:9"
scopes = ["orders:read"]
[claim_headers]
"X-Auth-Subject" = "sub"
"#;

const URL: &str = "https://api.example.com/orders/1";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("gateway.toml", CONFIG);
    sandbox
}

fn token(sandbox: &Sandbox, scope: &str) -> String {
    let token = sandbox.ok(&["token", "mint", "--sub", "alice", "--scope", scope]);
    token.trim().to_owned()
}

#[test]
fn what_is_admitted_is_0_and_what_is_refused_3() {
    let sandbox = sandbox();
    let good = token(&sandbox, "orders:read");
    let said = sandbox.ok(&["explain", URL, &good]);
    assert!(said.contains("admitted by route orders"), "{said}");
    assert!(said.contains("\n  x-auth-subject: alice\n"), "{said}");
    assert!(!said.contains(&good) && !said.contains('\u{1b}'), "{said}");
    let poor = token(&sandbox, "orders:list");
    for (arguments, reason) in [
        (vec!["explain", URL, &*poor], "403 insufficient_scope"),
        (
            vec!["explain", URL, &*good, "--at", "2100-01-01T00:00:00Z"],
            "401 expired",
        ),
        (vec!["explain", URL], "401 missing_token"),
        (
            vec!["explain", URL, &*good, "-H", "Authorization: Basic YQ=="],
            "400 malformed_credentials",
        ),
        (
            vec!["explain", "https://api.example.com/else", &*good],
            "404 no_route",
        ),
        (
            vec!["explain", "-X", "TRACE", URL, &*good],
            "501 not_implemented",
        ),
    ] {
        let ended = sandbox.run(&arguments);
        assert_eq!(ended.code, Some(3), "{arguments:?}: {}", ended.err);
        assert!(
            ended.out.contains(&format!("refused: {reason}")),
            "{}",
            ended.out
        );
    }
}

#[test]
fn a_token_comes_from_a_file_or_from_standard_input_as_people_paste_it() {
    let sandbox = sandbox();
    let good = token(&sandbox, "orders:read");
    sandbox.write("token", &format!("Authorization: Bearer {good}\n"));
    sandbox.ok(&["explain", URL, "@token"]);
    let mut child = sandbox
        .command(&["explain", URL, "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was built");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(good.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let explained: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(explained["verdict"]["verdict"], "admitted", "{explained}");
}

#[test]
fn what_is_no_request_is_2_and_named() {
    let sandbox = sandbox();
    for (arguments, says) in [
        (vec!["explain", "/orders"], "write the whole URL"),
        (
            vec!["explain", "ftp://api.example.com/"],
            "write the whole URL",
        ),
        (
            vec!["explain", "https://a:b@api.example.com/"],
            "a user or password",
        ),
        (vec!["explain", "-X", "G T", URL], "is no method"),
        (vec!["explain", URL, "-H", "no colon"], "NAME: VALUE"),
        (vec!["explain", URL, "-H", "no name: x"], "is no field"),
        (vec!["explain"], "<URL>"),
    ] {
        let ended = sandbox.run(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    let ended = sandbox.run(&["explain", URL, "@nowhere"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("nowhere"), "{}", ended.err);
    sandbox.write("gateway.toml", "[server]\nlisten = 5\n");
    assert_eq!(sandbox.run(&["explain", URL]).code, Some(78));
}

#[test]
fn certificates_need_not_be_there() {
    let sandbox = Sandbox::new();
    let tls = "tls = { cert = \"gone.pem\", key = \"gone.key\" }";
    sandbox.write(
        "gateway.toml",
        &CONFIG.replace("[admin]", &format!("{tls}\n[admin]")),
    );
    let good = token(&sandbox, "orders:read");
    sandbox.ok(&["explain", URL, &good]);
}

#[test]
fn the_gateway_that_runs_explains_by_what_it_has_in_force() {
    let sandbox = Sandbox::new();
    let gateway = sandbox.serve(CONFIG);
    let admin = gateway.admin_url();
    let good = token(&sandbox, "orders:read");
    let live = sandbox.ok(&[
        "explain",
        URL,
        &good,
        "--admin",
        &admin,
        "-H",
        "X-Auth-Subject: eve",
    ]);
    assert!(live.contains("removed  x-auth-subject"), "{live}");
    let offline = sandbox.ok(&["explain", URL, &good, "-H", "X-Auth-Subject: eve"]);
    let without_time = |text: &str| {
        text.lines()
            .skip(2)
            .filter(|it| !it.contains("Z, "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_time(&live), without_time(&offline));
    // The file changes, and what runs does not until it is reloaded.
    sandbox.replace(
        "gateway.toml",
        &CONFIG.replace("orders:read", "orders:write"),
    );
    assert_eq!(sandbox.run(&["explain", URL, &good]).code, Some(3));
    let broken = sandbox.run(&["explain", "/orders", "--admin", &admin]);
    assert_eq!(broken.code, Some(2), "{}", broken.err);
    assert!(broken.err.contains("write the whole URL"), "{}", broken.err);
}

#[test]
fn the_fixture_explains_a_token_of_nobody() {
    let fixture = repository().join("tests/fixtures/gateway.toml");
    let fixture = fixture.to_str().expect("UTF-8");
    let ended = Sandbox::new().run(&[
        "explain",
        "-c",
        fixture,
        "-X",
        "GET",
        "https://api.example.com/orders",
        "a.b.c",
    ]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(
        ended.out.contains("refused: 401 malformed"),
        "{}",
        ended.out
    );
}
