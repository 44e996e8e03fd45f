//! Upgrades: WebSocket over HTTP/1.1.

use std::sync::{Arc, Barrier};

use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::harness::process::wait_until;
use super::harness::tokens::{NOW, claims_with};
use super::harness::{
    Connection, GatewayBuilder, Request, Step, TestGateway, Upstream, alice, answer, mint,
};

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .route("/ws", "")
        .route("/open", "auth = \"none\"")
        .start()
}

pub(crate) fn handshake(path: &str) -> Request {
    Request::get(path)
        .field("Connection", "keep-alive, Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn upgraded(gateway: &TestGateway, request: &Request) -> WebSocket<Connection> {
    let mut connection = gateway.connect();
    let reply = connection.request(request);
    assert_eq!(reply.status, 101, "{reply:?}");
    assert_eq!(reply.field("upgrade"), Some("websocket"));
    // RFC 6455 §1.3 has this pair.
    assert_eq!(
        reply.field("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let first = connection.rest();
    WebSocket::from_partially_read(connection, first, Role::Client, None)
}

#[test]
fn messages_pass_both_ways() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = gateway(&upstream);
    let request = handshake("/ws/chat")
        .token(&alice())
        .field("X-Auth-Subject", "root");
    let mut socket = upgraded(&gateway, &request);
    let long = "x".repeat(200_000);
    for text in ["hello", "", &long] {
        socket.send(Message::text(text)).expect("sent");
        assert_eq!(socket.read().expect("a message"), Message::text(text));
    }
    let seen = upstream.only();
    assert_eq!(seen.like("x-auth-subject"), [b"alice"]);
    assert_eq!(seen.all("upgrade"), ["websocket"]);
    assert!(seen.all("authorization").is_empty());

    socket.close(None).expect("a close frame");
    let end = loop {
        if let Err(error) = socket.read() {
            break error;
        }
    };
    assert!(matches!(end, Error::ConnectionClosed), "{end}");
}

#[test]
fn an_upgrade_needs_a_token_like_any_request() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = gateway(&upstream);
    let reply = gateway.send(&handshake("/ws/chat"));
    assert_eq!(reply.reason(), "missing_token");
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_upstream_may_decline() {
    let upstream =
        Upstream::scripted(|_| vec![Step::Body, answer("426 Upgrade Required", "", "no")]);
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let reply = connection.request(&handshake("/open/x"));
    assert_eq!((reply.status, reply.text().as_str()), (426, "no"));
    assert_eq!(
        connection.request(&Request::get("/open/x")).status,
        426,
        "the connection goes on"
    );
}

/// Whether a message comes back.
fn echoes(socket: &mut WebSocket<Connection>) -> bool {
    socket.send(Message::text("x")).is_ok()
        && socket
            .read()
            .is_ok_and(|message| message == Message::text("x"))
}

#[test]
fn an_upgraded_connection_on_which_nothing_passes_is_closed() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = GatewayBuilder::new(&upstream)
        .route("/open", "auth = \"none\"")
        .limits(
            "upgrade_idle_timeout = \"300ms\"\nidle_timeout = \"50ms\"\nwrite_timeout = \"50ms\"",
        )
        .start();
    let mut socket = upgraded(&gateway, &handshake("/open/x"));
    assert!(echoes(&mut socket));
    assert!(socket.read().is_err(), "closed");
    let line = gateway.wait_for_line(|line| line["path"] == "/open/x");
    assert_eq!(line["status"], 101, "{line}");
}

#[test]
fn an_upgraded_connection_counts_as_one() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = GatewayBuilder::new(&upstream)
        .route("/open", "auth = \"none\"")
        .limits("connections = 1")
        .start();
    let mut socket = upgraded(&gateway, &handshake("/open/x"));
    assert!(echoes(&mut socket));
    assert_eq!(gateway.send(&handshake("/open/x")).status, 503);
    drop(socket);
    wait_until("there is room again", || {
        gateway.send(&handshake("/open/x")).status == 101
    });
}

/// A token that has a second left, with the leeway of 30 s.
fn ending() -> String {
    mint(&claims_with(json!({ "exp": NOW - 29 })))
}

#[test]
fn an_upgraded_connection_ends_with_its_token_unless_the_route_lets_it_live() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = GatewayBuilder::new(&upstream)
        .route("/ends", "")
        .route("/lives", "outlive_token = true")
        .start();
    let mut lives = upgraded(&gateway, &handshake("/lives").token(&ending()));
    let mut ends = upgraded(&gateway, &handshake("/ends").token(&ending()));
    let mut lasts = upgraded(&gateway, &handshake("/ends").token(&alice()));
    while echoes(&mut ends) {}
    assert!(echoes(&mut lives) && echoes(&mut lasts));
}

#[test]
fn a_stream_of_events_ends_with_its_token_and_a_download_does_not() {
    let barrier = Arc::new(Barrier::new(3));
    let at_upstream = Arc::clone(&barrier);
    let upstream = Upstream::scripted(move |request| {
        let events = request.target().starts_with("/events");
        let kind = if events {
            "Text/Event-Stream; charset=utf-8"
        } else {
            "application/octet-stream"
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n\
             6\r\ndata\n\n\r\n"
        );
        let mut steps = vec![Step::Body, Step::Send(head.into_bytes())];
        if request.target() == "/events" {
            steps.push(Step::UntilClosed);
        } else {
            steps.push(Step::Wait(Arc::clone(&at_upstream)));
            steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        }
        steps
    });
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "")
        .route("/events/for/ever", "outlive_token = true")
        .start();
    let mut others = ["/download", "/events/for/ever"].map(|path| {
        let mut connection = gateway.connect();
        connection.send(&Request::get(path).token(&ending()).bytes());
        connection.wait_for("data");
        connection
    });
    let events = gateway.send(&Request::get("/events").token(&ending()));
    assert_eq!((events.status, events.text().as_str()), (200, "data\n\n"));
    assert!(events.complete);
    barrier.wait();
    for connection in &mut others {
        let reply = connection.reply("GET").expect("an answer");
        assert_eq!((reply.text().as_str(), reply.complete), ("data\n\n", true));
    }
}

#[test]
fn a_101_that_nobody_asked_for_is_a_broken_answer() {
    let upstream = Upstream::scripted(|_| {
        let text =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        vec![
            Step::Body,
            Step::Send(text.as_bytes().to_vec()),
            Step::UntilClosed,
        ]
    });
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/open/x"));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_failed")
    );
}

#[test]
fn other_protocols_are_not_upgraded_to() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for request in [
        Request::get("/open/x")
            .field("Connection", "Upgrade, HTTP2-Settings")
            .field("Upgrade", "h2c")
            .field("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        Request::post("/open/x", "")
            .field("Connection", "Upgrade")
            .field("Upgrade", "websocket"),
    ] {
        upstream.forget();
        let reply = gateway.send(&request);
        assert_eq!(reply.status, 200, "{request:?}");
        let seen = upstream.only();
        assert!(seen.like("upgrade").is_empty() && seen.like("http2-settings").is_empty());
    }
}
