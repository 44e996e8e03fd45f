//! What is sent a second time, and what never is.

use http::Method;

use super::super::SendError;
use super::super::testing::{Server, on_a_worker, server, settle, text_of, upstream_at};

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            wire.answer(if number == 0 { "first" } else { "second" })
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        settle().await;
        let sent = worker
            .send(&upstream, Method::POST, "body")
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "second");
        assert_eq!(server.connections(), [0, 1]);
    });
}

/// A server whose first connection answers once, and closes when it has read the next request.
async fn closes_at_the_second_request(last_words: &'static str) -> Server {
    server(move |mut wire, number| async move {
        if number == 0 {
            wire.request().await;
            wire.answer("first").await;
            wire.request().await;
            wire.write(last_words).await;
            return;
        }
        while wire.request().await {
            wire.answer("again").await;
        }
    })
    .await
}

#[test]
fn a_get_on_a_reused_connection_that_closes_is_sent_once_more() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        assert_eq!(worker.get(&upstream).await, "again");
        assert_eq!(server.connections(), [0, 0, 1]);
        let heads = server.heads.borrow();
        assert_eq!(heads[1].1, heads[2].1, "the same head");
    });
}

#[test]
fn a_request_that_may_have_had_an_effect_is_not_sent_again() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        let outcome = worker.send(&upstream, Method::POST, "body").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn after_a_byte_of_the_answer_nothing_is_sent_again() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("HTTP/1.1 200").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn a_new_connection_that_closes_is_not_tried_again() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0]);
    });
}
