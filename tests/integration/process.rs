//! What only a whole process shows: signals, open files, and logs that nobody reads.

use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use super::harness::process::{Launch, wait_until};
use super::harness::tokens::claims_with;
use super::harness::{Connection, GatewayBuilder, Request, Step, Upstream, answer, mint};
use super::websocket::handshake;

/// A good token by the clock of the system.
fn token() -> String {
    mint(&claims_with(json!({ "exp": 4_000_000_000_i64 })))
}

/// Waits at `/wait` for the barrier, speaks WebSocket at `/ws`.
fn waiting(barrier: &Arc<Barrier>) -> Upstream {
    let barrier = Arc::clone(barrier);
    Upstream::scripted(move |request| match request.target().as_str() {
        "/wait" => vec![
            Step::Body,
            Step::Wait(Arc::clone(&barrier)),
            answer("200 OK", "", "at last"),
        ],
        "/ws" => vec![Step::WebSocket],
        _ => vec![Step::Body, answer("200 OK", "", "ok")],
    })
}

fn open(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream).route("/", "auth = \"none\"")
}

#[test]
fn a_drain_goes_step_by_step() {
    let barrier = Arc::new(Barrier::new(2));
    let upstream = waiting(&barrier);
    let gateway = open(&upstream)
        .limits("drain_delay = \"3s\"")
        .start_process(Launch::default());
    let mut busy = gateway.connect();
    busy.send(&Request::get("/wait").bytes());
    upstream.wait(|requests| requests.len() == 1);
    let mut socket = gateway.connect();
    assert_eq!(socket.request(&handshake("/ws")).status, 101);
    let first = socket.rest();
    let mut socket = WebSocket::from_partially_read(socket, first, Role::Client, None);
    assert_eq!(gateway.admin("/readyz").status, 200);

    gateway.signal(Signal::TERM);
    wait_until("readyz says no", || gateway.admin("/readyz").status == 503);
    assert!(gateway.admin("/readyz").text().contains("draining"));
    assert_eq!(gateway.admin("/livez").status, 200);
    let late = gateway.send(&Request::get("/x"));
    assert_eq!((late.status, late.all("connection")), (200, vec!["close"]));

    wait_until("nobody listens", || {
        TcpStream::connect(gateway.address()).is_err()
    });
    assert_eq!(gateway.admin("/readyz").status, 503, "the operator sees it");
    socket.send(Message::text("still here")).expect("sent");
    assert_eq!(
        socket.read().expect("sent back"),
        Message::text("still here")
    );
    barrier.wait();
    let reply = busy.reply("GET").expect("an answer");
    assert_eq!((reply.status, reply.text().as_str()), (200, "at last"));
    socket.close(None).expect("a close frame");
    while socket.read().is_ok() {}
    drop(socket);

    let (status, lines, errors) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(errors.contains("\"connections_cut_off\":0"), "{errors}");
    assert_eq!(
        lines.lines().count(),
        3,
        "each request has its line: {lines}"
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let barrier = Arc::new(Barrier::new(2));
    let upstream = waiting(&barrier);
    let gateway = open(&upstream)
        .limits("drain_timeout = \"1h\"")
        .start_process(Launch::default());
    let mut busy = gateway.connect();
    busy.send(&Request::get("/wait").bytes());
    upstream.wait(|requests| requests.len() == 1);
    gateway.signal(Signal::INT);
    wait_until("readyz says no", || gateway.admin("/readyz").status == 503);
    gateway.signal(Signal::TERM);
    let (status, lines, errors) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(lines.contains("\"status\":499"), "it is recorded: {lines}");
    assert!(busy.is_closed());
    barrier.wait();
}

#[test]
fn the_limit_on_open_files_is_raised() {
    let upstream = Upstream::start();
    let gateway = open(&upstream).start_process(Launch {
        files: Some((100, 300)),
        ..Launch::default()
    });
    let most = gateway.metric("process_max_fds");
    assert!((most - 300.0).abs() < 0.5, "{most}");
}

#[test]
fn without_a_free_descriptor_nothing_spins_and_all_comes_back() {
    let upstream = Upstream::start();
    let gateway = open(&upstream).start_process(Launch {
        files: Some((80, 80)),
        ..Launch::default()
    });
    let began = Instant::now();
    let many: Vec<Connection> = (0..120).map(|_| gateway.connect()).collect();
    let complaints = |text: &str| text.matches("cannot accept connections").count();
    wait_until("files run out", || complaints(&gateway.errors()) >= 5);
    for path in [
        "/livez", "/readyz", "/metrics", "/status", "/livez", "/livez",
    ] {
        assert_eq!(
            gateway.admin(path).status,
            200,
            "the operator is let in: {path}"
        );
    }
    let count = complaints(&gateway.errors());
    // One each 100 ms.
    let most = began.elapsed().as_millis() / 100 + 1;
    assert!(count as u128 <= most, "{count} complaints, at most {most}");
    drop(many);
    assert_eq!(gateway.send(&Request::get("/x")).status, 200);
}

#[test]
fn a_log_that_nobody_reads_blocks_no_request() {
    let upstream = Upstream::start();
    let gateway = open(&upstream).start_process(Launch {
        rust_log: Some("trace"),
        stdout_is_stuck: true,
        stderr_is_stuck: true,
        ..Launch::default()
    });
    let path = format!("/{}", "x".repeat(2000));
    let mut connection = gateway.connect();
    // More than the pipe, the queue and a batch hold.
    for _ in 0..1000 {
        assert_eq!(connection.request(&Request::get(&path)).status, 200);
    }
    wait_until("lines are dropped", || {
        gateway.metric("portcullis_access_log_dropped_total") > 0.0
    });
    assert_eq!(gateway.admin("/livez").status, 200);
    drop(connection);
    gateway.signal(Signal::TERM);
    let (status, ..) = gateway.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn every_line_has_what_an_operator_looks_for() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "")
        .start_process(Launch::default());
    let admitted = gateway.send(&Request::post("/echo?q=hidden", "12345").token(&token()));
    assert_eq!(admitted.status, 200);
    let refused = gateway.send(&Request::get("/x"));
    assert_eq!(refused.status, 401);
    gateway.signal(Signal::TERM);
    let (_, lines, _) = gateway.wait();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("standard output is no terminal: JSON"))
        .collect();
    let line = |reply: &super::harness::Reply| {
        let id = reply.field("x-request-id");
        let of = |line: &&Value| line["request_id"].as_str() == id;
        lines.iter().find(of).expect("its line")
    };
    let line_of = line(&admitted);
    for (name, value) in [
        ("client", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("host", json!("gw.test")),
        ("path", json!("/echo")),
        ("route", json!("route-1")),
        ("status", json!(200)),
        ("reason", Value::Null),
        ("issuer", json!("corp")),
        ("subject", json!("alice")),
        ("bytes_in", json!(5)),
        ("bytes_out", json!(5)),
        ("version", json!("1.1")),
        ("tls", json!(false)),
    ] {
        assert_eq!(line_of[name], value, "{name} in {line_of}");
    }
    for name in ["duration_seconds", "upstream_seconds"] {
        assert!(
            line_of[name].as_f64().is_some_and(|value| value > 0.0),
            "{line_of}"
        );
    }
    let time = line_of["time"].as_str().expect("a time");
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(line(&refused)["reason"], "missing_token");
}

/// What is in no log either, although it is no token: credentials of other kinds, and fields that claim to be ours.
const SECRET: &str = "c4n4ry-0123456789-c4n4ry";

/// Requests that hold a token, or what a client took for one, wherever it may stand.
fn with_secrets(token: &str) -> Vec<Request> {
    let payload = token.split('.').nth(1).expect("claims");
    let cut = token[..token.len() - 9].to_owned();
    let bearer = |token: &str| format!("Bearer {token}");
    let secret = SECRET;
    vec![
        Request::get("/x").token(token),
        Request::get("/forwarded").token(token),
        Request::get("/x").token(&cut),
        Request::get("/x").token(payload),
        Request::get("/x").field("Authorization", format!("{token}, {token}")),
        Request::get("/x")
            .field("Authorization", bearer(token))
            .token(token),
        Request::get("/x").field("Authorization", format!("Basic {secret}")),
        Request::get("/x").field("Authorization", format!("Bearer {secret} {secret}")),
        Request::get("/x")
            .field("Cookie", format!("session={secret}"))
            .token(token),
        Request::get(&format!("/x?access_token={secret}")).token(token),
        Request::get("/x")
            .field("X-Auth-Subject", secret)
            .token(token),
        Request::get("/x")
            .field("Connection", "Authorization")
            .token(token),
        Request::post("/echo", bearer(token)).token(token),
    ]
}

#[test]
fn no_token_is_in_any_log_at_any_level() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "")
        .route("/forwarded", "forward_token = true")
        .tls()
        .start_process(Launch {
            rust_log: Some("trace"),
            ..Launch::default()
        });
    let token = token();
    let requests = with_secrets(&token);
    for request in &requests {
        Connection::open_tls(gateway.address()).request(request);
        super::harness::h2::send_to(gateway.address(), request);
    }
    // Never a request: the head is broken, or its end never comes.
    for end in ["\r\nBroken Field: x\r\n\r\n", "\0\r\n\r\n", ""] {
        let mut connection = Connection::open_tls(gateway.address());
        connection.send(format!("GET / HTTP/1.1\r\nAuthorization: Bearer {token}{end}").as_bytes());
        if !end.is_empty() {
            while !connection.is_closed() {
                connection.rest();
            }
        }
    }
    gateway.signal(Signal::TERM);
    let (status, lines, errors) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(lines.lines().count() >= 2 * requests.len(), "{lines}");
    assert!(
        errors.contains("\"level\":\"DEBUG\""),
        "libraries speak: {errors}"
    );
    for text in [&lines, &errors] {
        for hidden in token.split('.').chain([SECRET]) {
            for part in [&hidden[..20], &hidden[hidden.len() - 20..]] {
                if let Some(at) = text.find(part) {
                    let from = text[..at].rfind('\n').unwrap_or(0);
                    panic!("{part} is in a log: {}", &text[from..at + 20]);
                }
            }
        }
    }
}
