//! The same gate over HTTP/2.

use super::harness::upstream::MARK;
use super::harness::{GatewayBuilder, Request, Step, TestGateway, Upstream, alice, h2};

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
