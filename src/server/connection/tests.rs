use std::time::Instant;

use http_body_util::{BodyExt as _, Either};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

use super::*;

/// Limits that no test reaches by accident.
pub(crate) fn limits() -> Limits {
    let long = Duration::from_hours(1);
    Limits {
        connections: 1000,
        connections_per_client: None,
        connection_age: None,
        header_bytes: 64 * 1024,
        header_count: 100,
        header_timeout: long,
        idle_timeout: long,
        handshake_timeout: long,
        body_bytes: None,
        body_idle_timeout: long,
        write_timeout: long,
        streams: 100,
        token_bytes: 16 * 1024,
        upgrade_idle_timeout: long,
        drain_delay: Duration::ZERO,
        drain_timeout: long,
    }
}

const SECOND: Duration = Duration::from_secs(1);

type Full = http_body_util::Full<Bytes>;

/// A server of one connection, with a clock of its own.
struct Server {
    surroundings: Surroundings,
    start: Instant,
    ended: tokio::task::JoinHandle<Ended>,
    /// Permits for `/wait`.
    go: Rc<Notify>,
}

impl Server {
    async fn start(protocol: Protocol, limits: Limits) -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let start = Instant::now();
        let surroundings = Surroundings {
            deadlines: Deadlines::new(start),
            stages: Rc::new(Stages::new()),
        };
        let state = ConnectionState::new();
        let io = ClientIo::plain(stream, &state, Box::new(()));
        let go = Rc::new(Notify::new());
        let service = {
            let go = Rc::clone(&go);
            move |request| answer(request, Rc::clone(&go))
        };
        let around = surroundings.clone();
        let ended = tokio::task::spawn_local(async move {
            serve_connection(io, protocol, state, &limits, &around, service).await
        });
        let server = Self {
            surroundings,
            start,
            ended,
            go,
        };
        server.settle().await;
        (server, client)
    }

    /// Lets everything run that can.
    async fn settle(&self) {
        // Loopback delivers at once, but the reactor has to look.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// It is so long after the start.
    async fn at(&self, after: Duration) {
        self.settle().await;
        self.surroundings.deadlines.sweep(self.start + after);
        self.settle().await;
    }

    async fn stage(&self, stage: Stage) {
        self.settle().await;
        self.surroundings.stages.set(stage);
        self.surroundings.deadlines.wake_all();
        self.settle().await;
    }

    fn is_open(&self) -> bool {
        !self.ended.is_finished()
    }
}

/// `/wait` answers after a permit, `/big` without an end, `/panic` never; everything else says its target.
async fn answer(
    request: Request<Incoming>,
    go: Rc<Notify>,
) -> Result<Response<Either<Full, Endless>>, Infallible> {
    let target = request.uri().path().to_owned();
    match target.as_str() {
        "/wait" => go.notified().await,
        "/big" => return Ok(Response::new(Either::Right(Endless))),
        "/panic" => panic!("a fault in a request (this is a test)"),
        _ => {}
    }
    Ok(Response::new(Either::Left(Full::from(target))))
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            &[0; 1 << 14],
        )))))
    }
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(test)
}

async fn to_end(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = client.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// The next response of a connection that stays open; its body is the target.
async fn response(client: &mut TcpStream, target: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(target.as_bytes()) {
        let byte = client
            .read_u8()
            .await
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&text)));
        text.push(byte);
    }
    String::from_utf8(text).unwrap()
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_slow_head_is_answered_408() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        server.at(SECOND * 5).await;
        client.write_all(b"X: y\r\n").await.unwrap();
        server.at(SECOND * 10).await;
        assert!(server.is_open());
        server.at(SECOND * 16).await;
        let text = to_end(&mut client).await;
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Timeout));
    });
}

#[test]
fn a_head_is_measured_from_its_first_byte_and_not_from_each() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        client.write_all(GET).await.unwrap();
        response(&mut client, "/a").await;
        server.at(SECOND * 100).await;
        for second in 1..=10 {
            client.write_all(b"X").await.unwrap();
            server.at(SECOND * (100 + second)).await;
            assert!(server.is_open(), "{second}");
        }
        server.at(SECOND * 111).await;
        assert!(!server.is_open());
    });
}

#[test]
fn a_connection_without_a_byte_closes_silently() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        server.at(SECOND * 11).await;
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn an_idle_connection_closes_and_requests_count_anew() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                idle_timeout: SECOND * 75,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            for round in 0..3 {
                assert_eq!(client.get("/a").await.unwrap(), "/a");
                server.at(SECOND * 74 * (round + 1)).await;
                assert!(server.is_open(), "{protocol:?} {round}");
            }
            server.at(SECOND * (74 * 3 + 2)).await;
            assert!(!server.is_open(), "{protocol:?}");
            assert_eq!(server.ended.await.unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_request_that_is_served_has_no_deadline_here() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                idle_timeout: SECOND,
                header_timeout: SECOND,
                write_timeout: SECOND,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let client = Client::new(protocol, client).await;
            let waiting = client.spawn("/wait");
            server.at(SECOND * 1000).await;
            assert!(server.is_open());
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
        });
    }
}

#[test]
fn an_http2_connection_is_idle_when_its_only_stream_was_reset() {
    run(async {
        let limits = Limits {
            idle_timeout: SECOND * 75,
            ..limits()
        };
        let (server, client) = Server::start(Protocol::Http2, limits).await;
        let client = Client::new(Protocol::Http2, client).await;
        let Client::Two(sender) = &client else {
            unreachable!("HTTP/2 was asked for")
        };
        // Without a second handle the client would close the connection.
        let _sender = sender.clone();
        let waiting = client.spawn("/wait");
        server.at(SECOND * 1000).await;
        // Dropping the request resets the stream.
        waiting.abort();
        server.at(SECOND * 1001).await;
        server.at(SECOND * 1074).await;
        assert!(server.is_open());
        server.at(SECOND * 1078).await;
        assert!(!server.is_open());
    });
}

#[test]
fn a_client_that_takes_nothing_of_a_response_is_cut() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                write_timeout: SECOND * 30,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            // Over HTTP/2 the connection goes on, and only the stream's window is full.
            let _held = client.begin("/big").await;
            for _ in 0..50 {
                server.settle().await;
            }
            server.at(SECOND * 10).await;
            server.at(SECOND * 29).await;
            assert!(server.is_open(), "{protocol:?}");
            server.at(SECOND * 41).await;
            assert!(!server.is_open(), "{protocol:?}");
            assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Timeout));
        });
    }
}

#[test]
fn what_hyper_refuses_is_counted() {
    let mut many = b"GET / HTTP/1.1\r\n".to_vec();
    many.extend(b"X: y\r\n".repeat(101));
    many.extend(b"\r\n");
    let mut few = b"GET / HTTP/1.1\r\n".to_vec();
    few.extend(b"X: y\r\n".repeat(6));
    few.extend(b"\r\n");
    let large = [b"GET / HTTP/1.1\r\nX: ", &[b'y'; 70_000][..], b"\r\n\r\n"].concat();
    let middle = [b"GET / HTTP/1.1\r\nX: ", &[b'y'; 3000][..], b"\r\n\r\n"].concat();
    let long = [b"GET /", &[b'y'; 66_000][..], b" HTTP/1.1\r\n\r\n"].concat();
    let small = Limits {
        header_bytes: 2048,
        header_count: 5,
        ..limits()
    };
    let roomy = Limits {
        header_bytes: 128 * 1024,
        ..limits()
    };
    for (request, limits, status) in [
        (&b"\0"[..], limits(), 400),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", limits(), 400),
        (&many, limits(), 431),
        (&few, small.clone(), 431),
        (&large, limits(), 431),
        (&middle, small, 431),
        (&long, roomy, 414),
    ] {
        run(async {
            let (server, mut client) = Server::start(Protocol::Http1, limits).await;
            let _ = client.write_all(request).await;
            let text = to_end(&mut client).await;
            assert!(
                text.starts_with(&format!("HTTP/1.1 {status} ")),
                "{status}: {text}"
            );
            assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Malformed));
        });
    }
    run(async {
        let (server, mut client) = Server::start(Protocol::Http2, limits()).await;
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x05\x04\0\0\0\0\0hello")
            .await
            .unwrap();
        to_end(&mut client).await;
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Malformed));
    });
}

#[test]
fn during_the_delay_requests_are_served_and_connections_told_to_close() {
    run(async {
        let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
        client.write_all(GET).await.unwrap();
        assert!(
            !response(&mut client, "/a")
                .await
                .contains("connection: close")
        );
        server.stage(Stage::Delay).await;
        assert!(server.is_open(), "a request may be on its way");
        client.write_all(GET).await.unwrap();
        let text = to_end(&mut client).await;
        assert!(
            text.contains("connection: close\r\n") && text.ends_with("/a"),
            "{text}"
        );
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_drain_finishes_what_is_being_served() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let (server, client) = Server::start(protocol, limits()).await;
            let client = Client::new(protocol, client).await;
            let waiting = client.spawn("/wait");
            server.stage(Stage::Draining).await;
            assert!(server.is_open());
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "{protocol:?}");
        });
    }
}

#[test]
fn a_drain_closes_idle_connections_and_waits_a_moment_for_fresh_ones() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let (server, client) = Server::start(protocol, limits()).await;
            let mut client = Client::new(protocol, client).await;
            client.get("/a").await.unwrap();
            server.stage(Stage::Draining).await;
            assert_eq!(server.ended.await.unwrap(), Ok(()), "idle, {protocol:?}");

            let (server, client) = Server::start(protocol, limits()).await;
            let mut client = Client::new(protocol, client).await;
            server.stage(Stage::Draining).await;
            assert!(server.is_open(), "fresh, {protocol:?}");
            assert_eq!(client.get("/a").await.unwrap(), "/a");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "used, {protocol:?}");

            let (server, client) = Server::start(protocol, limits()).await;
            let _client = Client::new(protocol, client).await;
            server.stage(Stage::Draining).await;
            server.at(SECOND * 2).await;
            assert_eq!(
                server.ended.await.unwrap(),
                Ok(()),
                "nothing came, {protocol:?}"
            );
        });
    }
}

#[test]
fn a_head_that_has_begun_is_served_in_a_drain() {
    run(async {
        let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
        client.write_all(GET).await.unwrap();
        response(&mut client, "/a").await;
        let (front, back) = GET.split_at(10);
        client.write_all(front).await.unwrap();
        server.stage(Stage::Draining).await;
        client.write_all(back).await.unwrap();
        let text = to_end(&mut client).await;
        assert!(
            text.contains("connection: close\r\n") && text.ends_with("/a"),
            "{text}"
        );
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn an_old_connection_is_told_to_go_after_its_request() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                connection_age: Some(SECOND * 60),
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            client.get("/a").await.unwrap();
            server.at(SECOND * 59).await;
            assert!(server.is_open());
            let waiting = client.spawn("/wait");
            server.at(SECOND * 61).await;
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "{protocol:?}");
        });
    }
}

#[test]
fn a_panic_ends_its_stream_alone() {
    run(async {
        let (server, client) = Server::start(Protocol::Http2, limits()).await;
        let mut client = Client::new(Protocol::Http2, client).await;
        assert!(client.get("/panic").await.is_err());
        assert_eq!(client.get("/a").await.unwrap(), "/a");
        assert!(server.is_open());
    });
}

#[test]
fn whoever_is_turned_away_over_plaintext_reads_why() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(GET).await.unwrap();
        let deadlines = Deadlines::new(Instant::now());
        let turned_away = tokio::task::spawn_local(async move {
            super::super::handle::turn_away(stream, &deadlines).await;
        });
        let text = to_end(&mut client).await;
        assert!(
            text.starts_with("HTTP/1.1 503 ") && text.contains("Connection: close\r\n"),
            "{text}"
        );
        drop(client);
        turned_away.await.unwrap();
    });
}

/// hyper's client of either protocol.
enum Client {
    One(hyper::client::conn::http1::SendRequest<Full>),
    Two(hyper::client::conn::http2::SendRequest<Full>),
}

impl Client {
    async fn new(protocol: Protocol, stream: TcpStream) -> Self {
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
                tokio::task::spawn_local(connection);
                Self::One(sender)
            }
            Protocol::Http2 => {
                let mut builder = hyper::client::conn::http2::Builder::new(LocalClient);
                builder.initial_connection_window_size(1 << 24);
                let (sender, connection) = builder.handshake(io).await.unwrap();
                tokio::task::spawn_local(connection);
                Self::Two(sender)
            }
        }
    }

    async fn begin(&mut self, target: &str) -> hyper::Result<Response<Incoming>> {
        let request = Request::get(format!("http://gw.test{target}")).header("host", "gw.test");
        let request = request.body(Full::default()).unwrap();
        match self {
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Two(sender) => sender.send_request(request).await,
        }
    }

    /// Asks in a task of its own, so that the request is sent at once.
    fn spawn(mut self, target: &'static str) -> tokio::task::JoinHandle<hyper::Result<String>> {
        tokio::task::spawn_local(async move { self.get(target).await })
    }

    async fn get(&mut self, target: &str) -> hyper::Result<String> {
        let body = self
            .begin(target)
            .await?
            .into_body()
            .collect()
            .await?
            .to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[derive(Clone)]
struct LocalClient;

impl<F> hyper::rt::Executor<F> for LocalClient
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
