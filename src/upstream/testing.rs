//! Upstreams and servers for the tests of this module.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::{self, Host, Place, UpstreamUrl};
use crate::metrics::{Metrics, WorkerId};
use crate::net::Deadlines;

use super::{Pools, SendError, Sent, Upstream};

/// What the tests send: all of a body at once.
pub(super) type TestBody = Full<Bytes>;

/// An upstream of these URLs, with settings changed by `change`.
pub(super) fn upstream_of(
    urls: &[UpstreamUrl],
    change: impl FnOnce(&mut config::Upstream),
) -> Arc<Upstream> {
    let mut settings = config::Upstream {
        name: "test".into(),
        place: Place::default(),
        urls: urls.to_vec(),
        ca: None,
        connect_timeout: Duration::from_secs(3),
        response_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(4),
        max_idle: 32,
        host: Host::Keep,
    };
    change(&mut settings);
    let metrics = Metrics::new(1, &[]).upstream("test");
    Upstream::new(settings, metrics).expect("an upstream")
}

/// An upstream at these addresses.
pub(super) fn upstream_at(addresses: &[SocketAddr]) -> Arc<Upstream> {
    upstream_of(&urls_of(addresses), |_| {})
}

/// Plaintext URLs of these addresses.
pub(super) fn urls_of(addresses: &[SocketAddr]) -> Vec<UpstreamUrl> {
    let url = |address: &SocketAddr| UpstreamUrl {
        tls: false,
        host: address.ip().to_string().into(),
        port: address.port(),
    };
    addresses.iter().map(url).collect()
}

/// Runs a test on a runtime like a worker's.
pub(super) fn on_a_worker<F: Future>(test: impl FnOnce(Worker) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let now = Instant::now();
        let deadlines = Deadlines::new(now);
        let pools = Pools::new(WorkerId(0), deadlines.clone());
        test(Worker {
            pools,
            deadlines,
            start: now,
        })
        .await
    })
}

/// What a worker has of this module, with a clock that the test moves.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) pools: Rc<Pools>,
    pub(super) deadlines: Deadlines,
    start: Instant,
}

impl Worker {
    /// Sends a request, replayable if it is a GET.
    pub(super) async fn send(
        &self,
        upstream: &Arc<Upstream>,
        method: Method,
        body: &'static str,
    ) -> Result<Sent, SendError> {
        let replayable = method == Method::GET;
        let request = Request::builder()
            .method(method)
            .uri("/x?y=1")
            .header("host", "api.test")
            .body(Full::new(Bytes::from_static(body.as_bytes())));
        let (mut head, mut body) = request.expect("a request").into_parts();
        self.pools
            .send(upstream, &mut head, &mut body, replayable)
            .await
    }

    /// Sends a GET and reads the whole answer.
    pub(super) async fn get(&self, upstream: &Arc<Upstream>) -> String {
        let sent = self.send(upstream, Method::GET, "").await.expect("sent");
        text_of(sent).await
    }

    /// Sets the worker's clock to `after` since the start of the test.
    pub(super) fn at(&self, after: Duration) {
        self.deadlines.sweep(self.start + after);
    }

    /// Sweeps the pools, keeping all upstreams.
    pub(super) fn sweep(&self) {
        self.pools.sweep(&|_| true);
    }
}

/// The whole body of an answer.
pub(super) async fn text_of(sent: Sent) -> String {
    let body = sent.response.into_body().collect().await;
    String::from_utf8(body.expect("a body").to_bytes().to_vec()).expect("text")
}

/// Lets the tasks of connections and servers run.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    // Bytes and ends of connections pass through the kernel.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// A server on port 0. `serve` gets each connection with its number, from 0.
pub(super) async fn server<F: Future<Output = ()> + 'static>(
    serve: impl Fn(Wire, usize) -> F + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let heads = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&heads);
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            let wire = Wire {
                stream,
                number,
                heads: Rc::clone(&seen),
            };
            tokio::task::spawn_local(serve(wire, number));
        }
    });
    Server { address, heads }
}

/// A server that answers every request with `body` and keeps its connections.
pub(super) async fn polite(body: &'static str) -> Server {
    server(move |mut wire, _| async move {
        while wire.request().await {
            wire.answer(body).await;
        }
    })
    .await
}

/// Where a server is, and what it was asked.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Number of the connection, and the head.
    pub(super) heads: Rc<RefCell<Vec<(usize, String)>>>,
}

impl Server {
    /// Waits until that many requests have come.
    pub(super) async fn asked(&self, requests: usize) {
        while self.heads.borrow().len() < requests {
            settle().await;
        }
        settle().await;
    }

    /// The connection that each request came on.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.heads.borrow().iter().map(|head| head.0).collect()
    }
}

/// A connection of a server.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    number: usize,
    heads: Rc<RefCell<Vec<(usize, String)>>>,
}

impl Wire {
    /// Reads a head and a body of known length. False: the client has closed.
    pub(super) async fn request(&mut self) -> bool {
        let Some(head) = self.head().await else {
            return false;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        self.heads.borrow_mut().push((self.number, head));
        self.body(length).await
    }

    /// Reads a head. `None`: the client has closed.
    pub(super) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).expect("a head"))
    }

    /// Reads a body. False: the client has closed.
    pub(super) async fn body(&mut self, length: usize) -> bool {
        self.stream.read_exact(&mut vec![0; length]).await.is_ok()
    }

    /// Writes bytes as they are.
    pub(super) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.ok();
    }

    /// Answers 200 with a body.
    pub(super) async fn answer(&mut self, body: &str) {
        let length = body.len();
        self.write(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    }
}
