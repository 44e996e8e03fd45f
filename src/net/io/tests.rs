use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::task::Waker;

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::net::Phase;

/// What the server's service saw of a request: target, and the body or that it broke.
type Seen = Vec<(String, Result<Bytes, String>)>;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.set_nodelay(true).unwrap();
    (client, server)
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(test)
}

/// Serves one connection as the gateway does: 101 on `/upgrade`, the body's length otherwise.
async fn serve(server: TcpStream, seen: Rc<RefCell<Seen>>) {
    let state = ConnectionState::new();
    let io = ClientIo::plain(server, &state, Box::new(())).checked_as_http1();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (seen, state) = (Rc::clone(&seen), Rc::clone(&state));
        async move {
            state.request_began();
            let target = request.uri().to_string();
            // A moment in which more of the client's bytes arrive.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let mut response = Response::new(Full::new(Bytes::new()));
            if target == "/upgrade" {
                state.upgraded();
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response
                    .headers_mut()
                    .insert(header::UPGRADE, "x".parse().unwrap());
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::task::spawn_local(async move {
                    let mut io = TokioIo::new(upgrade.await.unwrap());
                    let mut bytes = [0; 6];
                    io.read_exact(&mut bytes).await.unwrap();
                    io.write_all(&bytes).await.unwrap();
                });
                seen.borrow_mut().push((target, Ok(Bytes::new())));
            } else {
                let body = request.into_body().collect().await;
                let body = body
                    .map(http_body_util::Collected::to_bytes)
                    .map_err(|error| error.to_string());
                if body.is_err() {
                    *response.status_mut() = StatusCode::IM_A_TEAPOT;
                }
                seen.borrow_mut().push((target, body));
            }
            state.request_ended();
            Ok::<_, Infallible>(response)
        }
    });
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades()
        .await;
}

/// Sends the parts one after the other, then reads to the end. The statuses of the answer and what the service saw.
fn exchange(parts: &[&[u8]]) -> (Vec<String>, Seen, Vec<u8>) {
    run(async {
        let (mut client, server) = pair().await;
        let seen = Rc::<RefCell<Seen>>::default();
        let serving = tokio::task::spawn_local(serve(server, Rc::clone(&seen)));
        for part in parts {
            // A server that has closed already does not matter here.
            let _ = client.write_all(part).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        serving.await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        let statuses = text
            .match_indices("HTTP/1.1 ")
            .map(|(at, _)| text[at + 9..at + 12].to_owned())
            .collect();
        let seen = seen.take();
        (statuses, seen, answer)
    })
}

fn halves(bytes: &[u8]) -> Vec<[&[u8]; 2]> {
    (0..bytes.len())
        .map(|cut| bytes.split_at(cut).into())
        .collect()
}

#[test]
fn a_wrong_head_is_answered_400_and_reaches_no_service() {
    let heads: &[&[u8]] = &[
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for head in heads {
        for parts in halves(head) {
            let (statuses, seen, _) = exchange(&parts);
            assert_eq!(
                statuses,
                ["400"],
                "{:?}",
                parts.map(String::from_utf8_lossy)
            );
            assert!(seen.is_empty(), "{:?}", parts.map(String::from_utf8_lossy));
        }
    }
}

#[test]
fn a_wrong_head_behind_a_good_request_ends_the_connection_after_its_answer() {
    let (statuses, seen, _) =
        exchange(&[b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\r\n\r\n"]);
    assert_eq!(statuses, ["200", "400"]);
    assert_eq!(seen, [("/a".to_owned(), Ok(Bytes::new()))]);
}

#[test]
fn wrong_framing_in_a_body_breaks_the_body() {
    let bodies: &[&[u8]] = &[
        b"5\r\nhello\r\n0 \r\n\r\n",
        b"5\r\nhello\r\n0;a\rb\r\n\r\n",
        b"5\r\nhello\r\n0;\0\r\n\r\n",
        b"5\r\nhelloX",
        b"0\r\nX: a\nY: b\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
    ];
    for body in bodies {
        let head: &[u8] = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for [front, back] in halves(body) {
            let (statuses, seen, _) = exchange(&[head, front, back]);
            let shown = [front, back].map(String::from_utf8_lossy);
            assert_eq!(statuses, ["418"], "{shown:?}");
            assert!(
                matches!(seen.as_slice(), [(_, Err(_))]),
                "{shown:?}: {seen:?}"
            );
        }
    }
}

#[test]
fn good_requests_pass_wherever_reads_end() {
    let stream: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloPOST /b HTTP/1.1\r\nConnection: close\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for parts in halves(stream) {
        let (statuses, seen, _) = exchange(&parts);
        assert_eq!(statuses, ["200", "200"]);
        assert_eq!(
            seen,
            [
                ("/a".to_owned(), Ok("hello".into())),
                ("/b".to_owned(), Ok("abc".into()))
            ]
        );
    }
}

#[test]
fn early_bytes_behind_an_upgrade_reach_only_the_other_protocol() {
    let request: &[u8] = b"GET /upgrade HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    // Bytes that no HTTP/1.1 stream may hold: in the same read, or later.
    for parts in [
        &[&[request, b"\0\n\xff\0\n\xff"].concat()[..], b""],
        &[request, b"\0\n\xff\0\n\xff"],
    ] {
        let (statuses, seen, answer) = exchange(parts);
        assert_eq!(statuses, ["101"]);
        assert_eq!(seen.len(), 1);
        assert!(answer.ends_with(b"\0\n\xff\0\n\xff"), "they came back");
    }
}

#[test]
fn bytes_behind_a_refused_upgrade_are_a_new_request() {
    let request: &[u8] = b"GET /no HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let next: &[u8] = b"GET /next HTTP/1.1\r\nConnection: close\r\n\r\n";
    let both = [request, next].concat();
    let again = [request, request, next].concat();
    for (parts, answers) in [
        (vec![&both[..]], 2),
        (vec![request, next], 2),
        (vec![&again[..]], 3),
    ] {
        let (statuses, seen, _) = exchange(&parts);
        assert_eq!(statuses, vec!["200"; answers]);
        assert_eq!(seen.last().unwrap().0, "/next");
    }
    let (statuses, seen, _) = exchange(&[request, b"\0\n"]);
    assert_eq!(statuses, ["200", "400"]);
    assert_eq!(seen.len(), 1);
}

#[test]
fn phases_follow_bytes_and_requests() {
    run(async {
        let (mut client, server) = pair().await;
        let state = ConnectionState::new();
        let mut io = ClientIo::plain(server, &state, Box::new(())).checked_as_http1();
        assert_eq!(state.phase(), Phase::Head, "the first head is awaited");
        state.request_began();
        assert_eq!(state.phase(), Phase::Serving);
        state.request_ended();
        assert_eq!(state.phase(), Phase::Idle);
        let before = state.changes();
        client.write_all(b"GET / HT").await.unwrap();
        let mut room = [0; 64];
        assert_eq!(io.read(&mut room).await.unwrap(), 8);
        assert_eq!(state.phase(), Phase::Head);
        assert_ne!(state.changes(), before);
        client.write_all(b"TP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(io.read(&mut room).await.unwrap(), 10);
        state.request_began();
        assert_eq!(state.phase(), Phase::Serving);
        let before = state.changes();
        state.response_waits();
        assert_eq!(
            (state.phase(), state.changes()),
            (Phase::Serving, before),
            "its writes tell"
        );

        let state = ConnectionState::new();
        state.request_began();
        state.response_waits();
        assert_eq!(state.phase(), Phase::Blocked);
        state.response_goes_on();
        assert_eq!(state.phase(), Phase::Serving);
    });
}

#[test]
fn a_client_that_takes_nothing_blocks_until_it_does() {
    run(async {
        let (mut client, server) = pair().await;
        let state = ConnectionState::new();
        state.request_began();
        let mut io = ClientIo::plain(server, &state, Box::new(()));
        let block = vec![0; 1 << 16];
        let mut cx = Context::from_waker(Waker::noop());
        while Pin::new(&mut io).poll_write(&mut cx, &block).is_ready() {}
        assert_eq!(state.phase(), Phase::Blocked);
        let before = state.changes();
        let mut room = vec![0; 1 << 20];
        while state.phase() == Phase::Blocked {
            // Both are awaited: after the last byte there is nothing to read, and room to write is noticed later.
            tokio::select! {
                read = client.read(&mut room) => assert_ne!(read.unwrap(), 0),
                written = io.write(&block) => assert_ne!(written.unwrap(), 0),
            }
        }
        assert_ne!(state.changes(), before, "progress counts anew");
    });
}

#[test]
fn the_slot_lives_as_long_as_the_bytes() {
    run(async {
        let (_client, server) = pair().await;
        let slot = Arc::new(());
        let io = ClientIo::plain(server, &ConnectionState::new(), Box::new(Arc::clone(&slot)));
        assert_eq!(Arc::strong_count(&slot), 2);
        drop(io);
        assert_eq!(Arc::strong_count(&slot), 1);
    });
}
