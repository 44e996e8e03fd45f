//! The same gate over HTTP/2.

use std::sync::{Arc, Barrier};

use super::harness::upstream::MARK;
use super::harness::{GatewayBuilder, Request, Step, TestGateway, Upstream, alice, answer, h2};
use super::limits::wait_for_error;

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .route("/open", "auth = \"none\"")
        .route("/api", "")
        .tls()
        .start()
}

#[test]
fn requests_pass_with_and_without_a_body() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = h2::send(&gateway, &Request::get("/api/x?y=%2F").token(&alice()));
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    let seen = upstream.only();
    assert_eq!(seen.request_line(), "GET /api/x?y=%2F HTTP/1.1");
    assert_eq!(seen.all("host"), ["gw.test"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["gw.test"]);
    assert_eq!(seen.like("x-auth-subject"), [b"alice"]);
    assert!(seen.all("authorization").is_empty());
    let via = seen.all("via");
    assert!(via.len() == 1 && via[0].starts_with('2'), "{via:?}");

    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let reply = h2::send(
        &gateway,
        &Request::post("/api/echo", body.clone()).token(&alice()),
    );
    assert!(reply.complete && reply.body == body);
}

#[test]
fn head_and_options_pass() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = h2::send(&gateway, &Request::new("HEAD", "/open/x"));
    assert_eq!(
        (reply.status, reply.field("content-length")),
        (200, Some("2"))
    );
    assert!(reply.body.is_empty());
    let reply = h2::send(&gateway, &Request::new("OPTIONS", "/open/x"));
    assert_eq!(reply.status, 200);
}

#[test]
fn chunked_answers_and_their_trailers_pass() {
    let upstream = Upstream::scripted(|_| {
        let text = format!(
            "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Sum: 3\r\nX-Auth-Subject: root\r\n\r\n"
        );
        vec![Step::Body, Step::Send(text.into_bytes())]
    });
    let gateway = gateway(&upstream);
    let reply = h2::send(&gateway, &Request::get("/open/x"));
    assert!(reply.complete);
    assert_eq!(reply.text(), "abc");
    assert_eq!(reply.trailers, [("x-sum".to_owned(), "3".to_owned())]);
}

#[test]
fn refusals_have_the_same_form() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for (request, reason) in [
        (Request::get("/api/x"), "missing_token"),
        (Request::get("/api/x").token("a.b.c"), "malformed"),
        (Request::get("/nowhere"), "no_route"),
        (Request::get("/open/../api"), "malformed_target"),
    ] {
        let reply = h2::send(&gateway, &request);
        assert_eq!(reply.reason(), reason, "{request:?}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn http1_over_tls_is_served_too() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/api/x").token(&alice()));
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.only().all("x-forwarded-proto"), ["https"]);
}

#[test]
fn a_length_reaches_the_upstream_once_and_plain() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let send = |body: Option<&str>, lengths: &[&str]| {
        upstream.forget();
        let mut request = Request::new("POST", "/api/echo");
        request.body = body.map(|body| body.as_bytes().to_vec());
        for length in lengths {
            request = request.field("content-length", *length);
        }
        let status = h2::send(&gateway, &request.token(&alice())).status;
        let requests = upstream.requests();
        (
            status,
            requests.first().map(|one| one.all("content-length")),
        )
    };
    let one = |length: &str| (200, Some(vec![length.to_owned()]));
    assert_eq!(send(None, &["00"]), one("0"));
    assert_eq!(send(None, &["0", "0"]), one("0"));
    assert_eq!(send(Some("hello"), &["5", "5"]), one("5"));
    assert_eq!(send(Some("hello"), &["05"]), one("5"));
    // Some servers read no length as the end of the connection, others as nothing.
    assert_eq!(send(None, &[""]), (400, None));
}

/// A request whose head is so large as HTTP/2 counts (RFC 9113 §6.5.2), in so many fields.
fn of_size(bytes: usize, fields: usize) -> Request {
    let pseudo = (7 + 3 + 32) + (7 + 5 + 32) + (10 + "gw.test".len() + 32) + (5 + 7 + 32);
    let each = "x-0000".len() + 32;
    let filled = bytes - pseudo - fields * each;
    (0..fields).fold(Request::get("/open/x"), |request, number| {
        let more = if number == 0 { filled % fields } else { 0 };
        let value = "x".repeat(filled / fields + more);
        request.field(&format!("x-{number:04}"), value)
    })
}

#[test]
fn a_head_that_is_too_large_is_refused_and_ends_the_connection() {
    const LIMIT: usize = 8192;
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .tls()
        .limits("header_bytes = \"8KiB\"\nheader_count = 1000\ntoken_bytes = \"4KiB\"")
        .route("/open", "auth = \"none\"")
        .start();
    let rejected = || gateway.metric("portcullis_rejections_total", "head_too_large");
    for fields in [1, 3, 150] {
        let mut session = h2::Session::open(gateway.address());
        assert_eq!(session.request(&of_size(LIMIT, fields)).status, 200);
        assert_eq!(session.request(&of_size(LIMIT, fields)).status, 200);
        upstream.forget();
        for bytes in [LIMIT + 1, 2 * LIMIT - 1] {
            let before = rejected();
            let mut session = h2::Session::open(gateway.address());
            assert_eq!(session.request(&Request::get("/open/x")).status, 200);
            upstream.forget();
            let reply = session.request(&of_size(bytes, fields));
            assert_eq!(reply.status, 431, "{bytes} in {fields}");
            assert_eq!(reply.reason(), "head_too_large");
            assert_eq!(gateway.log_of(&reply)["reason"], "head_too_large");
            assert!(rejected() > before, "counted");
            session.ended();
            assert!(upstream.requests().is_empty());
        }
    }
}

#[test]
fn a_head_beyond_all_measure_ends_the_connection_and_is_counted() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .tls()
        .limits("header_bytes = \"8KiB\"\ntoken_bytes = \"4KiB\"")
        .route("/open", "auth = \"none\"")
        .start();
    let mut session = h2::Session::open(gateway.address());
    // h2 itself answers what is over twice the limit, and has enough at eight times.
    assert_eq!(session.request(&of_size(20_000, 3)).status, 431);
    assert_eq!(session.request(&Request::get("/open/x")).status, 200);
    upstream.forget();
    session.fails(&of_size(70_000, 9));
    session.ended();
    wait_for_error(&gateway, "malformed");
    assert!(upstream.requests().is_empty());
}

#[test]
fn what_runs_beside_a_head_that_is_too_large_is_finished() {
    let barrier = Arc::new(Barrier::new(2));
    let upstream = Upstream::scripted({
        let barrier = Arc::clone(&barrier);
        move |_| {
            let wait = Step::Wait(Arc::clone(&barrier));
            vec![Step::Body, wait, answer("200 OK", "", "at last")]
        }
    });
    let gateway = gateway(&upstream);
    let mut session = h2::Session::open(gateway.address());
    let running = session.start(&Request::get("/open/x"));
    upstream.wait(|requests| requests.len() == 1);
    assert_eq!(session.request(&of_size(70_000, 5)).status, 431);
    barrier.wait();
    assert_eq!(session.finish(running).text(), "at last");
    session.ended();
}
