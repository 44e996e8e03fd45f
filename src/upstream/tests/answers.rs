//! Answers that are broken, cut short, or left before their end.

use http::Method;
use http_body_util::BodyExt;

use super::super::SendError;
use super::super::testing::{on_a_worker, server, settle, upstream_at};

#[test]
fn an_answer_that_is_not_http_is_broken() {
    for answer in [
        "HTTP/9.9 200 OK\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspace : before\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: folded\r\n line\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
    ] {
        on_a_worker(|worker| async move {
            let server = server(move |mut wire, _| async move {
                wire.request().await;
                wire.write(answer).await;
                wire.request().await;
            })
            .await;
            let upstream = upstream_at(&[server.address]);
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Broken(_))), "{answer:?}");
            assert_eq!(server.connections(), [0], "{answer:?}");
        });
    }
}

#[test]
fn a_head_larger_than_the_buffer_is_broken() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            let long = "x".repeat(70_000);
            wire.write(&format!("HTTP/1.1 200 OK\r\nlong: {long}\r\n\r\n"))
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
    });
}

#[test]
fn a_body_that_ends_too_soon_is_an_error_and_its_connection_is_gone() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort")
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        sent.response
            .into_body()
            .collect()
            .await
            .expect_err("too short");
        assert_eq!(upstream.addresses()[0].in_flight, 0, "nothing is in flight");
        worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn a_body_that_is_dropped_before_its_end_closes_the_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            if number == 0 {
                wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                    .await;
                assert!(!wire.request().await, "the rest is never asked for");
            }
            wire.answer("next").await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        let mut body = sent.response.into_body();
        body.frame().await.expect("a frame").expect("data");
        assert_eq!(upstream.addresses()[0].in_flight, 1, "in flight");
        drop(body);
        assert_eq!(upstream.addresses()[0].in_flight, 0);
        assert_eq!(worker.get(&upstream).await, "next");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn chunked_bodies_and_trailers_pass_and_the_connection_is_kept() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            while wire.request().await {
                wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await;
                wire.write("3\r\nabc\r\n0\r\nx-checksum: 7\r\n\r\n").await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        for _ in 0..2 {
            let sent = worker.send(&upstream, Method::GET, "").await.expect("sent");
            let body = sent.response.into_body().collect().await.expect("a body");
            assert_eq!(body.trailers().expect("trailers")["x-checksum"], "7");
            assert_eq!(body.to_bytes(), "abc");
        }
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn bytes_that_nobody_asked_for_end_a_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            wire.answer("mine").await;
            if number == 0 {
                wire.answer("poison").await;
            }
            while wire.request().await {
                wire.answer("poison").await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "mine");
        settle().await;
        assert_eq!(worker.get(&upstream).await, "mine");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn small_parts_take_little_memory_however_many_wait() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("HTTP/1.1 200 OK\r\n\r\n").await;
            for size in [10, 20_000] {
                settle().await;
                wire.write(&"x".repeat(size)).await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker.send(&upstream, Method::GET, "").await;
        let mut body = sent.expect("a head").response.into_body();
        let mut parts = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a frame").into_data().expect("data");
            let length = data.len();
            let room = data.try_into_mut().expect("its only owner").capacity();
            assert!(room <= 4 * length, "{length} bytes of {room}");
            parts += 1;
        }
        assert!(parts > 1, "one was small");
    });
}
