use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use futures_util::FutureExt as _;
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::*;
use crate::net::{ClientIo, ConnectionState, Deadlines};
use crate::server::accept::accept;
use crate::server::connection::tests::limits;
use crate::server::connection::tests::stand_in::service;
use crate::server::connection::{Protocol, serve_connection};
use crate::server::slots::tests::slots;

/// A worker whose requests take until `go`. The test gets its address and the handle of its drain, and says what
/// comes of the connections that were open at the end.
struct Worker {
    address: SocketAddr,
    drain: DrainHandle,
    go: Rc<Notify>,
    left: tokio::task::JoinHandle<usize>,
}

async fn worker(times: DrainTimes) -> Worker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, drain) = DrainHandle::new();
    let go = Rc::new(Notify::new());
    let served = Rc::clone(&go);
    let left = spawn_local(async move {
        let surroundings = Surroundings {
            deadlines: Deadlines::new(Instant::now()),
            stages: Rc::new(Stages::new()),
        };
        let slots = slots();
        let accepted = |stream, peer: SocketAddr| {
            let state = ConnectionState::new();
            let slot = slots.take(peer.ip(), &limits()).unwrap();
            let io = ClientIo::plain(stream, &state, Box::new(slot));
            let (around, go) = (surroundings.clone(), Rc::clone(&served));
            spawn_local(async move {
                let answer = move |_| {
                    let go = Rc::clone(&go);
                    async move {
                        go.notified().await;
                        Response::new(Full::<Bytes>::from("served"))
                    }
                };
                let answer = service(Rc::clone(&state), Rc::clone(&around.stages), answer);
                serve_connection(io, Protocol::Http1, state, &limits(), &around, answer).await
            });
        };
        let accepting = accept(listener, &surroundings.stages, &accepted);
        serve_until_drained(accepting, &surroundings, &slots, drain, || times).await
    });
    Worker {
        address,
        drain: handle,
        go,
        left,
    }
}

/// A client whose request is being served.
async fn request(worker: &Worker) -> TcpStream {
    let mut client = TcpStream::connect(worker.address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    client
}

async fn to_end(mut client: TcpStream) -> String {
    let mut text = String::new();
    let _ = client.read_to_string(&mut text).await;
    text
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    runtime.unwrap().block_on(test)
}

const LONG: Duration = Duration::from_hours(1);

#[test]
fn a_drain_ends_with_the_last_connection() {
    run(async {
        let worker = worker(DrainTimes {
            delay: Duration::ZERO,
            timeout: LONG,
        })
        .await;
        let client = request(&worker).await;
        worker.drain.start();
        while TcpStream::connect(worker.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(
            !worker.left.is_finished(),
            "the request is still being served"
        );
        worker.go.notify_one();
        let text = to_end(client).await;
        assert!(
            text.contains("connection: close") && text.ends_with("served"),
            "{text}"
        );
        assert_eq!(worker.left.await.unwrap(), 0);
    });
}

#[test]
fn connections_are_accepted_during_the_delay_and_cut_at_the_end() {
    run(async {
        let worker = worker(DrainTimes {
            delay: LONG,
            timeout: LONG,
        })
        .await;
        worker.drain.start();
        let late = request(&worker).await;
        let client = request(&worker).await;
        assert!(!worker.left.is_finished());
        worker.go.notify_one();
        assert!(to_end(late).await.ends_with("served"));
        worker.drain.cut();
        assert_eq!(
            worker.left.await.unwrap(),
            1,
            "the request that is still being served"
        );
        drop(client);
    });
}

#[test]
fn a_drain_ends_after_its_time() {
    run(async {
        let worker = worker(DrainTimes {
            delay: Duration::ZERO,
            timeout: Duration::from_millis(1),
        })
        .await;
        let _client = request(&worker).await;
        worker.drain.start();
        assert_eq!(worker.left.await.unwrap(), 1);
    });
}

#[test]
fn a_signal_is_never_taken_back() {
    let (handle, mut drain) = DrainHandle::new();
    assert!(drain.started().now_or_never().is_none());
    handle.start();
    assert!(drain.started().now_or_never().is_some());
    assert!(drain.cut().now_or_never().is_none());
    handle.cut();
    handle.start();
    assert!(drain.started().now_or_never().is_some());
    assert!(drain.cut().now_or_never().is_some());
}

#[test]
fn without_a_handle_the_drain_starts_and_is_not_cut() {
    let (handle, mut drain) = DrainHandle::new();
    drop(handle);
    assert!(drain.started().now_or_never().is_some());
    assert!(drain.cut().now_or_never().is_none());
}

#[test]
fn listeners_hear_of_the_drain_whenever_they_ask() {
    let stages = Stages::new();
    let mut early = Box::pin(stages.draining());
    assert!(early.as_mut().now_or_never().is_none());
    stages.set(Stage::Delay);
    assert!(early.as_mut().now_or_never().is_none());
    stages.set(Stage::Draining);
    assert!(early.as_mut().now_or_never().is_some());
    assert!(stages.draining().now_or_never().is_some());
}
