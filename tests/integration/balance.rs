//! Connections are spread evenly over the workers, whoever of them accepts.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Connection, GatewayBuilder, Request, Step, TestGateway, Upstream, answer};

const WORKERS: usize = 4;
const CONNECTIONS: usize = 8;

fn builder(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream)
        .workers(WORKERS)
        .route("/", "auth = \"none\"")
}

/// How many connections each worker has, as the metric tells, when there are as many as there should be: what was
/// opened or closed just now has its way to go.
fn spread(gateway: &TestGateway, connections: usize) -> Vec<f64> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let label = |worker| format!("{{worker=\"{worker}\"}}");
        let of = |worker| gateway.metric("portcullis_worker_connections", &label(worker));
        let spread: Vec<f64> = (0..WORKERS).map(of).collect();
        let sum: f64 = spread.iter().sum();
        if sum.to_string() == connections.to_string() {
            return spread;
        }
        assert!(Instant::now() < end, "{spread:?} of {connections}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn assert_even(gateway: &TestGateway) {
    assert_eq!(spread(gateway, CONNECTIONS), [2.0; WORKERS]);
}

/// A new connection that has had an answer.
fn served(gateway: &TestGateway) -> Connection {
    let mut connection = gateway.connect();
    let reply = connection.request(&Request::get("/x"));
    assert_eq!(reply.status, 200);
    connection
}

/// As many at once, from threads that wait for each other.
fn served_at_once(gateway: &TestGateway, count: usize) -> Vec<Connection> {
    let barrier = Barrier::new(count);
    let connect = || {
        barrier.wait();
        served(gateway)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(connect)).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|thread| thread.expect("served")).collect()
    })
}

#[test]
fn eight_connections_are_two_for_each_of_four_workers() {
    let upstream = Upstream::start();
    for gateway in [builder(&upstream).start(), builder(&upstream).tls().start()] {
        // One at a time, at once, and where some have gone: whatever the kernel's hash says.
        let mut open: Vec<_> = (0..CONNECTIONS).map(|_| served(&gateway)).collect();
        assert_even(&gateway);
        for connection in &mut open {
            let reply = connection.request(&Request::get("/x"));
            assert_eq!(reply.status, 200, "they are kept open where they are");
        }
        drop(open);
        spread(&gateway, 0);
        let mut open = served_at_once(&gateway, CONNECTIONS);
        assert_even(&gateway);
        open.truncate(CONNECTIONS / 2);
        spread(&gateway, CONNECTIONS / 2);
        open.extend(served_at_once(&gateway, CONNECTIONS / 2));
        assert_even(&gateway);
    }
}

#[test]
fn connections_without_a_request_count() {
    let upstream = Upstream::start();
    let gateway = builder(&upstream).start();
    let _open: Vec<_> = (0..CONNECTIONS).map(|_| gateway.connect()).collect();
    assert_even(&gateway);
}

#[test]
fn the_limits_hold_for_what_is_handed_over() {
    let upstream = Upstream::start();
    for (limits, most) in [("connections = 8", 8), ("connections_per_client = 6", 6)] {
        let gateway = builder(&upstream).limits(limits).start();
        let open: Vec<_> = (0..most).map(|_| served(&gateway)).collect();
        for _ in 0..4 {
            assert_eq!(gateway.send(&Request::get("/x")).status, 503);
        }
        spread(&gateway, most);
        drop(open);
        spread(&gateway, 0);
        let open: Vec<_> = (0..most).map(|_| served(&gateway)).collect();
        assert_eq!(gateway.send(&Request::get("/x")).status, 503);
        drop(open);
    }
}

#[test]
fn a_drain_finishes_what_was_handed_over() {
    let barrier = Arc::new(Barrier::new(CONNECTIONS + 1));
    let upstream = Upstream::scripted({
        let barrier = Arc::clone(&barrier);
        move |_| {
            let wait = Step::Wait(Arc::clone(&barrier));
            vec![Step::Body, wait, answer("200 OK", "", "at last")]
        }
    });
    let gateway = builder(&upstream).start();
    let mut open: Vec<_> = (0..CONNECTIONS).map(|_| gateway.connect()).collect();
    for connection in &mut open {
        connection.send(&Request::get("/x").bytes());
    }
    upstream.wait(|requests| requests.len() == CONNECTIONS);
    assert_even(&gateway);
    let stop = thread::spawn(move || gateway.stop());
    barrier.wait();
    for mut connection in open {
        let reply = connection.reply("GET").expect("an answer");
        assert_eq!((reply.status, reply.text().as_str()), (200, "at last"));
        assert!(connection.is_closed());
    }
    assert!(stop.join().expect("stopped"), "nothing was cut off");
}
