//! Every limit, with its status, over HTTP/1.1 and HTTP/2 where both have it.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::harness::h2::{self, Session};
use super::harness::process::wait_until;
use super::harness::{Connection, GatewayBuilder, Reply, Request, Step, TestGateway, Upstream};

fn open(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream).route("/", "auth = \"none\"")
}

fn limited(upstream: &Upstream, limits: &str) -> TestGateway {
    open(upstream).limits(limits).start()
}

fn limited_tls(upstream: &Upstream, limits: &str) -> TestGateway {
    open(upstream).limits(limits).tls().start()
}

fn refused(reply: &Reply, status: u16, reason: &str) {
    let found = (reply.status, reply.reason());
    assert_eq!(found, (status, reason.to_owned()), "{reply:?}");
}

/// Connection errors of a cause so far.
fn errors(gateway: &TestGateway, cause: &str) -> f64 {
    let labels = format!("cause=\"{cause}\"");
    gateway.metric("portcullis_connection_errors_total", &labels)
}

pub(super) fn wait_for_error(gateway: &TestGateway, cause: &str) {
    wait_until(cause, || errors(gateway, cause) > 0.5);
}

#[test]
fn all_workers_have_one_limit_of_connections() {
    let upstream = Upstream::start();
    let gateway = open(&upstream).workers(3).limits("connections = 6").start();
    let mut held: Vec<Connection> = (0..6).map(|_| gateway.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.request(&Request::get("/x")).status, 200);
    }
    for _ in 0..6 {
        let reply = gateway.send(&Request::get("/x"));
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.reason(), "overloaded");
        assert_eq!(reply.all("connection"), ["close"]);
        assert!(reply.field("retry-after").is_some());
    }
    assert!((errors(&gateway, "overloaded") - 6.0).abs() < 0.5);
    held.pop();
    wait_until("there is room again", || {
        gateway.send(&Request::get("/x")).status == 200
    });
}

#[test]
fn over_the_limit_tls_is_closed_without_a_word() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "connections = 1");
    let mut held = gateway.connect();
    assert_eq!(held.request(&Request::get("/x")).status, 200);
    let mut over = Connection::open(gateway.address());
    assert!(over.is_closed());
    wait_for_error(&gateway, "overloaded");
    assert_eq!(held.request(&Request::get("/x")).status, 200);
}

#[test]
fn a_client_has_a_limit_of_its_own() {
    let upstream = Upstream::start();
    let gateway = limited(&upstream, "connections_per_client = 1");
    let mut held = gateway.connect();
    assert_eq!(held.request(&Request::get("/x")).status, 200);
    assert_eq!(gateway.send(&Request::get("/x")).status, 503);
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut other = Connection::open_from(other, gateway.address());
    assert_eq!(other.request(&Request::get("/x")).status, 200);
}

#[test]
fn an_old_connection_ends_between_requests() {
    let upstream = Upstream::start();
    let limits = "connection_age = \"50ms\"";
    let gateway = limited(&upstream, limits);
    let mut connection = gateway.connect();
    assert_eq!(connection.request(&Request::get("/x")).status, 200);
    assert!(connection.is_closed());

    let gateway = limited_tls(&upstream, limits);
    let mut session = Session::open(gateway.address());
    assert_eq!(session.request(&Request::get("/x")).status, 200);
    session.ended();
}

#[test]
fn a_head_has_a_limit_of_bytes() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "header_bytes = \"8KiB\"\ntoken_bytes = \"4KiB\"");
    let with = |count: usize| Request::get("/x").field("X-Long", "x".repeat(count));
    assert_eq!(gateway.send(&with(7_000)).status, 200);
    assert_eq!(h2::send(&gateway, &with(7_000)).status, 200);
    upstream.forget();
    assert_eq!(gateway.send(&with(9_000)).status, 431);
    assert_eq!(h2::send(&gateway, &with(9_000)).status, 431);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_head_has_a_limit_of_fields() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "header_count = 20");
    let with = |count: usize| {
        (0..count).fold(Request::get("/x"), |request, number| {
            request.field(&format!("X-Field-{number}"), "x")
        })
    };
    assert_eq!(gateway.send(&with(19)).status, 200, "and Host");
    assert_eq!(h2::send(&gateway, &with(20)).status, 200);
    upstream.forget();
    assert_eq!(gateway.send(&with(21)).status, 431);
    refused(&h2::send(&gateway, &with(21)), 431, "head_too_large");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_token_has_a_limit_of_bytes() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "")
        .limits("token_bytes = \"1KiB\"")
        .tls()
        .start();
    let request = Request::get("/x").token(&"a".repeat(1025));
    for reply in [gateway.send(&request), h2::send(&gateway, &request)] {
        refused(&reply, 431, "token_too_large");
    }
    let shorter = Request::get("/x").token(&"a".repeat(1024));
    refused(&gateway.send(&shorter), 401, "malformed");
}

/// Sends a byte again and again until the gateway has had enough.
fn dribble(connection: &mut Connection, byte: u8) {
    for _ in 0..500 {
        connection.send(&[byte]);
        if connection.hears(Duration::from_millis(20)) {
            return;
        }
    }
    panic!("10 s and no end");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_408() {
    let upstream = Upstream::start();
    let limits = "header_timeout = \"300ms\"";
    for gateway in [limited(&upstream, limits), limited_tls(&upstream, limits)] {
        let mut first = gateway.connect();
        first.send(b"GET / HTTP/1.1\r\nHost: gw.test\r\nX: ");
        dribble(&mut first, b'x');
        assert_eq!(first.reply("GET").map(|reply| reply.status), Some(408));
        assert!(first.is_closed());

        // The second head of a connection, too: it began when the first byte of it came.
        let mut second = gateway.connect();
        assert_eq!(second.request(&Request::get("/x")).status, 200);
        dribble(&mut second, b'G');
        assert_eq!(second.reply("GET").map(|reply| reply.status), Some(408));
        wait_for_error(&gateway, "timeout");
    }
}

/// The preface of HTTP/2 and empty SETTINGS (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn an_http2_head_that_never_ends_is_closed() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "header_timeout = \"300ms\"");
    let mut connection = Connection::open_alpn(gateway.address(), b"h2");
    connection.send(PREFACE);
    // HEADERS of stream 1 without END_HEADERS, and nothing after it.
    connection.send(b"\0\0\x01\x01\x01\0\0\0\x01\x82");
    let mut room = [0; 1024];
    while connection.read(&mut room).is_ok_and(|count| count > 0) {}
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_idle_connection_is_closed() {
    let upstream = Upstream::start();
    let limits = "idle_timeout = \"300ms\"";
    for gateway in [limited(&upstream, limits), limited_tls(&upstream, limits)] {
        let mut connection = gateway.connect();
        assert_eq!(connection.request(&Request::get("/x")).status, 200);
        assert!(connection.is_closed());
        assert!(errors(&gateway, "timeout") < 0.5, "that is no error");
    }
    let gateway = limited_tls(&upstream, limits);
    let mut session = Session::open(gateway.address());
    assert_eq!(session.request(&Request::get("/x")).status, 200);
    session.ended();
}

#[test]
fn a_handshake_that_does_not_go_on_is_closed() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "handshake_timeout = \"300ms\"");
    // Nothing; half a ClientHello; one that comes byte by byte.
    let half = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (bytes, dribbled) in [(&b""[..], false), (half, false), (half, true)] {
        let mut connection = Connection::open(gateway.address());
        connection.send(bytes);
        if dribbled {
            dribble(&mut connection, 0);
        }
        assert!(connection.is_closed());
    }
    wait_until("all three are counted", || {
        errors(&gateway, "handshake") > 2.5
    });
}

#[test]
fn a_body_has_a_limit_and_a_route_its_own() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "auth = \"none\"")
        .route("/large", "auth = \"none\"\nbody_bytes = \"4KiB\"")
        .route("/any", "auth = \"none\"\nbody_bytes = \"off\"")
        .limits("body_bytes = \"1KiB\"")
        .tls()
        .start();
    let of = |path: &str, bytes: usize| Request::post(path, vec![b'x'; bytes]);
    for (path, bytes, passes) in [
        ("/echo", 1024, true),
        ("/echo", 1025, false),
        ("/large/echo", 4096, true),
        ("/large/echo", 4097, false),
        ("/any/echo", 1_000_000, true),
    ] {
        upstream.forget();
        let request = of(path, bytes);
        for reply in [gateway.send(&request), h2::send(&gateway, &request)] {
            if passes {
                assert_eq!((reply.status, reply.body.len()), (200, bytes), "{path}");
            } else {
                refused(&reply, 413, "body_too_large");
                assert!(upstream.requests().is_empty(), "by its length alone");
            }
        }
    }
    upstream.forget();
    let mut chunked = gateway.connect();
    chunked.send(b"POST /echo HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send(b"400\r\n");
    chunked.send(&[b'x'; 1024]);
    upstream.wait(|requests| requests.len() == 1);
    chunked.send(b"\r\n1\r\nx\r\n0\r\n\r\n");
    refused(
        &chunked.reply("POST").expect("an answer"),
        413,
        "body_too_large",
    );
    // What came in one piece may have been refused before a byte of it was sent on.
    let complete = upstream.requests().iter().any(|request| request.complete);
    assert!(!complete, "the upstream never sees its end");
}

#[test]
fn an_http2_body_that_stops_coming_is_408() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "body_idle_timeout = \"300ms\"");
    let mut connection = Connection::open_alpn(gateway.address(), b"h2");
    connection.send(PREFACE);
    // :method POST, :scheme https, :path /, :authority a; END_HEADERS without END_STREAM, and one byte of body.
    connection.send(b"\0\0\x06\x01\x04\0\0\0\x01\x83\x87\x84\x41\x01a");
    connection.send(b"\0\0\x01\0\0\0\0\0\x01x");
    wait_for_frame(&mut connection, 1);
    let line = gateway.wait_for_line(|line| line["version"] == "2");
    assert_eq!(line["status"], 408, "{line}");
    assert_eq!(line["reason"], "request_timeout", "{line}");
}

/// The payload of the next frame of that type.
fn wait_for_frame(connection: &mut Connection, kind: u8) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        connection.read_exact(&mut payload).expect("its payload");
        if head[3] == kind {
            return payload;
        }
    }
}

#[test]
fn the_limit_of_streams_is_announced() {
    let upstream = Upstream::start();
    let gateway = limited_tls(&upstream, "streams = 7");
    let mut connection = Connection::open_alpn(gateway.address(), b"h2");
    connection.send(PREFACE);
    let settings = wait_for_frame(&mut connection, 4);
    // SETTINGS_MAX_CONCURRENT_STREAMS is 3 (RFC 9113 §6.5.2).
    let streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]);
    assert_eq!(streams, Some(&[0, 3, 0, 0, 0, 7][..]), "{settings:?}");
}

/// An upstream whose answer has no end; tells when its connection is over.
fn endless() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (over, is_over) = channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let over = over.clone();
            thread::spawn(move || {
                pour(&mut stream);
                let _ = over.send(());
            });
        }
    });
    (url, is_over)
}

fn pour(stream: &mut TcpStream) {
    let mut room = [0; 1024];
    let _ = stream.read(&mut room);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 900000000000\r\n\r\n");
    while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {}
}

#[test]
fn a_client_that_stops_reading_ends_and_so_does_its_upstream_connection() {
    let (url, is_over) = endless();
    let builder = || {
        GatewayBuilder::bare()
            .upstream("main", &url, "")
            .route("/", "auth = \"none\"")
            .limits("write_timeout = \"300ms\"")
    };
    let wait = || {
        is_over
            .recv_timeout(Duration::from_secs(20))
            .expect("closed");
    };
    for gateway in [builder().start(), builder().tls().start()] {
        let mut connection = gateway.connect();
        connection.send(&Request::get("/x").bytes());
        wait();
        wait_for_error(&gateway, "timeout");
        let line = gateway.wait_for_line(|line| line["path"] == "/x");
        assert_eq!(line["status"], 499, "{line}");
    }
    let gateway = builder().tls().start();
    let mut session = Session::open(gateway.address());
    let _held = session.begin(&Request::get("/x"));
    wait();
    wait_for_error(&gateway, "timeout");
}

#[test]
fn an_answer_that_takes_long_is_no_client_that_is_slow() {
    let barrier = Arc::new(Barrier::new(2));
    let at_upstream = Arc::clone(&barrier);
    let upstream = Upstream::scripted(move |_| {
        let head = "HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 4\r\n\r\nab".to_owned();
        vec![
            Step::Body,
            Step::Send(head.into_bytes()),
            Step::Wait(Arc::clone(&at_upstream)),
            Step::Send(b"cd".to_vec()),
        ]
    });
    let every = "write_timeout = \"100ms\"\nidle_timeout = \"100ms\"\nheader_timeout = \"100ms\"\n\
        body_idle_timeout = \"100ms\"";
    let gateway = limited(&upstream, every);
    let mut connection = gateway.connect();
    connection.send(&Request::get("/x").bytes());
    connection.wait_for("ab");
    // Several sweeps of the worker, in all of which nothing may happen.
    thread::sleep(Duration::from_millis(900));
    barrier.wait();
    let reply = connection.reply("GET").expect("an answer");
    assert_eq!((reply.text().as_str(), reply.complete), ("abcd", true));
}
