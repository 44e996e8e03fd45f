//! Upgrades: WebSocket over HTTP/1.1.

use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::harness::{
    Connection, GatewayBuilder, Request, Step, TestGateway, Upstream, alice, answer,
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
