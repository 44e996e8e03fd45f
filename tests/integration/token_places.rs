//! Tokens in other places, over real sockets: what the upstream sees byte for byte, and what the log says.

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use super::harness::{
    Connection, GatewayBuilder, Request, Step, TestGateway, Upstream, alice, answer, h2,
};
use super::websocket::handshake;

const PLACES: &str = "token_from = [{ header = \"X-Api-Token\" }, { cookie = \"sid\" }, \
                      { query = \"access_token\" }, { subprotocol = \"bearer\" }]";

fn builder(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream)
        .route("/api", PLACES)
        .route("/short", &format!("strip_prefix = true\n{PLACES}"))
        .route("/kept", &format!("forward_token = true\n{PLACES}"))
}

/// The same request with a token in each place that HTTP/2 has too.
fn requests(route: &str, token: &str) -> [Request; 3] {
    let target = format!("/{route}/x?a=%41&&b");
    [
        Request::get(&target)
            .field("X-Api-Token", token)
            .field("x_api_token", token),
        Request::get(&target).field("Cookie", format!("a=1; sid={token}; b=2")),
        Request::get(&format!("/{route}/x?a=%41&access_token={token}&&b")).field(
            "Referer",
            format!("https://gw.test/?access_token={token}&c"),
        ),
    ]
}

fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("a part")
}

/// That nothing which came to the upstream, byte for byte, and no line of the log holds the token.
fn assert_nowhere(upstream: &Upstream, gateway: &TestGateway, token: &str) {
    for raw in upstream.raw() {
        let text = String::from_utf8_lossy(&raw).into_owned();
        assert!(!text.contains(signature(token)), "{text}");
    }
    let log = gateway.log_text();
    assert!(!log.contains(signature(token)), "{log}");
}

#[test]
fn no_token_reaches_the_upstream_or_the_log() {
    let token = alice();
    for over_h2 in [false, true] {
        let upstream = Upstream::start();
        let gateway = if over_h2 {
            builder(&upstream).tls()
        } else {
            builder(&upstream)
        }
        .start();
        for (route, path) in [("api", "/api/x"), ("short", "/x")] {
            for request in requests(route, &token) {
                upstream.forget();
                let reply = if over_h2 {
                    h2::send(&gateway, &request)
                } else {
                    gateway.send(&request)
                };
                assert_eq!(reply.status, 200, "{reply:?}");
                let seen = upstream.only();
                assert_eq!(seen.request_line(), format!("GET {path}?a=%41&&b HTTP/1.1"));
                assert_eq!(seen.like("x-auth-subject"), [b"alice"]);
                assert!(seen.like("x-api-token").is_empty());
                let cookies = seen.all("cookie");
                assert!(cookies.is_empty() || cookies == ["a=1; b=2"], "{cookies:?}");
                gateway.log_of(&reply);
            }
        }
        assert_nowhere(&upstream, &gateway, &token);
    }
}

#[test]
fn forwarded_tokens_stay_where_they_are() {
    let token = alice();
    let upstream = Upstream::start();
    let gateway = builder(&upstream).start();
    for request in requests("kept", &token) {
        upstream.forget();
        let reply = gateway.send(&request);
        assert_eq!(reply.status, 200, "{reply:?}");
        let seen = upstream.only();
        assert_eq!(
            seen.request_line(),
            format!("GET {} HTTP/1.1", request.target)
        );
        let own = seen.like("x-api-token");
        assert!(own.len() <= 1, "no other spelling: {own:?}");
        gateway.log_of(&reply);
    }
    assert!(!gateway.log_text().contains(signature(&token)));
}

#[test]
fn no_refusal_and_no_fault_repeats_a_token() {
    let token = alice();
    let broken = Upstream::scripted(|_| vec![Step::Close]);
    let gateway = builder(&broken).start();
    for request in requests("api", &token) {
        let reply = gateway.send(&request);
        assert_eq!(reply.status, 502, "{reply:?}");
        assert!(!format!("{reply:?}").contains(signature(&token)));
        gateway.log_of(&reply);
        let second = request.field("Authorization", format!("Bearer {token}"));
        let reply = gateway.send(&second);
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (400, "malformed_credentials")
        );
        assert!(!format!("{reply:?}").contains(signature(&token)));
        gateway.log_of(&reply);
    }
    let cross = Request::post("/api/x", "").field("Cookie", format!("sid={token}"));
    assert_eq!(gateway.send(&cross).reason(), "cross_origin");
    let own = cross.field("Origin", "http://gw.test");
    assert_eq!(gateway.send(&own).status, 502, "it reached the upstream");
    assert_nowhere(&broken, &gateway, &token);
}

#[test]
fn trailers_bring_no_token() {
    let token = alice();
    let upstream = Upstream::start();
    let gateway = builder(&upstream).start();
    let mut connection = gateway.connect();
    connection.send(
        format!(
            "POST /api/echo HTTP/1.1\r\nHost: gw.test\r\nX-Api-Token: {token}\r\n\
             TE: trailers\r\nTrailer: X-Api-Token, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX_Api_Token: {token}\r\nX-Api-Token: {token}\r\nX-Sum: 1\r\n\r\n"
        )
        .as_bytes(),
    );
    let reply = connection.reply("POST").expect("an answer");
    assert_eq!(reply.status, 200, "{reply:?}");
    let names: Vec<String> = upstream
        .only()
        .trailers
        .into_iter()
        .map(|field| field.0)
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_nowhere(&upstream, &gateway, &token);
}

/// The subprotocol that the answer to a handshake selects, and the list that the upstream got.
fn handshaken(
    gateway: &TestGateway,
    upstream: &Upstream,
    offered: &str,
) -> (Option<String>, Vec<String>) {
    upstream.forget();
    let mut connection: Connection = gateway.connect();
    let request = handshake("/api/ws").field("Sec-WebSocket-Protocol", offered);
    let reply = connection.request(&request);
    assert_eq!(reply.status, 101, "{reply:?}");
    let selected = reply.field("sec-websocket-protocol").map(str::to_owned);
    let first = connection.rest();
    let mut socket = WebSocket::from_partially_read(connection, first, Role::Client, None);
    socket.send(Message::text("x")).expect("sent");
    assert_eq!(socket.read().expect("a message"), Message::text("x"));
    let list = upstream.only();
    assert_eq!(list.like("x-auth-subject"), [b"alice"]);
    let list = list.all("sec-websocket-protocol");
    (selected, list)
}

#[test]
fn a_browser_is_answered_with_a_subprotocol_that_it_offered() {
    let token = alice();
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = builder(&upstream).start();
    let (selected, list) = handshaken(&gateway, &upstream, &format!("bearer, {token}"));
    assert_eq!(selected.as_deref(), Some("bearer"));
    assert!(list.is_empty(), "{list:?}");
    let (selected, list) = handshaken(&gateway, &upstream, &format!("chat, bearer,{token}, x"));
    assert_eq!(
        selected.as_deref(),
        Some("bearer"),
        "the upstream selected none"
    );
    assert_eq!(list, ["chat, x"]);
    assert_nowhere(&upstream, &gateway, &token);
}

#[test]
fn what_the_upstream_selects_stays_selected() {
    let token = alice();
    let upstream = Upstream::scripted(|_| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
        vec![Step::Send(head.as_bytes().to_vec()), Step::Close]
    });
    let gateway = builder(&upstream).start();
    let request =
        handshake("/api/ws").field("Sec-WebSocket-Protocol", format!("bearer, {token}, chat"));
    let mut connection = gateway.connect();
    // Its mark is missing, so it is not looked at as an upstream's answer.
    let reply = connection.unchecked(&request);
    assert_eq!(reply.status, 101, "{reply:?}");
    assert_eq!(reply.all("sec-websocket-protocol"), ["chat"]);
    assert_nowhere(&upstream, &gateway, &token);
}

#[test]
fn a_handshake_that_is_declined_shows_no_token_either() {
    let token = alice();
    let upstream =
        Upstream::scripted(|_| vec![Step::Body, answer("426 Upgrade Required", "", "no")]);
    let gateway = builder(&upstream).start();
    let request = handshake("/api/ws").field("Sec-WebSocket-Protocol", format!("bearer, {token}"));
    let reply = gateway.send(&request);
    assert_eq!(
        (reply.status, reply.field("sec-websocket-protocol")),
        (426, None)
    );
    assert_nowhere(&upstream, &gateway, &token);
}
