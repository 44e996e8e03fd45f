//! For tests: one worker on loopback, an upstream that plays a script, a client that sees every byte.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::gate::{Peer, Reason};
use crate::issuer::{IssuerHandle, IssuerRequests};
use crate::jwt::{Algorithm, SigningKey};
use crate::metrics::{Metrics, WorkerId};
use crate::net::{ClientIo, ConnectionState, Deadlines};
use crate::revocation::RevocationSet;
use crate::secret::Secret;
use crate::snapshot::{Fixtures, Snapshot};
use crate::upstream::Pools;

use super::{
    AccessLog, AccessLogSink, ConnectionContext, Publisher, SharedState, WorkerContext,
    WorkerLocal, access_log, serve,
};

/// An upstream's shortest answer with a body.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// What ends a head.
pub(super) const HEAD: &str = "\r\n\r\n";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Runs a test as a worker runs, and not forever.
pub(super) fn on_worker<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    local.block_on(&runtime, limited).expect("in time");
}

/// A worker that serves, and what it logged.
pub(super) struct Gateway {
    pub(super) worker: Rc<WorkerContext>,
    address: std::net::SocketAddr,
    log: mpsc::Receiver<Vec<u8>>,
    /// What the worker hands to the issuer, until a test takes it.
    pub(super) requests: Option<IssuerRequests>,
}

struct LogTo(mpsc::Sender<Vec<u8>>);

impl AccessLogSink for LogTo {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.0
            .send(lines.to_vec())
            .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Gateway {
    /// `/public` without and `/private` with tokens, both to `upstream`; `more` is added to the configuration.
    pub(super) async fn start(upstream: std::net::SocketAddr, more: &str) -> Self {
        Self::start_as(upstream, more, false).await
    }

    /// The same, over HTTP/2.
    pub(super) async fn start_http2(upstream: std::net::SocketAddr) -> Self {
        Self::start_as(upstream, "", true).await
    }

    async fn start_as(upstream: std::net::SocketAddr, more: &str, http2: bool) -> Self {
        let (sink, log) = mpsc::channel();
        let log_to: Box<dyn AccessLogSink> = Box::new(LogTo(sink));
        let (issuer, requests) = IssuerHandle::channel();
        let worker = worker_with(
            upstream,
            more,
            access_log(Some(log_to), true, Arc::new(|_| {})),
            issuer,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ticking = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                ticking.deadlines.sweep(Instant::now());
                ticking.access_log.flush();
            }
        });
        let serving = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::task::spawn_local(connection(Rc::clone(&serving), stream, peer, http2));
            }
        });
        Self {
            worker,
            address,
            log,
            requests: Some(requests),
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back for `request` on a connection of its own, until the gateway closes it.
    pub(super) async fn bytes(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is reset has said all it had to say.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// The next line of the access log.
    pub(super) async fn log_line(&self) -> serde_json::Value {
        loop {
            if let Ok(line) = self.log.try_recv() {
                return serde_json::from_slice(&line).expect("one line");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// `alice`'s token.
pub(super) fn token() -> String {
    let key = SigningKey::from_secret(&Secret::new(SECRET.to_vec()), Algorithm::Hs256).unwrap();
    let exp = Clock::System.now().seconds() + 600;
    let claims = json!({"iss": "https://i.test", "aud": "api", "sub": "alice", "exp": exp});
    key.sign("JWT", &claims).unwrap()
}

/// A worker whose routes lead to `upstream`, before it serves.
pub(super) fn worker(
    upstream: std::net::SocketAddr,
    more: &str,
    access_log: AccessLog,
) -> Rc<WorkerContext> {
    worker_with(upstream, more, access_log, IssuerHandle::channel().0)
}

/// The same, with what `issuer` is asked at: `/auth` on `gw.test`, and `/logout/test` on every host.
fn worker_with(
    upstream: std::net::SocketAddr,
    more: &str,
    access_log: AccessLog,
    issuer: IssuerHandle,
) -> Rc<WorkerContext> {
    let metrics = Metrics::new(1, Reason::NAMES);
    let snapshot = snapshot(&configuration(upstream, more), &metrics);
    let publisher: Publisher = Arc::new(ArcSwap::from_pointee(snapshot));
    let id = WorkerId(0);
    let deadlines = Deadlines::new(Instant::now());
    let revocations = Arc::new(ArcSwap::from_pointee(RevocationSet::empty()));
    Rc::new(WorkerContext {
        id,
        revocations: RefCell::new(Cache::new(Arc::clone(&revocations))),
        snapshot: RefCell::new(Cache::new(Arc::clone(&publisher))),
        shared: Arc::new(SharedState {
            revocations,
            snapshot: publisher,
            issuer,
            clock: Clock::System,
            draining: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        }),
        pools: Pools::new(id, deadlines.clone()),
        deadlines,
        access_log,
        metrics: metrics.worker(id),
        no_route: metrics.route(""),
        local: WorkerLocal::new(id, 1 << 20),
    })
}

fn configuration(upstream: std::net::SocketAddr, more: &str) -> String {
    let secret = std::str::from_utf8(SECRET).unwrap();
    format!(
        r#"
        [[issuers]]
        name = "test"
        issuer = "https://i.test"
        audiences = ["api"]
        algorithms = ["HS256"]
        keys = {{ secret = "{secret}" }}
        logout = {{ path = "/logout/test", client_id = "gw" }}
        [local_issuer]
        issuer = "https://gw.test/auth"
        audience = "api"
        [claim_headers]
        "X-Auth-Subject" = "sub"
        [[upstreams]]
        name = "u"
        urls = ["http://{upstream}"]
        response_timeout = "1s"
        [[routes]]
        name = "public"
        path = "/public"
        auth = "none"
        upstream = "u"
        [[routes]]
        name = "private"
        path = "/private"
        issuers = ["test"]
        upstream = "u"
        {more}
        "#
    )
}

fn snapshot(text: &str, metrics: &Arc<Metrics>) -> Snapshot {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().display().to_string();
    let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
    let config = config::parse(text, Path::new("t.toml"), directory.path(), &environment);
    let fixtures = Fixtures {
        metrics: Arc::clone(metrics),
        tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
        clock: Clock::System,
        keys: Arc::default(),
    };
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    Snapshot::build(config, None, &fixtures).unwrap_or_else(|errors| panic!("{errors}"))
}

async fn connection(
    worker: Rc<WorkerContext>,
    stream: TcpStream,
    address: std::net::SocketAddr,
    http2: bool,
) {
    let state = ConnectionState::new();
    let io = ClientIo::plain(stream, &state, Box::new(()));
    let peer = Peer {
        address,
        secure: false,
    };
    let connection = Rc::new(ConnectionContext {
        worker,
        peer,
        state,
    });
    let service = service_fn(move |request| serve(Rc::clone(&connection), request));
    if http2 {
        let _ = http2::Builder::new(LocalExecutor)
            .serve_connection(TokioIo::new(io), service)
            .await;
    } else {
        let io = TokioIo::new(io.checked_as_http1());
        let _ = http1::Builder::new()
            .serve_connection(io, service)
            .with_upgrades()
            .await;
    }
}

/// Tasks of a worker.
#[derive(Clone)]
pub(super) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// An upstream: for each connection it reads until `until` has come, notes that, writes the script, and closes.
pub(super) struct Upstream {
    pub(super) address: std::net::SocketAddr,
    heard: Rc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(super) async fn start(until: &'static str, script: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Rc<Mutex<Vec<String>>> = Rc::default();
        let noted = Rc::clone(&heard);
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noted = Rc::clone(&noted);
                tokio::task::spawn_local(async move {
                    let request = read_until(&mut stream, until).await;
                    noted.lock().unwrap().push(request);
                    let _ = stream.write_all(script.as_bytes()).await;
                });
            }
        });
        Self { address, heard }
    }

    /// What it has read, connection by connection.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Reads until `until` has come, or the end.
pub(super) async fn read_until(stream: &mut TcpStream, until: &str) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains(until) {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The value of a field in a head, if it is there.
pub(super) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
