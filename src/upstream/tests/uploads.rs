//! Requests with bodies: how they are framed, and what happens while both sides talk.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use futures_util::stream;
use http::{HeaderMap, Request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::testing::{Worker, on_a_worker, server, settle, upstream_at};
use super::super::{BrokenAnswer, SendError, Sent, Upstream};

/// The parts of a body, the last of which may be a failure.
type Parts = Vec<Result<Frame<Bytes>, io::Error>>;

fn whole(parts: impl IntoIterator<Item = Frame<Bytes>>) -> Parts {
    parts.into_iter().map(Ok).collect()
}

fn broken(parts: impl IntoIterator<Item = Frame<Bytes>>) -> Parts {
    let failure = Err(io::Error::other("went away"));
    parts.into_iter().map(Ok).chain([failure]).collect()
}

fn data(text: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(text.into())
}

fn trailers() -> Frame<Bytes> {
    let mut fields = HeaderMap::new();
    fields.insert("x-sum", "7".parse().expect("a value"));
    Frame::trailers(fields)
}

async fn post(
    worker: &Worker,
    upstream: &std::sync::Arc<Upstream>,
    framing: (&'static str, &str),
    parts: Parts,
) -> Result<Sent, SendError> {
    let body = BoxBody::new(StreamBody::new(stream::iter(parts)));
    let request = Request::post("/").header(framing.0, framing.1).body(body);
    let (mut head, mut body) = request.expect("a request").into_parts();
    let sent = worker.pools.send(upstream, &mut head, &mut body, false);
    sent.await
}

const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// Whether a server that waits until nothing comes gets to answer, and what it got.
async fn written(
    worker: &Worker,
    framing: (&'static str, &'static str),
    parts: Parts,
) -> (bool, Vec<u8>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&seen);
    let server = server(move |mut wire, _| {
        let record = Rc::clone(&record);
        async move {
            let mut bytes = vec![0; 64 * 1024];
            loop {
                tokio::select! {
                    read = wire.stream.read(&mut bytes) => match read {
                        Ok(count) if count > 0 => {
                            record.borrow_mut().extend_from_slice(&bytes[..count]);
                        }
                        Ok(_) | Err(_) => return,
                    },
                    () = settle() => break wire.answer("done").await,
                }
            }
        }
    })
    .await;
    let upstream = upstream_at(&[server.address]);
    let sent = post(worker, &upstream, framing, parts);
    let answered = sent.await.is_ok();
    settle().await;
    let seen = seen.borrow().clone();
    (answered, seen)
}

#[test]
fn bodies_are_framed_as_their_heads_say() {
    on_a_worker(|worker| async move {
        let large = "x".repeat(20_000);
        let chunk = format!("4e20\r\n{large}\r\n");
        for (framing, parts, body) in [
            (CHUNKED, vec![], "0\r\n\r\n".to_owned()),
            (
                CHUNKED,
                vec![data("abc"), data(""), data("de")],
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
            ),
            (
                CHUNKED,
                vec![data("abc"), trailers()],
                "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n".to_owned(),
            ),
            (
                CHUNKED,
                vec![data(large.clone())],
                format!("{chunk}0\r\n\r\n"),
            ),
            (
                CHUNKED,
                vec![data(large.clone()), data("a"), data(large.clone())],
                format!("{chunk}1\r\na\r\n{chunk}0\r\n\r\n"),
            ),
            (
                ("content-length", "5"),
                vec![data("abc"), data("de")],
                "abcde".to_owned(),
            ),
            (
                ("content-length", "20001"),
                vec![data("a"), data(large.clone())],
                format!("a{large}"),
            ),
            (
                ("content-length", "3"),
                vec![data("abc"), trailers()],
                "abc".to_owned(),
            ),
        ] {
            let expected = format!(
                "POST / HTTP/1.1\r\n{}: {}\r\n\r\n{body}",
                framing.0, framing.1
            );
            let (answered, seen) = written(&worker, framing, whole(parts)).await;
            assert!(answered, "{framing:?}");
            assert_eq!(String::from_utf8_lossy(&seen), expected);
        }
    });
}

#[test]
fn a_body_that_is_not_as_long_as_was_said_is_no_request() {
    on_a_worker(|worker| async move {
        for parts in [
            whole([data("abc"), data("GET /smuggled HTTP/1.1\r\n\r\n")]),
            whole([data("ab")]),
            broken([data("ab")]),
        ] {
            let (answered, seen) = written(&worker, ("content-length", "3"), parts).await;
            assert!(!answered);
            assert!(!String::from_utf8_lossy(&seen).contains("smuggled"));
        }
    });
}

#[test]
fn a_body_that_fails_closes_the_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            let mut all = Vec::new();
            let _ = wire.stream.read_to_end(&mut all).await;
            assert!(!all.ends_with(b"0\r\n\r\n"), "never whole");
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let parts = broken([data("ab")]);
        let outcome = post(&worker, &upstream, CHUNKED, parts).await;
        assert!(matches!(
            outcome,
            Err(SendError::Broken(BrokenAnswer::RequestBody(_)))
        ));
        settle().await;
        assert_eq!(upstream.addresses()[0].in_flight, 0);
    });
}

fn large_parts(count: usize) -> Parts {
    whole((0..count).map(|_| data(vec![b'x'; 64 * 1024])))
}

#[test]
fn a_server_may_answer_while_it_reads() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            let (mut read, mut write) = wire.stream.split();
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut bytes = vec![0; 1 << 16];
            // The head of the request, which says nothing here.
            let mut head_end = 0;
            while head_end < 4 {
                let byte = read.read_u8().await.expect("a head");
                head_end = match (head_end, byte) {
                    (0 | 2, b'\r') | (1 | 3, b'\n') => head_end + 1,
                    _ => 0,
                };
            }
            write.write_all(head).await.expect("written");
            let mut left = 256 * 64 * 1024;
            while left > 0 {
                let count = read.read(&mut bytes).await.expect("read");
                let chunk = format!("{count:x}\r\n");
                write.write_all(chunk.as_bytes()).await.expect("written");
                write.write_all(&bytes[..count]).await.expect("written");
                write.write_all(b"\r\n").await.expect("written");
                left -= count;
            }
            write.write_all(b"0\r\n\r\n").await.expect("written");
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let length = (256 * 64 * 1024).to_string();
        let framing = ("content-length", length.as_str());
        let sent = post(&worker, &upstream, framing, large_parts(256)).await;
        let body = sent.expect("an answer").response.into_body();
        let body = body.collect().await.expect("a body").to_bytes();
        assert_eq!(body.len(), 256 * 64 * 1024);
    });
}

#[test]
fn an_answer_that_nobody_reads_does_not_hold_up_the_request() {
    on_a_worker(|worker| async move {
        let whole = Rc::new(RefCell::new(false));
        let seen = Rc::clone(&whole);
        let server = server(move |mut wire, _| {
            let seen = Rc::clone(&seen);
            async move {
                wire.write("HTTP/1.1 200 OK\r\n\r\nbegun").await;
                let mut left = 256 * 64 * 1024;
                let mut bytes = vec![0; 1 << 16];
                while left > 0 {
                    left -= wire.stream.read(&mut bytes).await.expect("read").min(left);
                }
                *seen.borrow_mut() = true;
                settle().await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = post(&worker, &upstream, CHUNKED, large_parts(256)).await;
        let sent = sent.expect("an answer");
        for _ in 0..100 {
            if *whole.borrow() {
                break;
            }
            settle().await;
        }
        assert!(*whole.borrow(), "all of the request has come");
        let body = sent.response.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes(), "begun");
    });
}

#[test]
fn an_early_refusal_is_an_answer_though_the_request_cannot_be_sent() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.write(
                "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
            )
            .await;
            // What was sent is read, so that the answer is not lost with a reset.
            let mut bytes = vec![0; 1 << 16];
            for _ in 0..3 {
                let _ = wire.stream.read(&mut bytes).await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        for _ in 0..2 {
            let parts = whole([data("abc")]);
            let sent = post(&worker, &upstream, ("content-length", "3"), parts).await;
            let response = sent.expect("an answer").response;
            assert_eq!(response.status(), 413);
            let body = response.into_body().collect().await.expect("a body");
            assert_eq!(body.to_bytes(), "big");
        }
        assert_eq!(upstream.addresses()[0].in_flight, 0);
    });
}

#[test]
fn an_answer_that_is_dropped_ends_the_request_too() {
    on_a_worker(|worker| async move {
        let ended = Rc::new(RefCell::new(false));
        let seen = Rc::clone(&ended);
        let server = server(move |mut wire, _| {
            let seen = Rc::clone(&seen);
            async move {
                wire.write("HTTP/1.1 200 OK\r\n\r\nbegun").await;
                settle().await;
                let mut all = Vec::new();
                let _ = wire.stream.read_to_end(&mut all).await;
                *seen.borrow_mut() = true;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = post(&worker, &upstream, CHUNKED, large_parts(1024)).await;
        drop(sent.expect("an answer"));
        for _ in 0..100 {
            if *ended.borrow() {
                break;
            }
            settle().await;
        }
        assert!(*ended.borrow(), "the connection is closed");
    });
}
