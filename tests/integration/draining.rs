//! The end: what runs is finished, what is idle is closed, and what takes too long is cut.

use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;

use super::harness::{GatewayBuilder, Request, Step, Upstream, answer};

/// An upstream that answers when the test comes to the barrier too.
fn waiting(barrier: &Arc<Barrier>) -> Upstream {
    let barrier = Arc::clone(barrier);
    Upstream::scripted(move |_| {
        let wait = Step::Wait(Arc::clone(&barrier));
        vec![Step::Body, wait, answer("200 OK", "", "at last")]
    })
}

#[test]
fn a_request_in_flight_is_finished() {
    let barrier = Arc::new(Barrier::new(2));
    let upstream = waiting(&barrier);
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "auth = \"none\"")
        .start();
    let address = gateway.address();
    let mut idle = gateway.connect();
    let mut busy = gateway.connect();
    busy.send(&Request::get("/x").bytes());
    upstream.wait(|requests| requests.len() == 1);
    let stop = thread::spawn(move || gateway.stop());
    // The idle connection is told at once, while the busy one still waits.
    assert!(idle.is_closed());
    barrier.wait();
    let reply = busy.reply("GET").expect("an answer");
    assert_eq!((reply.status, reply.text().as_str()), (200, "at last"));
    assert!(busy.is_closed());
    assert!(stop.join().expect("stopped"), "nothing was cut off");
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn what_takes_longer_than_the_drain_is_cut() {
    let barrier = Arc::new(Barrier::new(2));
    let upstream = waiting(&barrier);
    let gateway = GatewayBuilder::new(&upstream)
        .limits("drain_timeout = \"300ms\"")
        .route("/", "auth = \"none\"")
        .start();
    let mut busy = gateway.connect();
    busy.send(&Request::get("/x").bytes());
    upstream.wait(|requests| requests.len() == 1);
    assert!(!gateway.stop(), "the request was cut off");
    assert!(busy.is_closed());
    barrier.wait();
}
