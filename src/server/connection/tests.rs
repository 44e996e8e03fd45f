use std::time::Instant;

use http_body_util::{BodyExt as _, Either};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::Notify;

use crate::config::BadSignatureLimits;

use super::*;

mod endings;
mod resting;
pub(crate) mod stand_in;
mod time_and_size;

use stand_in::service;

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
        bad_signatures: BadSignatureLimits::default(),
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
        let (client, stream) = sockets().await;
        let io = |state: &_| ClientIo::plain(stream, state, Box::new(()));
        (Self::serve(io, protocol, limits).await, client)
    }

    async fn serve(
        io: impl FnOnce(&ConnectionState) -> ClientIo,
        protocol: Protocol,
        limits: Limits,
    ) -> Self {
        let start = Instant::now();
        let surroundings = Surroundings {
            deadlines: Deadlines::new(start),
            stages: Rc::new(Stages::new()),
        };
        let state = ConnectionState::new();
        let io = io(&state);
        let go = Rc::new(Notify::new());
        let service = {
            let go = Rc::clone(&go);
            let answer = move |request| answer(request, Rc::clone(&go));
            service(Rc::clone(&state), Rc::clone(&surroundings.stages), answer)
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
        server
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

/// Both ends of a connection.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, (server, _)) = tokio::try_join!(client, listener.accept()).unwrap();
    for end in [&client, &server] {
        end.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// `/wait` answers after a permit, `/big` without an end, `/panic` never, `/early` before it reads the request's body,
/// which takes a permit; everything else says its target.
async fn answer(request: Request<Incoming>, go: Rc<Notify>) -> Response<Either<Full, Endless>> {
    let target = request.uri().path().to_owned();
    match target.as_str() {
        "/wait" => go.notified().await,
        "/big" => return Response::new(Either::Right(Endless)),
        "/early" => {
            tokio::task::spawn_local(async move {
                go.notified().await;
                let read = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(read, "onetwothree");
                go.notify_one();
            });
        }
        "/panic" => panic!("a fault in a request (this is a test)"),
        _ => {}
    }
    Response::new(Either::Left(Full::from(target)))
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            &[0; 1 << 14],
        )))))
    }
}

fn runtime() -> LocalRuntime {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap()
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = runtime();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    runtime.block_on(limited).expect("in time")
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
