//! What an admitted request looks like at the upstream, and its answer at the client.

use super::harness::upstream::MARK;
use super::harness::{GatewayBuilder, Request, Step, TestGateway, Upstream, alice, answer};

/// A gateway whose routes `/open` and `/api` lead to `upstream`.
fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .route("/open", "auth = \"none\"")
        .route("/api", "")
        .start()
}

#[test]
fn every_method_passes() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE",
    ] {
        upstream.forget();
        let reply = gateway.send(&Request::new(method, "/api/x").token(&alice()));
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(upstream.only().method(), method);
    }
}

#[test]
fn the_answer_to_a_head_has_the_fields_and_no_body() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let reply = connection.request(&Request::new("HEAD", "/open/x"));
    assert_eq!(reply.field("content-length"), Some("2"));
    let reply = connection.request(&Request::get("/open/x"));
    assert_eq!(
        reply.text(),
        "ok",
        "the connection goes on where the head ended"
    );
}

#[test]
fn targets_reach_the_upstream_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for target in [
        "/open",
        "/open/",
        "/open?",
        "/open/a%20b;v=1/c~d?x=%2F..&y=a+b&&z",
        "/open/%E4%BD%A0%e4%bd%a0",
        "/open/a:b@c!$&'()*+,=-_.~",
        "/open/x?a=b?c=d/../e//f",
        "/open/x?%zz=%",
        "/open/UPPER/lower/%41",
    ] {
        upstream.forget();
        let reply = gateway.send(&Request::get(target));
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        assert_eq!(
            upstream.only().request_line(),
            format!("GET {target} HTTP/1.1")
        );
    }
}

#[test]
fn a_prefix_is_stripped_and_one_slash_stays() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/a/b", "auth = \"none\"\nstrip_prefix = true")
        .start();
    for (sent, seen) in [
        ("/a/b/c?q=/a/b", "/c?q=/a/b"),
        ("/a/b/", "/"),
        ("/a/b", "/"),
        ("/a/b?q", "/?q"),
        ("/a/b/a/b", "/a/b"),
        ("/%61/b/%63", "/%63"),
    ] {
        upstream.forget();
        assert_eq!(gateway.send(&Request::get(sent)).status, 200, "{sent}");
        assert_eq!(upstream.only().target(), seen, "{sent}");
    }
}

#[test]
fn the_host_is_the_clients_or_the_upstreams() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .upstream("own", &upstream.url(), "host = \"upstream\"")
        .route("/keep", "auth = \"none\"")
        .route_to("own", "/own", "auth = \"none\"")
        .start();
    let request = |path| Request::get(path).field("Host", "API.Example:8443");
    gateway.send(&request("/keep"));
    assert_eq!(upstream.last().all("host"), ["API.Example:8443"]);
    gateway.send(&request("/own"));
    assert_eq!(
        upstream.last().all("host"),
        [upstream.address().to_string()]
    );
}

#[test]
fn forwarding_fields_are_ours() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let spoofed = Request::get("/open/x")
        .field("X-Forwarded-For", "203.0.113.7")
        .field("X-Forwarded-For", "203.0.113.8")
        .field("X_Forwarded_For", "203.0.113.9")
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "evil.test")
        .field("X-Forwarded-Port", "443")
        .field("Forwarded", "for=203.0.113.7")
        .field("X-Real-IP", "203.0.113.7")
        .field("X-Original-URL", "/admin")
        .field("X-Rewrite-URL", "/admin")
        .field("X-HTTP-Method-Override", "DELETE")
        .field("X-Request-Id", "of-the-client")
        .field("X_Request_Id", "of-the-client");
    assert_eq!(gateway.send(&spoofed).status, 200);
    let seen = upstream.only();
    let ids = seen.like("x-request-id");
    assert!(ids.len() == 1 && ids[0] != b"of-the-client", "{ids:?}");
    assert_eq!(seen.like("x-forwarded-for"), [b"127.0.0.1"]);
    assert_eq!(seen.like("x-forwarded-proto"), [b"http"]);
    assert_eq!(seen.like("x-forwarded-host"), [b"gw.test"]);
    for name in [
        "forwarded",
        "x-forwarded-port",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
    ] {
        assert!(seen.like(name).is_empty(), "{name}");
    }
    let via = seen.all("via");
    assert!(via.len() == 1 && via[0].starts_with("1.1 "), "{via:?}");
}

#[test]
fn a_trusted_proxy_is_believed_and_appended_to() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .route("/open", "auth = \"none\"")
        .start();
    let request = Request::get("/open/x")
        .field("X-Forwarded-For", "198.51.100.1, 203.0.113.7")
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "public.test")
        .field("X-Request-Id", "from-the-proxy");
    let reply = gateway.send(&request);
    let seen = upstream.only();
    assert_eq!(
        seen.all("x-forwarded-for").join(", "),
        "198.51.100.1, 203.0.113.7, 127.0.0.1"
    );
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["public.test"]);
    assert_eq!(seen.all("x-request-id"), ["from-the-proxy"]);
    assert_eq!(reply.status, 200);
    let line = gateway.wait_for_line(|line| line["request_id"] == "from-the-proxy");
    assert_eq!(line["client"], "203.0.113.7");
}

#[test]
fn what_a_proxy_says_of_the_host_never_chooses_the_route() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .route("/api", "hosts = [\"api.test\"]\nauth = \"none\"")
        .start();
    let request = Request::get("/api")
        .field("Host", "other.test")
        .field("X-Forwarded-Host", "api.test")
        .field("X-Original-Host", "api.test")
        .field("Forwarded", "host=api.test");
    assert_eq!(gateway.send(&request).reason(), "no_route");
    assert!(upstream.requests().is_empty());
}

#[test]
fn hop_by_hop_fields_of_every_connection_line_end_here() {
    let upstream = Upstream::scripted(|_| {
        let fields = "Connection: X-Answer-One\r\nConnection: x-answer-two\r\nKeep-Alive: timeout=5\r\n\
                      X-Answer-One: 1\r\nX-Answer-Two: 2\r\nX-Kept: 3\r\n";
        vec![Step::Body, answer("200 OK", fields, "ok")]
    });
    let gateway = gateway(&upstream);
    let request = Request::get("/open/x")
        .field("Connection", "X-One")
        .field("Connection", "keep-alive, x-two")
        .field("X-One", "1")
        .field("X-Two", "2")
        .field("X-Kept", "3")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Connection", "keep-alive")
        .field("Proxy-Authorization", "Basic YTpi")
        .field("Upgrade", "h2c")
        .field("TE", "gzip");
    let reply = gateway.send(&request);
    let seen = upstream.only();
    for name in [
        "connection",
        "x-one",
        "x-two",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
        "te",
    ] {
        assert!(seen.like(name).is_empty(), "{name} at the upstream");
    }
    assert_eq!(seen.all("x-kept"), ["3"]);
    for name in ["x-answer-one", "x-answer-two", "keep-alive"] {
        assert!(reply.all(name).is_empty(), "{name} at the client");
    }
    assert_eq!(reply.all("x-kept"), ["3"]);
}

#[test]
fn the_token_stays_here_unless_the_route_forwards_it() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/api", "")
        .route("/with", "forward_token = true")
        .route("/open", "auth = \"none\"")
        .start();
    let token = alice();
    let bearer = format!("Bearer {token}");
    for (path, seen) in [
        ("/api", None),
        ("/with", Some(&bearer)),
        ("/open", Some(&bearer)),
    ] {
        upstream.forget();
        assert_eq!(gateway.send(&Request::get(path).token(&token)).status, 200);
        let received = upstream.only();
        assert_eq!(received.all("authorization").first(), seen, "{path}");
    }
    assert!(!gateway.log_text().contains(&token), "a token in the log");
}

#[test]
fn claims_reach_the_upstream_as_fields() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/api/x").token(&alice()));
    let seen = upstream.only();
    assert_eq!(seen.like("x-auth-subject"), [b"alice"]);
    assert_eq!(seen.like("x-auth-issuer"), [b"https://issuer.test"]);
    assert_eq!(seen.like("x-auth-scope"), [b"read write"]);
    assert_eq!(seen.like("x-auth-roles"), [b"viewer,editor"]);
    assert_eq!(reply.status, 200);
    let line = gateway.wait_for_line(|line| line["path"] == "/api/x");
    assert_eq!(line["subject"], "alice");
    assert_eq!(line["issuer"], "corp");
    assert_eq!(line["status"], 200);
}

#[test]
fn bodies_of_known_length_pass_both_ways() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for length in [0, 1, 1000, 100_000, 8 << 20] {
        let body: Vec<u8> = (0..=255).cycle().take(length).collect();
        let reply = gateway.send(&Request::post("/api/echo", body.clone()).token(&alice()));
        assert_eq!(reply.status, 200);
        assert!(reply.complete && reply.body == body, "{length} bytes");
        assert_eq!(upstream.last().all("content-length"), [length.to_string()]);
    }
}

#[test]
fn chunked_bodies_and_trailers_pass_both_ways() {
    let upstream = Upstream::scripted(|_| {
        let text = format!(
            "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
        );
        vec![Step::Body, Step::Send(text.into_bytes())]
    });
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let token = alice();
    connection.send(
        format!(
            "POST /api/x HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {token}\r\n\
             TE: trailers\r\nTrailer: X-Sum, X-Auth-Subject\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\nX-Auth-Subject: root\r\nX_Auth_Subject: root\r\n\r\n"
        )
        .as_bytes(),
    );
    let reply = connection.reply("POST").expect("an answer");
    assert!(reply.complete);
    assert_eq!(reply.text(), "abcde");
    assert_eq!(
        reply.trailers,
        [("X-Sum".to_owned().to_lowercase(), "5".to_owned())]
    );
    upstream.wait(|requests| requests.iter().all(|request| request.complete));
    let seen = upstream.only();
    assert_eq!(seen.text(), "hello world");
    let sums: Vec<&[u8]> = seen.trailers.iter().map(|trailer| &trailer.1[..]).collect();
    assert_eq!(sums, [b"11"], "only the trailer that carries no identity");
    assert_eq!(seen.like("x-auth-subject"), [b"alice"]);
}

#[test]
fn a_client_that_waits_for_100_gets_it_when_the_body_is_wanted() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let mut request = Request::post("/api/echo", "hello")
        .token(&alice())
        .field("Expect", "100-continue");
    let bytes = request.bytes();
    let head = bytes.len() - 5;
    connection.send(&bytes[..head]);
    assert_eq!(connection.informational(), 100);
    connection.send(&bytes[head..]);
    let reply = connection.reply("POST").expect("an answer");
    assert_eq!(reply.text(), "hello");

    upstream.forget();
    request.fields.retain(|field| field.0 != "Authorization");
    let mut connection = gateway.connect();
    connection.send(&request.bytes()[..request.bytes().len() - 5]);
    let reply = connection.reply("POST").expect("an answer");
    assert_eq!(
        (reply.status, reply.informational.len()),
        (401, 0),
        "refused without a 100"
    );
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_informational_answer_is_not_taken_for_the_answer() {
    let upstream = Upstream::scripted(|_| {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
        vec![
            Step::Body,
            Step::Send(hints.to_vec()),
            answer("200 OK", "", "ok"),
        ]
    });
    let gateway = gateway(&upstream);
    let reply = gateway.send(&Request::get("/open/x"));
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    for _ in 0..5 {
        let reply = connection.request(&Request::get("/api/x").token(&alice()));
        assert_eq!(reply.text(), "ok");
    }
    // A refusal does not cost the connection.
    assert_eq!(connection.request(&Request::get("/api/x")).status, 401);
    assert_eq!(connection.request(&Request::get("/open/x")).status, 200);
    assert_eq!(upstream.raw().len(), 1, "connections to the upstream");
}

#[test]
fn a_client_that_says_close_is_closed() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let reply = connection.request(&Request::get("/open/x").field("Connection", "close"));
    assert_eq!(reply.text(), "ok");
    assert!(connection.is_closed());
    // What the client wants of its connection is no concern of the upstream's.
    assert!(upstream.only().all("connection").is_empty());
    assert_eq!(gateway.send(&Request::get("/open/x")).status, 200);
    assert_eq!(upstream.raw().len(), 1, "connections to the upstream");
}

#[test]
fn requests_sent_together_are_answered_in_order() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    let mut bytes = Request::post("/open/echo", "one").bytes();
    bytes.extend(Request::get("/api/x").bytes());
    bytes.extend(Request::post("/open/echo", "three").bytes());
    connection.send(&bytes);
    let replies: Vec<_> = (0..3)
        .map(|_| connection.reply("POST").expect("an answer"))
        .collect();
    assert_eq!(replies[0].text(), "one");
    assert_eq!(replies[1].status, 401);
    assert_eq!(replies[2].text(), "three");
}

#[test]
fn a_preflight_passes_where_the_route_says_so() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/deny", "")
        .route("/forward", "preflight = \"forward\"")
        .start();
    let preflight = |path| {
        Request::new("OPTIONS", path)
            .field("Origin", "https://app.test")
            .field("Access-Control-Request-Method", "PUT")
            .field("X-Auth-Subject", "root")
    };
    assert_eq!(gateway.send(&preflight("/deny")).reason(), "missing_token");
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.send(&preflight("/forward")).status, 200);
    assert!(upstream.only().like("x-auth-subject").is_empty());
    assert_eq!(
        gateway.send(&Request::new("OPTIONS", "/forward")).status,
        401,
        "no preflight"
    );
}

#[test]
fn several_upstream_servers_share_the_requests() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let urls = format!("{}\", \"{}", one.url(), two.url());
    let gateway = GatewayBuilder::bare()
        .upstream("both", &urls, "")
        .route_to("both", "/open", "auth = \"none\"")
        .start();
    for _ in 0..40 {
        assert_eq!(gateway.send(&Request::get("/open/x")).status, 200);
    }
    let counts = [one.requests().len(), two.requests().len()];
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn an_answer_reaches_the_client_while_it_is_being_made() {
    let upstream = Upstream::scripted(|_| {
        let text = format!(
            "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        );
        vec![Step::Body, Step::Send(text.into_bytes()), Step::UntilClosed]
    });
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    connection.send(&Request::get("/open/x").bytes());
    connection.wait_for("first");
}

#[test]
fn a_body_reaches_the_upstream_while_it_is_being_sent() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = gateway.connect();
    connection
        .send(b"POST /open/echo HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send(b"5\r\nfirst\r\n");
    upstream.wait(|requests| requests.iter().any(|request| request.text() == "first"));
    connection.send(b"0\r\n\r\n");
    assert_eq!(connection.reply("POST").expect("an answer").text(), "first");
}

#[test]
fn options_for_the_whole_server_have_no_route() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream)
        .route("/", "auth = \"none\"\npreflight = \"forward\"")
        .start();
    let preflight = Request::new("OPTIONS", "*")
        .field("Origin", "https://app.test")
        .field("Access-Control-Request-Method", "GET");
    for request in [Request::new("OPTIONS", "*"), preflight] {
        assert_eq!(gateway.send(&request).reason(), "no_route");
    }
    assert!(upstream.requests().is_empty());
    let reply = gateway.send(&Request::new("OPTIONS", "/x"));
    assert_eq!(
        (reply.status, upstream.only().method()),
        (200, "OPTIONS".to_owned())
    );
}
