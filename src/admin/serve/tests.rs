use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::admin::routes::tests::state;
use crate::reload::testing::config;

use super::*;

/// A listener that is served while the task lives.
fn listening() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(state(config(), 0));
    (address, tokio::spawn(serve(listener, state)))
}

/// Everything that comes back until the connection closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn one_request_is_answered_and_the_connection_closes() {
    let (address, _task) = listening();
    let answer = exchange(
        address,
        &format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    let head = exchange(address, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn another_host_is_refused() {
    let (address, _task) = listening();
    let answer = exchange(
        address,
        "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("application/problem+json"));
    let answer = exchange(address, "GET /status HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 403 "), "{answer}");
}

#[tokio::test]
async fn large_heads_are_refused() {
    let (address, _task) = listening();
    let long = "x".repeat(HEAD_BYTES);
    let fields = "a: b\r\n".repeat(HEAD_FIELDS);
    for more in [format!("long: {long}\r\n"), fields] {
        let request = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        let answer = exchange(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

/// Whether a connection that has sent `request` is ended by the server.
async fn is_ended(timeouts: Timeouts, request: &str) -> bool {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(state(config(), 0));
    let _task = tokio::spawn(serve_within(timeouts, listener, state));
    let long = Duration::from_secs(10);
    timeout(long, exchange(address, request)).await.is_ok()
}

#[tokio::test]
async fn slow_connections_end() {
    let short = Duration::from_millis(50);
    let slow_head = Timeouts {
        head: short,
        ..TIMEOUTS
    };
    assert!(is_ended(slow_head, "").await);
    assert!(is_ended(slow_head, "GET /livez HTTP/1.1\r\nHost:").await);
    let slow_body = Timeouts {
        connection: short,
        ..TIMEOUTS
    };
    let head = "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    assert!(is_ended(slow_body, &format!("{head}Content-Length: 9\r\n\r\n{{")).await);
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_place() {
    let (address, _task) = listening();
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let waiting = tokio::spawn(exchange(address, request));
    sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    idle.pop();
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections() {
    let (address, task) = listening();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Served before it is cut: half a head.
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    task.abort();
    let mut rest = Vec::new();
    // An end, or a reset.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}
