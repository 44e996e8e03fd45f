use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::issuer::{Asked, IssuerRequest, IssuerRequests};
use crate::proxy::testing::{Gateway, HEAD, LocalExecutor, field, on_worker, read_until};
use crate::snapshot::Endpoint;

/// Where no upstream is: none of these requests may get to one.
const NOBODY: &str = "127.0.0.1:9";

/// A gateway, and what its issuer would get.
async fn gateway(more: &str) -> (Gateway, IssuerRequests) {
    let upstream: SocketAddr = NOBODY.parse().unwrap();
    let mut gateway = Gateway::start(upstream, more).await;
    let requests = gateway.requests.take().unwrap();
    (gateway, requests)
}

/// Answers the next request, which is handed back without its way to answer.
async fn answer_next(requests: &mut IssuerRequests, answer: Response<&'static str>) -> Handed {
    let request = requests.next().await.unwrap();
    let handed = Handed::of(&request.asked);
    request.reply.send(answer.map(Bytes::from)).unwrap();
    handed
}

/// A request whose client does not wait.
fn waiting() -> IssuerRequest {
    let asked = Asked {
        endpoint: Endpoint::Issuer,
        method: Method::POST,
        path: "/auth/login".into(),
        query: None,
        headers: HeaderMap::new(),
        client: [127, 0, 0, 1].into(),
        secure: false,
        body: Bytes::new(),
    };
    let reply = oneshot::channel().0;
    IssuerRequest { asked, reply }
}

#[derive(Debug, PartialEq, Eq)]
struct Handed {
    endpoint: Endpoint,
    method: Method,
    path: String,
    query: Option<String>,
    client: String,
    secure: bool,
    body: Bytes,
}

impl Handed {
    fn of(asked: &Asked) -> Self {
        Self {
            endpoint: asked.endpoint,
            method: asked.method.clone(),
            path: asked.path.to_string(),
            query: asked.query.as_deref().map(str::to_owned),
            client: asked.client.to_string(),
            secure: asked.secure,
            body: asked.body.clone(),
        }
    }
}

async fn send(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
}

const LOGIN: &str = "POST /auth/login HTTP/1.1\r\nHost: GW.test:8443\r\n";

#[test]
fn a_request_for_the_issuer_is_handed_over_whole_and_recorded() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let mut client = gateway.connect().await;
        let fields = "Cookie: a=1\r\nAuthorization: Basic x\r\nX-Auth-Subject: root\r\n";
        let request = format!(
            "POST /auth/login?next=secret HTTP/1.1\r\nHost: GW.test:8443\r\n{fields}Content-Length: 4\r\n\r\nbody"
        );
        send(&mut client, &request).await;
        let request = requests.next().await.unwrap();
        let handed = Handed {
            endpoint: Endpoint::Issuer,
            method: Method::POST,
            path: "/auth/login".into(),
            query: Some("next=secret".into()),
            client: "127.0.0.1".into(),
            secure: false,
            body: Bytes::from_static(b"body"),
        };
        assert_eq!(Handed::of(&request.asked), handed);
        for (name, value) in [
            ("cookie", "a=1"),
            ("authorization", "Basic x"),
            ("x-auth-subject", "root"),
        ] {
            assert_eq!(request.asked.headers[name], value);
        }
        let answer = Response::builder()
            .status(401)
            .header("cache-control", "no-store")
            .body(Bytes::from_static(b"{}"));
        request.reply.send(answer.unwrap()).unwrap();
        let answer = read_until(&mut client, "{}").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert_eq!(field(&answer, "content-length"), Some("2"));
        assert_eq!(field(&answer, "cache-control"), Some("no-store"));
        let line = gateway.log_line().await;
        assert_eq!(line["request_id"], field(&answer, "x-request-id").unwrap());
        for (name, value) in [
            ("route", "local_issuer"),
            ("path", "/auth/login"),
            ("client", "127.0.0.1"),
        ] {
            assert_eq!(line[name], value, "{line}");
        }
        for (name, value) in [("status", 401), ("bytes_in", 4), ("bytes_out", 2)] {
            assert_eq!(line[name], value, "{line}");
        }
        assert!(!line.to_string().contains("secret"), "{line}");
        // And the connection goes on, to routes as before.
        send(
            &mut client,
            "GET /private HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        )
        .await;
        let next = read_until(&mut client, "}\n").await;
        assert!(next.starts_with("HTTP/1.1 401 ") && next.contains("missing_token"));
        assert_eq!(gateway.log_line().await["route"], "private");
    });
}

#[test]
fn the_issuer_gets_what_is_its_own_and_nothing_else() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        for (target, host, endpoint) in [
            ("/auth", "gw.test", Endpoint::Issuer),
            (
                "/.well-known/oauth-authorization-server/auth",
                "gw.test",
                Endpoint::Issuer,
            ),
            ("/logout/test", "any.test", Endpoint::Logout(0)),
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let (answer, handed) = tokio::join!(
                gateway.bytes(&request),
                answer_next(&mut requests, Response::new("ok"))
            );
            assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
            assert_eq!((&*handed.path, handed.endpoint), (target, endpoint));
            assert_eq!(gateway.log_line().await["route"], "local_issuer");
        }
        for (target, host, status, reason) in [
            ("/auth/login", "other.test", 404, "no_route"),
            ("/authority", "gw.test", 404, "no_route"),
            ("/auth/../auth", "gw.test", 400, "malformed_target"),
            (
                "/auth/login",
                "gw.test\r\nHost: gw.test",
                400,
                "malformed_host",
            ),
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = gateway.bytes(&request).await;
            let line = gateway.log_line().await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert_eq!(line["reason"], reason, "{target}");
            assert!(line["route"].is_null(), "{line}");
        }
    });
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    on_worker(async {
        let (gateway, mut requests) =
            gateway("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]").await;
        let request = format!(
            "{LOGIN}X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Request-Id: abc\r\nConnection: close\r\n\r\n"
        );
        let (answer, handed) = tokio::join!(
            gateway.bytes(&request),
            answer_next(&mut requests, Response::new(""))
        );
        assert_eq!(field(&answer, "x-request-id"), Some("abc"));
        assert_eq!((&*handed.client, handed.secure), ("192.0.2.7", true));
        let line = gateway.log_line().await;
        assert_eq!(
            (&line["client"], &line["request_id"]),
            (&"192.0.2.7".into(), &"abc".into())
        );
    });
}

#[test]
fn a_body_in_parts_is_handed_over_as_one_and_without_trailers() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let request = format!(
            "{LOGIN}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\nx-a: 1\r\n\r\n"
        );
        let (answer, handed) = tokio::join!(
            gateway.bytes(&request),
            answer_next(&mut requests, Response::new("ok"))
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(handed.body, "body");
    });
}

#[test]
fn a_body_that_is_too_large_is_not_handed_over() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let most = "x".repeat(64 * 1024);
        let request = format!(
            "{LOGIN}Connection: close\r\nContent-Length: {}\r\n\r\n{most}",
            most.len()
        );
        let (answer, handed) = tokio::join!(
            gateway.bytes(&request),
            answer_next(&mut requests, Response::new("ok"))
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(handed.body.len(), most.len());
        assert_eq!(gateway.log_line().await["status"], 200);

        for request in [
            format!("{LOGIN}Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n"),
            format!("{LOGIN}Content-Length: 9999999999\r\n\r\n"),
            format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n10001\r\n{most}x\r\n"),
        ] {
            let mut client = gateway.connect().await;
            send(&mut client, &request).await;
            let answer = read_until(&mut client, "}\n").await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
            assert_eq!(field(&answer, "connection"), Some("close"));
            let line = gateway.log_line().await;
            assert_eq!(line["reason"], "body_too_large");
            assert_eq!(line["route"], "local_issuer");
        }
        drop(gateway);
    });
}

#[test]
fn who_waits_for_100_is_asked_for_the_body() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let mut client = gateway.connect().await;
        let head = format!("{LOGIN}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        send(&mut client, &head).await;
        assert_eq!(
            read_until(&mut client, HEAD).await,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        send(&mut client, "body").await;
        let handed = answer_next(&mut requests, Response::new("ok")).await;
        assert_eq!(handed.body, "body");
        let answer = read_until(&mut client, "ok").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
}

#[test]
fn a_body_has_one_time_for_all_of_it() {
    on_worker(async {
        let (gateway, mut requests) =
            gateway("[server.limits]\nbody_idle_timeout = \"300ms\"").await;
        let mut client = gateway.connect().await;
        send(&mut client, &format!("{LOGIN}Content-Length: 1000\r\n\r\n")).await;
        let dripping = async {
            // Never silent for as long as the limit, and never at its end.
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let line = tokio::select! {
            () = dripping => gateway.log_line().await,
            line = gateway.log_line() => line,
        };
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&408.into(), &"request_timeout".into())
        );
        let silent = format!("{LOGIN}Content-Length: 9\r\n\r\nhalf");
        let answer = gateway.bytes(&silent).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
        let none = tokio::time::timeout(Duration::ZERO, requests.next()).await;
        assert!(none.is_err(), "half a body is nobody's");
    });
}

#[test]
fn answers_without_a_body_have_none() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let head = "HEAD /auth/jwks.json HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
        let (answer, handed) = tokio::join!(
            gateway.bytes(head),
            answer_next(&mut requests, Response::new("{}"))
        );
        assert_eq!(handed.method, Method::HEAD);
        assert!(answer.ends_with(HEAD), "{answer}");
        assert_eq!(field(&answer, "content-length"), Some("2"));
        let none = Response::builder().status(204).body("").unwrap();
        let request = format!("{LOGIN}Connection: close\r\n\r\n");
        let (answer, _) = tokio::join!(gateway.bytes(&request), answer_next(&mut requests, none));
        assert!(
            answer.starts_with("HTTP/1.1 204 ") && answer.ends_with(HEAD),
            "{answer}"
        );
        assert_eq!(field(&answer, "content-length"), None);
    });
}

#[test]
fn an_issuer_that_fails_or_has_too_much_to_do_is_500_or_503() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let request = format!("{LOGIN}Connection: close\r\n\r\n");
        let (answer, ()) = tokio::join!(gateway.bytes(&request), async {
            drop(requests.next().await);
        });
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert_eq!(gateway.log_line().await["reason"], "internal");
        while gateway.worker.shared.issuer.try_send(waiting()).is_ok() {}
        let full = gateway.bytes(&request).await;
        assert!(full.starts_with("HTTP/1.1 503 "), "{full}");
        assert!(field(&full, "retry-after").is_some(), "{full}");
        assert_eq!(gateway.log_line().await["reason"], "overloaded");
    });
}

#[test]
fn a_client_that_goes_away_is_not_answered() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let mut client = gateway.connect().await;
        send(&mut client, &format!("{LOGIN}\r\n")).await;
        let mut request = requests.next().await.unwrap();
        drop(client);
        request.reply.closed().await;
        let line = gateway.log_line().await;
        assert_eq!(
            (&line["status"], &line["route"]),
            (&499.into(), &"local_issuer".into())
        );
        // In the middle of its body it never gets there.
        let mut client = gateway.connect().await;
        send(
            &mut client,
            &format!("{LOGIN}Content-Length: 9\r\n\r\nhalf"),
        )
        .await;
        drop(client);
        gateway.log_line().await;
        let none = tokio::time::timeout(Duration::ZERO, requests.next()).await;
        assert!(none.is_err());
    });
}

#[test]
fn a_draining_gateway_still_answers_and_closes() {
    on_worker(async {
        let (gateway, mut requests) = gateway("").await;
        let mut client = gateway.connect().await;
        send(&mut client, &format!("{LOGIN}\r\n")).await;
        let request = requests.next().await.unwrap();
        let draining = &gateway.worker.shared.draining;
        draining.store(true, Ordering::Relaxed);
        request
            .reply
            .send(Response::new(Bytes::from_static(b"ok")))
            .unwrap();
        let answer = read_until(&mut client, "ok").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
    });
}

#[test]
fn the_same_over_http_2() {
    on_worker(async {
        let upstream: SocketAddr = NOBODY.parse().unwrap();
        let mut gateway = Gateway::start_http2(upstream).await;
        let mut requests = gateway.requests.take().unwrap();
        let io = TokioIo::new(gateway.connect().await);
        let handshake = hyper::client::conn::http2::handshake(LocalExecutor, io).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::task::spawn_local(connection);
        let request = |method: Method, body: Vec<u8>| {
            let request = Request::builder().method(method);
            let request = request.uri("https://gw.test/auth/token?secret");
            (request, Full::new(Bytes::from(body)))
        };

        let (head, body) = request(Method::POST, b"body".to_vec());
        let (answer, handed) = tokio::join!(
            sender.send_request(head.body(body).unwrap()),
            answer_next(&mut requests, Response::new("ok"))
        );
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &*handed.body),
            (200, &b"body"[..])
        );
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(handed.query.as_deref(), Some("secret"));
        assert_eq!(gateway.log_line().await["route"], "local_issuer");

        let (head, body) = request(Method::POST, vec![b'x'; 64 * 1024 + 1]);
        let answer = sender.send_request(head.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 413);
        assert_eq!(gateway.log_line().await["reason"], "body_too_large");

        let (mut head, body) = request(Method::GET, Vec::new());
        for number in 0..101 {
            head = head.header(format!("x-{number}"), "1");
        }
        let answer = sender.send_request(head.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 431);
        assert_eq!(gateway.log_line().await["reason"], "head_too_large");
    });
}
