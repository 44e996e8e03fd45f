//! Connections that rest: cheap, and nobody can tell.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// Bytes that this step gives back to the heap, or takes of it.
fn heap(runtime: &LocalRuntime, step: impl Future<Output = ()>) -> i64 {
    allocation_counter::measure(|| runtime.block_on(step)).bytes_current
}

/// A server of which one request was answered.
async fn used(limits: Limits) -> (Server, TcpStream) {
    let (server, mut client) = Server::start(Protocol::Http1, limits).await;
    ask(&mut client, "/a").await;
    (server, client)
}

/// The same, at rest for a second.
async fn resting(limits: Limits) -> (Server, TcpStream) {
    let (server, client) = used(limits).await;
    server.at(SECOND * 2).await;
    server.at(SECOND * 3).await;
    (server, client)
}

async fn ask(client: &mut TcpStream, target: &str) {
    client.write_all(&get(target)).await.unwrap();
    let text = response(client, target).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

#[test]
fn an_idle_connection_gives_its_buffers_back() {
    let runtime = runtime();
    let (server, mut client) = runtime.block_on(used(limits()));
    let early = heap(&runtime, server.at(SECOND));
    assert!(early.abs() < 1024, "not yet: {early}");
    let rests = heap(&runtime, server.at(SECOND * 2));
    assert!(rests < -BUFFERS, "{rests}");
    let wakes = heap(&runtime, ask(&mut client, "/b"));
    assert!(wakes > BUFFERS, "{wakes}");
    let rests = heap(&runtime, server.at(SECOND * 4));
    assert!(rests < -BUFFERS, "again: {rests}");
}

/// What hyper holds for a connection, at least.
const BUFFERS: i64 = 8 * 1024;

#[test]
fn a_connection_that_has_something_left_does_not_rest() {
    let chunks = b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n";
    let early = b"POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        (
            "of a body that nobody has read yet",
            [&early[..], chunks].concat(),
            true,
        ),
        (
            "of a next head",
            [&get("/early")[..], b"GET"].concat(),
            false,
        ),
        (
            "of a next empty line",
            [&get("/early")[..], b"\r"].concat(),
            false,
        ),
        ("which is a first request", b"".to_vec(), false),
        ("which is an answer", get("/wait"), false),
    ];
    for (what, bytes, has_body) in cases {
        let runtime = runtime();
        let (server, mut client) = runtime.block_on(Server::start(Protocol::Http1, limits()));
        runtime.block_on(async {
            client.write_all(&bytes).await.unwrap();
            server.settle().await;
        });
        for second in [2, 4, 6] {
            let change = heap(&runtime, server.at(SECOND * second));
            assert!(change > -BUFFERS, "{what}: {change}");
        }
        if has_body {
            runtime.block_on(async {
                server.go.notify_one();
                server.settle().await;
                server.go.notified().await;
            });
            // At last it may.
            let change = heap(&runtime, server.at(SECOND * 8));
            assert!(change < -BUFFERS, "{what}: {change}");
        }
    }
}

#[test]
fn limits_hold_for_a_connection_at_rest() {
    run(async {
        let limits = Limits {
            idle_timeout: SECOND * 20,
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = resting(limits.clone()).await;
        server.at(SECOND * 20).await;
        assert!(server.is_open());
        server.at(SECOND * 21).await;
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()), "idle for too long");

        let (server, mut client) = resting(limits).await;
        client.write_all(b"GET /a").await.unwrap();
        server.at(SECOND * 12).await;
        assert!(server.is_open());
        server.at(SECOND * 14).await;
        let text = to_end(&mut client).await;
        assert!(text.starts_with("HTTP/1.1 408 "), "a slow head: {text}");
    });
    run(async {
        let limits = Limits {
            connection_age: Some(SECOND * 60),
            ..limits()
        };
        let (server, mut client) = resting(limits).await;
        server.at(SECOND * 59).await;
        assert!(server.is_open());
        server.at(SECOND * 61).await;
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()), "too old");
    });
}

#[test]
fn a_connection_at_rest_is_closed_at_once_by_the_drain_and_by_its_client() {
    run(async {
        let (server, mut client) = resting(limits()).await;
        server.stage(Stage::Delay).await;
        assert!(server.is_open(), "a request may be on its way");
        server.stage(Stage::Draining).await;
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()), "drain");

        let (server, client) = resting(limits()).await;
        drop(client);
        assert_eq!(server.ended.await.unwrap(), Ok(()), "closed");

        let (server, mut client) = resting(limits()).await;
        client.shutdown().await.unwrap();
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()), "half closed");

        let (server, client) = resting(limits()).await;
        client.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(server.ended.await.unwrap(), Ok(()), "reset");
    });
}

#[test]
fn the_framing_check_goes_on_after_rest() {
    run(async {
        let (server, mut client) = resting(limits()).await;
        client
            .write_all(b"GET /a HTTP/1.1\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let text = to_end(&mut client).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        drop(client);
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Malformed));
    });
}

/// Each cut of two pipelined requests, with the second at which it rests at each distance from it.
#[test]
fn a_request_that_is_cut_by_the_moment_of_rest_is_whole() {
    run(async {
        let both = [get("/a"), get("/bb")].concat();
        let (server, mut client) = used(limits()).await;
        let mut now = 0;
        for cut in 0..both.len() {
            let (front, back) = both.split_at(cut);
            for before in 0..4 {
                client.write_all(front).await.unwrap();
                for _ in 0..before {
                    tokio::task::yield_now().await;
                }
                now += 2;
                server
                    .surroundings
                    .deadlines
                    .sweep(server.start + SECOND * now);
                for _ in 0..cut % 4 {
                    tokio::task::yield_now().await;
                }
                client.write_all(back).await.unwrap();
                for target in ["/a", "/bb"] {
                    let text = response(&mut client, target).await;
                    assert!(
                        text.starts_with("HTTP/1.1 200 OK\r\n"),
                        "{cut} {before}: {text}"
                    );
                    assert_eq!(
                        text.matches("HTTP/1.1").count(),
                        1,
                        "{cut} {before}: {text}"
                    );
                }
            }
        }
        assert!(server.is_open());
    });
}

/// A client of its own thread, that pauses and cuts its requests anywhere, while the server rests whenever it can.
#[test]
fn no_byte_is_lost_or_doubled_however_often_it_rests() {
    const ROUNDS: usize = 2000;
    run(async {
        let years = Duration::from_hours(1 << 20);
        let limits = Limits {
            idle_timeout: years,
            header_timeout: years,
            ..limits()
        };
        let (server, client) = Server::start(Protocol::Http1, limits).await;
        let mut client = client.into_std().unwrap();
        client.set_nonblocking(false).unwrap();
        let hammer = std::thread::spawn(move || {
            let mut random = 0x9e37_79b9_u32;
            let mut next = move |below: usize| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                usize::try_from(random >> 8).unwrap() % below
            };
            for round in 0..ROUNDS {
                let targets: Vec<_> = (0..=next(3)).map(|at| format!("/{round}/{at}")).collect();
                let bytes: Vec<u8> = targets.iter().flat_map(|target| get(target)).collect();
                let (front, back) = bytes.split_at(next(bytes.len()));
                client.write_all(front).unwrap();
                pause(next(200));
                client.write_all(back).unwrap();
                for target in targets {
                    let mut text = Vec::new();
                    while !text.ends_with(target.as_bytes()) {
                        let mut byte = [0];
                        client.read_exact(&mut byte).unwrap();
                        text.extend(byte);
                    }
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1, "{text}");
                    assert_eq!(
                        text.len(),
                        text.find("\r\n\r\n").unwrap() + 4 + target.len()
                    );
                }
                pause(next(400));
            }
        });
        let mut now = server.start;
        while !hammer.is_finished() {
            now += SECOND * 2;
            server.surroundings.deadlines.sweep(now);
            tokio::time::sleep(Duration::from_micros(1)).await;
        }
        hammer.join().unwrap();
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

/// Some microseconds, none of them exact.
fn pause(microseconds: usize) {
    if microseconds > 50 {
        std::thread::sleep(Duration::from_micros(microseconds.try_into().unwrap()));
    }
}

/// A server over TLS of which one request was answered.
async fn used_over_tls() -> (Server, TlsStream<TcpStream>) {
    let directory = tempfile::tempdir().unwrap();
    let now = crate::clock::Clock::System.now();
    let pair = crate::net::make_self_signed(&["gw.test".to_owned()], directory.path(), now);
    let pair = pair.unwrap();
    let tickets = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    let config = crate::net::build_server_tls(std::slice::from_ref(&pair), tickets).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&pair.0).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, stream) = sockets().await;
    let connector = TlsConnector::from(Arc::new(trusting));
    let client = connector.connect(ServerName::try_from("gw.test").unwrap(), client);
    let stream = TlsAcceptor::from(config.config).accept(stream);
    let (mut client, stream) = tokio::try_join!(client, stream).unwrap();
    let io = |state: &_| ClientIo::tls(stream, state, Box::new(()));
    let server = Server::serve(io, Protocol::Http1, limits()).await;
    ask_over_tls(&mut client, "/a").await;
    (server, client)
}

async fn ask_over_tls(client: &mut TlsStream<TcpStream>, target: &str) {
    client.write_all(&get(target)).await.unwrap();
    client.flush().await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(target.as_bytes()) {
        text.push(client.read_u8().await.unwrap());
    }
    assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn tls_goes_on_while_a_connection_rests() {
    let runtime = runtime();
    let (server, mut client) = runtime.block_on(used_over_tls());
    let rests = heap(&runtime, server.at(SECOND * 2));
    assert!(rests < -BUFFERS, "{rests}");
    // New keys, and the server's new keys in answer (RFC 8446 §4.6.3): no request, and no rest for a second.
    let wakes = heap(&runtime, async {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.flush().await.unwrap();
        server.settle().await;
    });
    assert!(wakes > BUFFERS, "{wakes}");
    let rests = heap(&runtime, server.at(SECOND * 4));
    assert!(rests < -BUFFERS, "again: {rests}");
    runtime.block_on(async {
        ask_over_tls(&mut client, "/b").await;
        server.at(SECOND * 6).await;
        // The client's goodbye (close_notify) is answered with one.
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_drain_says_goodbye_to_tls_connections_at_rest() {
    run(async {
        let (server, mut client) = used_over_tls().await;
        server.at(SECOND * 2).await;
        server.stage(Stage::Draining).await;
        // Without close_notify this would be an error.
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

/// A request in records that arrive before and after the moment of rest.
#[test]
fn a_tls_record_that_is_cut_by_the_moment_of_rest_is_whole() {
    run(async {
        let (server, mut client) = used_over_tls().await;
        let mut now = 0;
        for cut in 1..get("/a").len() {
            let request = get("/a");
            let (front, back) = request.split_at(cut);
            let mut records = Vec::new();
            {
                use std::io::Write as _;
                let (_, session) = client.get_mut();
                session.writer().write_all(front).unwrap();
                session.writer().write_all(back).unwrap();
                while session.wants_write() {
                    session.write_tls(&mut records).unwrap();
                }
            }
            let (front, back) = records.split_at(records.len() * cut / request.len());
            let socket = client.get_mut().0;
            socket.write_all(front).await.unwrap();
            if cut % 2 == 0 {
                server.settle().await;
            }
            now += 2;
            server
                .surroundings
                .deadlines
                .sweep(server.start + SECOND * now);
            if cut % 3 == 0 {
                server.settle().await;
            }
            client.get_mut().0.write_all(back).await.unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"/a") {
                text.push(client.read_u8().await.unwrap());
            }
            assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"), "{cut}");
        }
    });
}
