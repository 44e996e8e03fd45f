use std::pin::pin;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{caught, serve};
use crate::proxy::testing::{Gateway, HEAD, OK, Upstream, field, on_worker, read_until, token};

mod going_away;
mod http2;

#[test]
fn a_request_reaches_the_upstream_byte_for_byte() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let request = format!(
            "GET /private/a%20b/%C3%A9;x?q=%2F..%2F&q HTTP/1.1\r\nHost: API.test:81\r\nAuthorization: Bearer {}\r\n\
             X-Auth-Subject: root\r\nx_auth_subject: root\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
             X-Request-Id: mine\r\nTE: trailers\r\n\r\n",
            token()
        );
        let answer = gateway.bytes(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhi"),
            "{answer}"
        );
        assert_eq!(field(&answer, "via"), Some("1.1 portcullis"));
        let heard = upstream.heard().pop().unwrap();
        assert!(
            heard.starts_with("GET /private/a%20b/%C3%A9;x?q=%2F..%2F&q HTTP/1.1\r\n"),
            "{heard}"
        );
        assert_eq!(field(&heard, "host"), Some("API.test:81"));
        assert_eq!(field(&heard, "x-auth-subject"), Some("alice"));
        assert_eq!(field(&heard, "x-request-id").unwrap().len(), 26);
        assert_eq!(
            field(&answer, "x-request-id"),
            field(&heard, "x-request-id")
        );
        assert_eq!(field(&heard, "connection"), Some("te"));
        assert_eq!(field(&heard, "via"), Some("1.1 portcullis"));
        for absent in [
            "authorization",
            "x-hop",
            "content-length",
            "transfer-encoding",
            "x_auth_subject",
        ] {
            assert_eq!(field(&heard, absent), None, "{absent}");
        }
        assert!(!heard.contains("root"), "{heard}");
        let line = gateway.log_line().await;
        assert_eq!(line["request_id"], *field(&heard, "x-request-id").unwrap());
        assert_eq!(line["path"], "/private/a%20b/%C3%A9;x");
        for (name, value) in [("status", 200), ("bytes_in", 0), ("bytes_out", 2)] {
            assert_eq!(line[name], value, "{line}");
        }
        for (name, value) in [
            ("route", "private"),
            ("issuer", "test"),
            ("subject", "alice"),
            ("host", "API.test:81"),
            ("method", "GET"),
        ] {
            assert_eq!(line[name], value, "{line}");
        }
        assert!(
            line["reason"].is_null() && line["upstream_seconds"].is_number(),
            "{line}"
        );
    });
}

#[test]
fn framing_stays_what_it_was() {
    on_worker(async {
        let chunked = "4\r\nbody\r\n0\r\n\r\n";
        for (request, framing, body) in [
            (
                "POST /public HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
                ("content-length", "4"),
                "body",
            ),
            (
                "GET /public HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
                ("content-length", "4"),
                "body",
            ),
            (
                "POST /public HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
                ("transfer-encoding", "chunked"),
                "bo",
            ),
            (
                "GET /public HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
                ("transfer-encoding", "chunked"),
                chunked,
            ),
            (
                "POST /public HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
                ("content-length", "0"),
                "",
            ),
        ] {
            let end = if body.is_empty() { HEAD } else { "dy" };
            let upstream = Upstream::start(end, OK).await;
            let gateway = Gateway::start(upstream.address, "").await;
            let mut client = gateway.connect().await;
            client.write_all(request.as_bytes()).await.unwrap();
            assert!(
                read_until(&mut client, "hi")
                    .await
                    .starts_with("HTTP/1.1 200")
            );
            let heard = upstream.heard().pop().unwrap();
            assert_eq!(field(&heard, framing.0), Some(framing.1), "{heard}");
            assert_eq!(
                heard.matches("content-length").count() + heard.matches("transfer-enc").count(),
                1
            );
            assert!(heard.contains(body), "{heard}");
            let log = gateway.log_line().await;
            assert_eq!(log["bytes_in"], if body.is_empty() { 0 } else { 4 });
        }
    });
}

#[test]
fn a_body_over_the_limit_is_413_and_by_its_length_before_anything_is_sent() {
    on_worker(async {
        let upstream = Upstream::start("never", "").await;
        let gateway =
            Gateway::start(upstream.address, "[server.limits]\nbody_bytes = \"1KiB\"").await;
        let long = "x".repeat(1025);
        let sized =
            format!("POST /public HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n{long}");
        let mut client = gateway.connect().await;
        client.write_all(sized.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "}\n").await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(upstream.heard().is_empty());
        assert_eq!(gateway.log_line().await["reason"], "body_too_large");

        let chunked = format!(
            "POST /public HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n{long}\r\n"
        );
        client.write_all(chunked.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "request_id").await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
        assert_eq!(gateway.log_line().await["status"], 413);
    });
}

#[test]
fn a_refused_body_is_read_off_if_short_and_ends_the_connection_if_long() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let mut client = gateway.connect().await;
        client
            .write_all(b"POST /private HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
            .await
            .unwrap();
        let refusal = read_until(&mut client, "}\n").await;
        assert!(refusal.starts_with("HTTP/1.1 401 "), "{refusal}");
        assert_eq!(field(&refusal, "connection"), None);
        client
            .write_all(b"GET /GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let next = read_until(&mut client, "hi").await;
        assert!(next.starts_with("HTTP/1.1 200 "), "{next}");

        let head = "POST /private HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
        let answer = gateway
            .bytes(&format!("{head}GET /public HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert_eq!(upstream.heard().len(), 1);
    });
}

#[test]
fn who_waits_for_100_gets_the_refusal_or_100_when_the_upstream_takes_the_body() {
    on_worker(async {
        let upstream = Upstream::start("body", OK).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let head =
            "POST /private HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n";
        let answer = gateway.bytes(&format!("{head}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));

        let mut client = gateway.connect().await;
        let head = format!("{head}Authorization: Bearer {}\r\n\r\n", token());
        client.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(
            read_until(&mut client, HEAD).await,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        client.write_all(b"body").await.unwrap();
        assert!(
            read_until(&mut client, "hi")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        assert_eq!(field(&upstream.heard()[0], "expect"), None);
    });
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_clients_transfer() {
    on_worker(async {
        for script in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ] {
            let upstream = Upstream::start(HEAD, script).await;
            let gateway = Gateway::start(upstream.address, "").await;
            let answer = gateway
                .bytes("GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
                .await;
            assert!(answer.contains("half"), "{answer}");
            assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
            let line = gateway.log_line().await;
            assert_eq!(line["status"], 200);
            assert_eq!(line["reason"], "upstream_failed");
        }
    });
}

#[test]
fn an_upstream_that_fails_is_502_or_504() {
    on_worker(async {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = closed.local_addr().unwrap();
        drop(closed);
        let silent = Upstream::start("never", "").await;
        let babbling = Upstream::start(HEAD, "what?\r\n\r\n").await;
        let unasked =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let unasked = Upstream::start(HEAD, unasked).await;
        for (address, status, reason) in [
            (nobody, 502, "upstream_unreachable"),
            (silent.address, 504, "upstream_timeout"),
            (babbling.address, 502, "upstream_failed"),
            (unasked.address, 502, "upstream_failed"),
        ] {
            let gateway = Gateway::start(address, "").await;
            let request = "GET /public HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            let answer = gateway.bytes(request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(
                answer.contains(&format!(r#""reason":"{reason}""#)),
                "{answer}"
            );
            let line = gateway.log_line().await;
            assert_eq!(
                (&line["status"], &line["reason"]),
                (&status.into(), &reason.into())
            );
            assert!(line["detail"].is_string(), "{line}");
        }
    });
}

#[test]
fn a_body_that_stops_coming_is_408() {
    on_worker(async {
        let upstream = Upstream::start("never", "").await;
        let more = "[server.limits]\nbody_idle_timeout = \"200ms\"";
        let gateway = Gateway::start(upstream.address, more).await;
        let request = "POST /public HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf";
        let answer = gateway.bytes(request).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
        assert_eq!(gateway.log_line().await["reason"], "request_timeout");
    });
}

#[test]
fn trailers_pass_without_claims_both_ways() {
    on_worker(async {
        let script = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, x-auth-subject\r\n\r\n\
                      2\r\nhi\r\n0\r\nx-sum: 2\r\nx-auth-subject: root\r\n\r\n";
        let upstream = Upstream::start("x-sum: 1", script).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let request = "POST /public HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTrailer: X-Sum, X-Auth-Subject\r\n\
                       Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Auth-Subject: root\r\nX-Sum: 1\r\n\r\n";
        let mut client = gateway.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "x-sum: 2\r\n\r\n").await;
        assert!(answer.ends_with("0\r\nx-sum: 2\r\n\r\n"), "{answer}");
        let heard = upstream.heard().pop().unwrap();
        assert!(heard.contains("0\r\nx-sum: 1"), "{heard}");
        assert!(
            !heard.contains("root") && !answer.contains("root"),
            "{heard} {answer}"
        );
    });
}

#[test]
fn a_websocket_is_joined_after_the_upstreams_101() {
    on_worker(async {
        let script = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                      Sec-WebSocket-Accept: x\r\n\r\nfrom upstream";
        let upstream = Upstream::start(HEAD, script).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let request = "GET /public/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut client = gateway.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "from upstream").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(field(&answer, "upgrade"), Some("websocket"));
        assert_eq!(field(&answer, "connection"), Some("upgrade"));
        assert_eq!(field(&answer, "sec-websocket-accept"), Some("x"));
        let heard = upstream.heard().pop().unwrap();
        assert_eq!(field(&heard, "connection"), Some("upgrade"));
        assert_eq!(field(&heard, "upgrade"), Some("websocket"));
        client.write_all(b"four").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
        let line = gateway.log_line().await;
        assert_eq!(line["status"], 101);
        assert_eq!(line["bytes_out"], 13, "{line}");
    });
}

#[test]
fn an_upstream_may_refuse_a_websocket() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let request = "GET /public/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut client = gateway.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        assert!(
            read_until(&mut client, "hi")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        client
            .write_all(b"GET /private HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let next = read_until(&mut client, "}\n").await;
        assert!(next.starts_with("HTTP/1.1 401 "), "{next}");
    });
}

#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    on_worker(async {
        let upstream =
            Upstream::start(HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        let gateway = Gateway::start(upstream.address, "").await;
        let head =
            |path: &str| format!("HEAD {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = gateway.bytes(&head("/public")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(HEAD),
            "{answer}"
        );
        assert_eq!(field(&answer, "content-length"), Some("1000"));
        assert_eq!(gateway.log_line().await["status"], 200);
        let refusal = gateway.bytes(&head("/private")).await;
        assert!(
            refusal.starts_with("HTTP/1.1 401 ") && refusal.ends_with(HEAD),
            "{refusal}"
        );
        assert_ne!(field(&refusal, "content-length"), Some("0"));
        assert_eq!(gateway.log_line().await["reason"], "missing_token");
    });
}

#[test]
fn a_draining_gateway_closes_after_the_answer() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let gateway = Gateway::start(upstream.address, "").await;
        gateway
            .worker
            .shared
            .draining
            .store(true, Ordering::Relaxed);
        let answer = gateway
            .bytes("GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
    });
}

#[test]
fn a_trusted_proxys_request_id_is_kept() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let more = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]";
        let gateway = Gateway::start(upstream.address, more).await;
        let request = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: h\r\nX-Request-Id: abc\r\nConnection: close\r\n\r\n"
            )
        };
        gateway.bytes(&request("/public")).await;
        assert_eq!(field(&upstream.heard()[0], "x-request-id"), Some("abc"));
        assert_eq!(gateway.log_line().await["request_id"], "abc");
        let refusal = gateway.bytes(&request("/private")).await;
        assert_eq!(field(&refusal, "x-request-id"), Some("abc"));
        assert!(refusal.contains(r#""request_id":"abc""#), "{refusal}");
    });
}

#[test]
fn an_http_1_0_client_gets_what_it_understands() {
    on_worker(async {
        let script = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let upstream = Upstream::start(HEAD, script).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let answer = gateway.bytes("GET /public HTTP/1.0\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\nhi"),
            "{answer}"
        );
        let heard = upstream.heard().pop().unwrap();
        assert!(heard.starts_with("GET /public HTTP/1.1\r\n"), "{heard}");
        assert_eq!(field(&heard, "host"), Some(&*upstream.address.to_string()));
    });
}

#[test]
fn a_panic_is_a_refusal_of_one_request() {
    on_worker(async {
        let fine = caught(pin!(async { Ok(1) })).await;
        assert_eq!(fine.unwrap(), 1);
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("for the test")
        };
        let rejection = caught::<()>(pin!(panicking)).await.unwrap_err();
        assert_eq!(rejection.reason, crate::gate::Reason::Internal);
    });
}

#[test]
fn a_request_in_flight_takes_little_memory() {
    fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }
    // A connection keeps room for one, idle or not.
    let bytes = size(serve);
    assert!(bytes <= 3 * 1024, "{bytes}");
}
