//! The pools against real servers on loopback.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::config::UpstreamUrl;

use super::testing::{
    TestBody, on_a_worker, polite, server, settle, text_of, upstream_at, upstream_of, urls_of,
};
use super::{SendError, refresh_addresses};

mod answers;
mod https;
mod mixed;
mod retries;
mod uploads;

const SECOND: Duration = Duration::from_secs(1);

/// An address where nothing listens.
async fn dead_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

#[test]
fn a_connection_is_used_again() {
    on_a_worker(|worker| async move {
        let server = polite("hello").await;
        let upstream = upstream_at(&[server.address]);
        for _ in 0..5 {
            assert_eq!(worker.get(&upstream).await, "hello");
        }
        assert_eq!(server.connections(), [0; 5]);
        let head = server.heads.borrow()[0].1.clone();
        assert_eq!(head, "GET /x?y=1 HTTP/1.1\r\nhost: api.test\r\n\r\n");
        assert_eq!(upstream.addresses()[0].in_flight, 0, "nothing is in flight");
    });
}

#[test]
fn answers_without_a_body_give_the_connection_back_at_once() {
    on_a_worker(|worker| async move {
        let server = polite("").await;
        let upstream = upstream_at(&[server.address]);
        let first = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(upstream.addresses()[0].in_flight, 0, "nothing is in flight");
        let second = worker
            .send(&upstream, Method::HEAD, "")
            .await
            .expect("sent");
        assert_eq!(server.connections(), [0, 0]);
        drop((first, second));
    });
}

#[test]
fn the_connection_that_was_used_last_is_taken_first() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_at(&[server.address]);
        let zero = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let one = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(upstream.addresses()[0].in_flight, 2, "in flight");
        text_of(zero).await;
        text_of(one).await;
        worker.get(&upstream).await;
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 1, 1, 1]);
    });
}

#[test]
fn no_more_than_max_idle_connections_are_kept() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_of(&urls_of(&[server.address]), |settings| {
            settings.max_idle = 1;
        });
        let zero = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let one = worker.send(&upstream, Method::GET, "").await.expect("sent");
        text_of(zero).await;
        text_of(one).await;
        let two = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let three = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(server.connections(), [0, 1, 1, 2]);
        drop((two, three));
    });
}

#[test]
fn idle_connections_end_and_upstreams_that_went_leave_none() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_at(&[server.address]);
        worker.get(&upstream).await;
        worker.at(3 * SECOND);
        worker.sweep();
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 0], "used again after 3 s");
        worker.at(7 * SECOND);
        worker.get(&upstream).await;
        assert_eq!(
            server.connections(),
            [0, 0, 1],
            "too old after 4 s, before any sweep"
        );
        worker.pools.sweep(&|id| id != upstream.id);
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 0, 1, 2]);
    });
}

#[test]
fn an_idle_connection_that_was_closed_is_let_go_by_the_sweep() {
    on_a_worker(|worker| async move {
        let gone = Rc::new(Cell::new(false));
        let seen = Rc::clone(&gone);
        let server = server(move |mut wire, _| {
            let seen = Rc::clone(&seen);
            async move {
                wire.request().await;
                wire.answer("x").await;
                wire.stream.shutdown().await.expect("shut down");
                seen.set(!wire.request().await);
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        worker.get(&upstream).await;
        settle().await;
        assert!(!gone.get());
        worker.sweep();
        settle().await;
        assert!(gone.get());
    });
}

#[test]
fn an_address_that_refuses_is_passed_over() {
    on_a_worker(|worker| async move {
        let dead = dead_address().await;
        let server = polite("alive").await;
        let upstream = upstream_at(&[dead, server.address]);
        for _ in 0..10 {
            let sent = worker
                .send(&upstream, Method::POST, "body")
                .await
                .expect("sent");
            assert_eq!(text_of(sent).await, "alive");
        }
        let shown = upstream.addresses();
        assert!(shown[1].left_out.is_zero());
        assert_eq!(shown.iter().map(|one| one.in_flight).sum::<usize>(), 0);
    });
}

#[test]
fn if_no_address_takes_a_connection_the_error_says_so() {
    on_a_worker(|worker| async move {
        let dead = [dead_address().await, dead_address().await];
        let upstream = upstream_at(&dead);
        for _ in 0..3 {
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Connect(_))));
        }
        assert!(
            upstream
                .addresses()
                .iter()
                .all(|one| (1..=1000).contains(&one.left_out.as_millis())),
            "left out for a second"
        );
    });
}

#[test]
fn a_name_is_resolved_by_the_first_request_if_nobody_has_done_so() {
    on_a_worker(|worker| async move {
        let server = polite("hello").await;
        let url = |host: &str| UpstreamUrl {
            tls: false,
            host: host.into(),
            port: server.address.port(),
        };
        let upstream = upstream_of(&[url("localhost")], |_| {});
        assert!(upstream.addresses().is_empty());
        assert_eq!(worker.get(&upstream).await, "hello");
        refresh_addresses(&upstream).await;
        assert_eq!(worker.get(&upstream).await, "hello");
        assert_eq!(
            server.connections(),
            [0, 0],
            "the address kept its connection"
        );

        let upstream = upstream_of(&[url("does-not-exist.invalid")], |_| {});
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Resolve(_))));
    });
}

#[test]
fn an_answer_before_the_request_body_has_gone_does_not_free_the_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            // The body is said to be longer than what comes.
            wire.request().await;
            wire.answer("early").await;
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let (_sender, body) = tests_body::endless();
        let pools = super::Pools::new(crate::metrics::WorkerId(0), worker.deadlines.clone());
        let post = |body| {
            let request = http::Request::post("/").header("host", "api.test");
            request.body(body).expect("a request").into_parts()
        };
        let (mut head, mut body) = post(body);
        let sent = pools
            .send(&upstream, &mut head, &mut body, false)
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "early");
        settle().await;
        let (_other_sender, body) = tests_body::endless();
        let (mut head, mut body) = post(body);
        let sent = pools
            .send(&upstream, &mut head, &mut body, false)
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "early");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn no_answer_in_time_ends_the_request_and_its_connection() {
    for body in ["", "with a body"] {
        on_a_worker(|worker| async move {
            let server = server(|mut wire, number| async move {
                wire.request().await;
                if number == 0 {
                    assert!(!wire.request().await, "closed by the client");
                }
                wire.answer("in time").await;
            })
            .await;
            let upstream = upstream_at(&[server.address]);
            let send = worker.send(&upstream, Method::POST, body);
            let steps = async {
                server.asked(1).await;
                worker.at(29 * SECOND);
                settle().await;
                assert_eq!(upstream.addresses()[0].in_flight, 1, "still in flight");
                worker.at(31 * SECOND);
            };
            let (outcome, ()) = tokio::join!(send, steps);
            assert!(matches!(outcome, Err(SendError::ResponseTimeout)));
            assert_eq!(upstream.addresses()[0].in_flight, 0);
            assert_eq!(worker.get(&upstream).await, "in time");
            assert_eq!(server.connections(), [0, 1]);
        });
    }
}

#[test]
fn connecting_has_a_limit_and_leaves_time_for_other_addresses() {
    on_a_worker(|worker| async move {
        // A full backlog swallows connects, like a host behind a firewall.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let full = full.expect("a socket");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        full.bind(&any.into()).expect("a port");
        full.listen(0).expect("listening");
        let swallows = full
            .local_addr()
            .expect("an address")
            .as_socket()
            .expect("IPv4");
        let _filler: Vec<_> = (0..4)
            .map(|_| std::net::TcpStream::connect_timeout(&swallows, SECOND / 10))
            .collect();

        let upstream = upstream_at(&[swallows]);
        let steps = async {
            settle().await;
            worker.at(4 * SECOND);
        };
        let (outcome, ()) = tokio::join!(worker.send(&upstream, Method::GET, ""), steps);
        assert!(matches!(outcome, Err(SendError::ConnectTimeout)));

        let server = polite("alive").await;
        let upstream = upstream_at(&[swallows, server.address]);
        let clock = async {
            for tick in 1.. {
                settle().await;
                worker.at(4 * SECOND + SECOND / 4 * tick);
            }
        };
        let get = async {
            // One of the first two meets the silent host.
            assert_eq!(worker.get(&upstream).await, "alive");
            let other = worker.send(&upstream, Method::GET, "").await.expect("sent");
            let third = worker.send(&upstream, Method::GET, "").await.expect("sent");
            drop((other, third));
        };
        tokio::select! {
            () = get => {}
            () = clock => {}
        }
    });
}

#[test]
fn a_slow_client_is_not_the_upstreams_delay() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            std::future::pending::<()>().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let (sender, body) = tests_body::endless();
        let pools = super::Pools::new(crate::metrics::WorkerId(0), worker.deadlines.clone());
        let request = http::Request::post("/").header("host", "api.test");
        let (mut head, mut body) = request.body(body).expect("a request").into_parts();
        let send = pools.send(&upstream, &mut head, &mut body, false);
        let steps = async {
            server.asked(1).await;
            worker.at(60 * SECOND);
            settle().await;
            // The upstream has all of the request now: from here on it is the one that is waited for.
            drop(sender);
            settle().await;
            worker.at(89 * SECOND);
            settle().await;
            assert_eq!(upstream.addresses()[0].in_flight, 1, "still in flight");
            worker.at(91 * SECOND);
        };
        let (outcome, ()) = tokio::join!(send, steps);
        assert!(matches!(outcome, Err(SendError::ResponseTimeout)));
    });
}

#[test]
fn an_upgrade_reaches_the_bytes_behind_the_101() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
                .await;
            wire.write("upgrade: websocket\r\n\r\nhello").await;
            let mut echo = [0; 4];
            wire.stream.read_exact(&mut echo).await.expect("bytes");
            wire.stream.write_all(&echo).await.expect("written");
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let request = http::Request::get("/").header("host", "api.test");
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        let request = request.body(TestBody::default()).expect("a request");
        let (mut head, mut body) = request.into_parts();
        let sent = worker.pools.send(&upstream, &mut head, &mut body, false);
        let sent = sent.await;
        let response = sent.expect("sent").response;
        assert_eq!(response.status(), 101);
        let mut stream = response.into_body().into_upgraded().expect("upgraded");
        assert_eq!(
            upstream.addresses()[0].in_flight,
            1,
            "counts while it lasts"
        );
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.expect("bytes");
        assert_eq!(&bytes, b"hello");
        stream.write_all(b"ping").await.expect("written");
        stream.read_exact(&mut bytes[..4]).await.expect("bytes");
        assert_eq!(&bytes[..4], b"ping");
        drop(stream);
        assert_eq!(upstream.addresses()[0].in_flight, 0);
    });
}

#[test]
fn a_switch_before_the_end_of_the_request_is_none() {
    on_a_worker(|worker| async move {
        let (closed, is_closed) = tokio::sync::oneshot::channel();
        let closed = Rc::new(Cell::new(Some(closed)));
        let server = server(move |mut wire, _| {
            let closed = Rc::clone(&closed);
            async move {
                wire.request().await;
                wire.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n")
                    .await;
                let end = wire.stream.read(&mut [0]).await;
                let _ = closed.take().map(|closed| closed.send(end.ok()));
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let (_sender, body) = tests_body::endless();
        let request = http::Request::post("/").header("host", "api.test");
        let request = request.header("upgrade", "websocket");
        let (mut head, mut body) = request.body(body).expect("a request").into_parts();
        let sent = worker.pools.send(&upstream, &mut head, &mut body, false);
        let body = sent.await.expect("sent").response.into_body();
        assert!(body.into_upgraded().is_none());
        let end = is_closed.await.expect("an end");
        assert_eq!(end, Some(0), "nothing more came, and it was closed");
        assert_eq!(upstream.addresses()[0].in_flight, 0);
    });
}

mod tests_body {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Body, Bytes, Frame};
    use tokio::sync::oneshot;

    /// A body that gives nothing until its sender is dropped, and ends then.
    #[derive(Default)]
    pub(super) struct Endless(Option<oneshot::Receiver<()>>);

    pub(super) fn endless() -> (oneshot::Sender<()>, Endless) {
        let (sender, receiver) = oneshot::channel();
        (sender, Endless(Some(receiver)))
    }

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some(receiver) = &mut self.0 else {
                return Poll::Ready(None);
            };
            Pin::new(receiver).poll(cx).map(|_| None)
        }
    }
}
