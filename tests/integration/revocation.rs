//! What was revoked is refused, wherever it was known before; what goes on with it ends.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use super::harness::tokens::{NOW, claims_with};
use super::harness::{
    Connection, GatewayBuilder, Request, Step, TestGateway, Upstream, alice, h2, mint,
};
use super::websocket::handshake;

/// A gateway with a store.
fn builder(upstream: &Upstream, store: &str) -> GatewayBuilder {
    let store = format!("\n[store]\nurl = \"sqlite:revocations.db\"\n{store}");
    GatewayBuilder::new(upstream).limits(&store)
}

fn post(gateway: &TestGateway, json: &str) {
    let reply = gateway.admin_post_json("/revocations", json);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let done: serde_json::Value = reply.json();
    assert_eq!(done["in_force"], true, "{done}");
}

fn bob() -> String {
    mint(&claims_with(json!({ "sub": "bob" })))
}

#[test]
fn a_known_token_is_refused_at_once_on_every_worker_and_connection() {
    let upstream = Upstream::start();
    let gateway = builder(&upstream, "").route("/", "").workers(3).start();
    let (alice, bob) = (
        Request::get("/a").token(&alice()),
        Request::get("/a").token(&bob()),
    );
    // Some at each worker, each with the token in its cache.
    let mut connections: Vec<Connection> = (0..24).map(|_| gateway.connect()).collect();
    for connection in &mut connections {
        assert_eq!(connection.request(&alice).status, 200);
    }
    post(&gateway, r#"{"sub":"alice"}"#);
    for connection in &mut connections {
        let reply = connection.request(&alice);
        assert_eq!(reply.status, 401, "{reply:?}");
        assert_eq!(reply.reason(), "revoked");
        assert_eq!(connection.request(&bob).status, 200);
    }
    post(&gateway, r#"{"sub":"alice","remove":true}"#);
    for connection in &mut connections {
        assert_eq!(connection.request(&alice).status, 200);
    }
}

#[test]
fn a_known_token_is_refused_on_an_open_http2_connection() {
    let upstream = Upstream::start();
    let gateway = builder(&upstream, "").route("/", "").tls().start();
    let request = Request::get("/a").token(&alice());
    let mut session = h2::Session::open(gateway.address());
    assert_eq!(session.request(&request).status, 200);
    post(&gateway, &format!(r#"{{"all":true,"before":{NOW}}}"#));
    assert_eq!(session.request(&request).status, 401);
    let newer = mint(&claims_with(json!({ "iat": NOW + 1 })));
    assert_eq!(
        session.request(&Request::get("/a").token(&newer)).status,
        200
    );
}

#[test]
fn revocations_outlive_the_process_and_the_store_but_not_for_long() {
    let upstream = Upstream::start();
    let gateway = builder(&upstream, "")
        .route("/", "")
        .route("/open", "auth = \"none\"");
    let gateway = gateway.start();
    let (alice, bob) = (
        Request::get("/a").token(&alice()),
        Request::get("/a").token(&bob()),
    );
    post(&gateway, r#"{"sub":"alice"}"#);
    let gateway = gateway.restart(|_| {});
    assert_eq!(gateway.send(&alice).status, 401);
    assert_eq!(gateway.send(&bob).status, 200);
    // The copy on disk was written a moment after the change.
    let copied = |directory: &Path| directory.join("state/revocations").exists();
    let gateway = gateway.restart(|directory| {
        assert!(copied(directory));
        break_store(directory);
    });
    assert_eq!(gateway.send(&alice).status, 401);
    assert_eq!(gateway.send(&bob).status, 200);
    gateway.advance(600);
    let reply = gateway.send(&bob);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (503, "revocation_unavailable")
    );
    assert_eq!(gateway.send(&Request::get("/open")).status, 200);
    assert_eq!(gateway.admin("/readyz").status, 503);
}

/// Puts a directory in the place of the file.
fn break_store(directory: &Path) {
    for file in ["revocations.db", "revocations.db-wal", "revocations.db-shm"] {
        let _ = std::fs::remove_file(directory.join("state").join(file));
    }
    std::fs::create_dir(directory.join("state/revocations.db")).expect("made");
}

#[test]
fn without_list_and_copy_no_token_is_admitted_unless_the_configuration_says_so() {
    let upstream = Upstream::start();
    let bob = Request::get("/a").token(&bob());
    for (fail, status, ready) in [("closed", 503, 503), ("open", 200, 200)] {
        let gateway = builder(&upstream, &format!("fail = \"{fail}\""))
            .route("/", "")
            .start();
        let gateway = gateway.restart(|directory| {
            break_store(directory);
            let _ = std::fs::remove_file(directory.join("state/revocations"));
        });
        assert_eq!(gateway.send(&bob).status, status, "{fail}");
        let readyz = gateway.admin("/readyz");
        assert_eq!(readyz.status, ready, "{fail}");
        assert!(
            readyz.text().contains("] revocations: "),
            "{}",
            readyz.text()
        );
    }
}

fn upgraded(gateway: &TestGateway, request: &Request) -> WebSocket<Connection> {
    let mut connection = gateway.connect();
    assert_eq!(connection.request(request).status, 101);
    let first = connection.rest();
    WebSocket::from_partially_read(connection, first, Role::Client, None)
}

fn echoes(socket: &mut WebSocket<Connection>) -> bool {
    socket.send(Message::text("x")).is_ok() && socket.read().is_ok()
}

#[test]
fn an_upgraded_connection_ends_when_its_token_is_revoked() {
    let upstream = Upstream::scripted(|_| vec![Step::WebSocket]);
    let gateway = builder(&upstream, "")
        .route("/ends", "")
        .route("/lives", "outlive_token = true")
        .start();
    let mut ends = upgraded(&gateway, &handshake("/ends").token(&alice()));
    let mut others = [
        upgraded(&gateway, &handshake("/ends").token(&bob())),
        upgraded(&gateway, &handshake("/lives").token(&alice())),
    ];
    assert!(echoes(&mut ends));
    post(&gateway, r#"{"sub":"alice"}"#);
    let began = Instant::now();
    while echoes(&mut ends) {
        assert!(began.elapsed() < Duration::from_secs(30), "it never ends");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(others.iter_mut().all(echoes));
}

#[test]
fn a_stream_of_events_ends_when_its_token_is_revoked() {
    let barrier = Arc::new(Barrier::new(2));
    let at_upstream = Arc::clone(&barrier);
    let upstream = Upstream::scripted(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Up: 1\r\n\
                    Transfer-Encoding: chunked\r\n\r\n6\r\ndata\n\n\r\n";
        let head = head.as_bytes().to_vec();
        vec![
            Step::Body,
            Step::Send(head),
            Step::Wait(Arc::clone(&at_upstream)),
            Step::UntilClosed,
        ]
    });
    let gateway = builder(&upstream, "").route("/", "").start();
    let mut connection = gateway.connect();
    connection.send(&Request::get("/events").token(&alice()).bytes());
    connection.wait_for("data");
    barrier.wait();
    post(&gateway, r#"{"sub":"alice"}"#);
    let reply = connection.reply("GET").expect("an answer");
    assert_eq!((reply.text().as_str(), reply.complete), ("data\n\n", true));
}
