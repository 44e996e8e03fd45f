//! Upstreams that are away, slow, broken, or close when they should not.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::harness::upstream::MARK;
use super::harness::{GatewayBuilder, Request, Step, TestGateway, Upstream, answer, h2};

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .route("/", "auth = \"none\"")
        .start()
}

fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn an_upstream_that_is_away_is_502() {
    let gateway = GatewayBuilder::bare()
        .upstream("away", &dead_url(), "")
        .route_to("away", "/", "auth = \"none\"")
        .start();
    for _ in 0..3 {
        let reply = gateway.send(&Request::get("/x"));
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (502, "upstream_unreachable")
        );
    }
}

#[test]
fn a_name_that_does_not_resolve_is_502() {
    let gateway = GatewayBuilder::bare()
        .upstream("nowhere", "http://does-not-exist.invalid", "")
        .route_to("nowhere", "/", "auth = \"none\"")
        .start();
    let reply = gateway.send(&Request::get("/x"));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_unreachable")
    );
}

#[test]
fn one_server_away_costs_no_request() {
    let upstream = Upstream::start();
    let urls = format!("{}\", \"{}", dead_url(), upstream.url());
    let gateway = GatewayBuilder::bare()
        .upstream("half", &urls, "")
        .route_to("half", "/", "auth = \"none\"")
        .start();
    for number in 0..20 {
        let reply = gateway.send(&Request::post("/echo", number.to_string()));
        assert_eq!((reply.status, reply.text()), (200, number.to_string()));
    }
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::UntilClosed]);
    let gateway = GatewayBuilder::bare()
        .upstream("slow", &upstream.url(), "response_timeout = \"300ms\"")
        .route_to("slow", "/", "auth = \"none\"")
        .start();
    for request in [Request::get("/x"), Request::post("/x", "body")] {
        let reply = gateway.send(&request);
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (504, "upstream_timeout")
        );
    }
}

#[test]
fn an_answer_that_is_not_http_is_502() {
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200",
        "",
    ] {
        let upstream = Upstream::scripted(move |_| {
            vec![
                Step::Body,
                Step::Send(bytes.as_bytes().to_vec()),
                Step::Close,
            ]
        });
        let gateway = gateway(&upstream);
        let reply = gateway.send(&Request::get("/x"));
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (502, "upstream_failed"),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_length_that_stands_twice_reaches_the_client_once() {
    for fields in [
        "Content-Length: 2, 02",
        "Content-Length: 2\r\nContent-Length: 2",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\n{fields}\r\n\r\nab");
        let upstream =
            Upstream::scripted(move |_| vec![Step::Body, Step::Send(text.as_bytes().to_vec())]);
        let reply = gateway(&upstream).send(&Request::get("/x"));
        assert_eq!(
            (reply.all("content-length"), reply.text().as_str()),
            (vec!["2"], "ab")
        );
    }
}

/// Bodies that end before their end.
fn cut_short() -> Vec<String> {
    vec![
        format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nContent-Length: 10\r\n\r\nshort"),
        format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort"),
        format!(
            "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nxyz\r\n"
        ),
    ]
}

#[test]
fn a_body_that_breaks_off_is_no_short_success() {
    for text in cut_short() {
        let bytes = text.clone().into_bytes();
        let upstream =
            Upstream::scripted(move |_| vec![Step::Body, Step::Send(bytes.clone()), Step::Close]);
        let gateway = gateway(&upstream);
        let mut connection = gateway.connect();
        let reply = connection.request(&Request::get("/x"));
        assert_eq!(reply.status, 200, "the head had been sent: {text:?}");
        assert!(!reply.complete, "{text:?}");
        assert!(connection.is_closed(), "{text:?}");
    }
}

#[test]
fn a_body_that_breaks_off_resets_its_http2_stream() {
    for text in cut_short() {
        let bytes = text.clone().into_bytes();
        let upstream =
            Upstream::scripted(move |_| vec![Step::Body, Step::Send(bytes.clone()), Step::Close]);
        let gateway = GatewayBuilder::new(&upstream)
            .route("/", "auth = \"none\"")
            .tls()
            .start();
        let reply = h2::send(&gateway, &Request::get("/x"));
        assert_eq!(reply.status, 200);
        assert!(!reply.complete, "{text:?}");
    }
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let upstream = Upstream::scripted(|_| {
        let text = format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nConnection: close\r\n\r\nall of it");
        vec![Step::Body, Step::Send(text.into_bytes()), Step::Close]
    });
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/x"));
    assert!(reply.complete);
    assert_eq!(reply.text(), "all of it");
}

/// An upstream that closes each connection when it has read its second request.
fn closes_at_the_second() -> Upstream {
    let last = AtomicUsize::new(usize::MAX);
    Upstream::scripted(move |request| {
        let seen_before = last.swap(request.connection, Ordering::Relaxed) == request.connection;
        if seen_before {
            vec![Step::Body, Step::Close]
        } else {
            vec![Step::Body, answer("200 OK", "", "ok")]
        }
    })
}

#[test]
fn a_get_on_a_reused_connection_that_closes_is_sent_once_more() {
    let upstream = closes_at_the_second();
    let gateway = gateway(&upstream);
    for _ in 0..4 {
        assert_eq!(gateway.send(&Request::get("/x")).status, 200);
    }
}

#[test]
fn a_request_with_a_body_is_never_sent_twice() {
    let upstream = closes_at_the_second();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::get("/x")).status, 200);
    let reply = gateway.send(&Request::post("/x", "body"));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_failed")
    );
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_post_finds_a_new_connection_when_the_old_one_was_closed_while_idle() {
    let upstream =
        Upstream::scripted(|_| vec![Step::Body, answer("200 OK", "", "ok"), Step::Close]);
    let gateway = gateway(&upstream);
    for _ in 0..5 {
        assert_eq!(gateway.send(&Request::post("/x", "body")).status, 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(upstream.raw().len(), 5);
}

#[test]
fn an_early_answer_reaches_the_client_and_its_connection_is_not_used_again() {
    let upstream = Upstream::scripted(|request| {
        if request.method() == "POST" {
            vec![answer("413 Content Too Large", "", "no"), Step::UntilClosed]
        } else {
            vec![Step::Body, answer("200 OK", "", "ok")]
        }
    });
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    // A body that is announced and never sent.
    connection.send(b"POST /x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000\r\n\r\npart");
    let reply = connection.reply("POST").expect("an answer");
    assert_eq!((reply.status, reply.text().as_str()), (413, "no"));
    assert_eq!(gateway.send(&Request::get("/x")).text(), "ok");
    let requests = upstream.requests();
    assert_ne!(requests[0].connection, requests[1].connection);
}

#[test]
fn bytes_after_an_answer_do_not_become_the_next_answer() {
    let upstream = Upstream::scripted(|request| {
        let text = format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nContent-Length: 6\r\n\r\npoison");
        let mut steps = vec![Step::Body, answer("200 OK", "", "mine")];
        if request.target() == "/first" {
            steps.push(Step::Send(text.into_bytes()));
        }
        steps
    });
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(&Request::get("/first")).text(), "mine");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(gateway.send(&Request::get("/second")).text(), "mine");
}

#[test]
fn a_client_that_goes_away_ends_its_request_at_the_upstream() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::UntilClosed, Step::Close]);
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    connection.send(&Request::get("/x").bytes());
    upstream.wait(|requests| requests.len() == 1);
    drop(connection);
    let line = gateway.wait_for_line(|line| line["path"] == "/x");
    assert_ne!(line["status"], 200);
}

#[test]
fn a_client_is_not_told_of_content_that_an_answer_cannot_have() {
    for (status, field) in [
        ("204 No Content", "Content-Length: 5"),
        ("204 No Content", "Transfer-Encoding: chunked"),
        ("304 Not Modified", "Content-Length: 5"),
        ("304 Not Modified", "Transfer-Encoding: chunked"),
    ] {
        let text = format!("HTTP/1.1 {status}\r\n{MARK}: 1\r\n{field}\r\n\r\n");
        let upstream =
            Upstream::scripted(move |_| vec![Step::Body, Step::Send(text.as_bytes().to_vec())]);
        let gateway = gateway(&upstream);
        let mut connection = gateway.connect();
        for _ in 0..2 {
            let reply = connection.request(&Request::get("/x"));
            assert!(reply.all("content-length").is_empty(), "{status} {field}");
            assert!(
                reply.all("transfer-encoding").is_empty(),
                "{status} {field}"
            );
            assert!(reply.status < 400 && reply.complete, "{status} {field}");
        }
    }
}
