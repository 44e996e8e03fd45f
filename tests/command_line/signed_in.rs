//! What commands do to users, clients and sessions while a gateway runs on the same store: it learns of it by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::process::{Running, Sandbox, exchange, upstream, wait_until};

const PASSWORD: &str = "correct horse battery";

/// A gateway with a local issuer, and alice.
fn gateway() -> (Sandbox, Running) {
    let sandbox = Sandbox::new();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 2\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [local_issuer]\nissuer = \"http://localhost/auth\"\naudience = \"demo\"\n\
         [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"http://{}\"\n",
        upstream()
    );
    sandbox.write("gateway.toml", &config);
    set_password(
        &sandbox,
        &[
            "user",
            "add",
            "alice",
            "--scope",
            "read",
            "--password-stdin",
        ],
    );
    let running = sandbox.serve(&config);
    (sandbox, running)
}

fn set_password(sandbox: &Sandbox, arguments: &[&str]) {
    let mut command = sandbox.command(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(PASSWORD.as_bytes()).expect("written");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "{arguments:?}");
}

/// Sends a form to the issuer: the status, and the JSON of the answer.
fn post(running: &Running, path: &str, fields: &str, form: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(running.address()).expect("a connection");
    let length = form.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{fields}Connection: close\r\n\r\n{form}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let body = serde_json::from_str(body).unwrap_or_default();
    (status.expect("a status"), body)
}

fn token(answer: &(u16, Value)) -> String {
    let token = answer.1["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn sign_in(running: &Running) -> (u16, Value) {
    let form = format!("username=alice&password={}", PASSWORD.replace(' ', "+"));
    post(running, "/auth/login", "", &form)
}

fn call(running: &Running, token: &str) -> (u16, String) {
    let stream = TcpStream::connect(running.address()).expect("a connection");
    exchange(
        stream,
        "localhost",
        "/",
        &format!("Authorization: Bearer {token}\r\n"),
    )
}

/// The gateway polls, so it takes a moment.
fn is_refused_soon(running: &Running, token: &str) -> bool {
    let refused = wait_until(|| {
        let (status, answer) = call(running, token);
        (status == 401 && answer.contains("\"revoked\"")).then_some(())
    });
    refused.is_some()
}

#[test]
fn a_command_ends_sessions_and_their_tokens_in_a_running_gateway() {
    let (sandbox, running) = gateway();
    for arguments in [
        &["session", "end", "--user", "alice"][..],
        &["session", "end", "--all"],
        &["user", "disable", "alice"],
        &["user", "passwd", "alice", "--no-password"],
    ] {
        let tokens = sign_in(&running);
        let access = token(&tokens);
        assert_eq!(call(&running, &access).0, 200, "{arguments:?}");
        assert!(sandbox.ok(&["session", "list"]).contains(" alice "));
        sandbox.ok(arguments);
        assert!(is_refused_soon(&running, &access), "{arguments:?}");
        let refresh = tokens.1["refresh_token"].as_str().expect("one");
        let form = format!("grant_type=refresh_token&refresh_token={refresh}");
        let (status, answer) = post(&running, "/auth/token", "", &form);
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
        sandbox.ok(&["user", "enable", "alice"]);
        set_password(&sandbox, &["user", "passwd", "alice", "--password-stdin"]);
    }
    let trail = sandbox.ok(&["audit", "--user", "alice"]);
    assert!(
        trail.contains("session.started") && trail.contains("session.ended"),
        "{trail}"
    );
    assert!(!running.said().contains(PASSWORD));
}

#[test]
fn a_client_gets_tokens_by_its_secret_until_it_is_disabled() {
    let (sandbox, running) = gateway();
    let old = sandbox.ok(&["client", "add", "billing", "--scope", "orders:read"]);
    let new = sandbox.ok(&["client", "rotate-secret", "billing"]);
    let ask = |secret: &str| {
        let credentials = STANDARD.encode(format!("billing:{}", secret.trim()));
        let fields = format!("Authorization: Basic {credentials}\r\n");
        post(
            &running,
            "/auth/token",
            &fields,
            "grant_type=client_credentials",
        )
    };
    assert_eq!(ask(&old).1["error"], "invalid_client");
    let tokens = ask(&new);
    assert_eq!(tokens.1["scope"], "orders:read", "{tokens:?}");
    let access = token(&tokens);
    assert_eq!(call(&running, &access).0, 200);
    sandbox.ok(&["client", "disable", "billing"]);
    assert!(is_refused_soon(&running, &access));
    assert_eq!(ask(&new).1["error"], "invalid_client");
}
