//! An HTTP/2 client over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::tls_config;
use super::{Reply, Request, TestGateway};

/// Sends a request on a connection of its own. Field names are sent in lower case: HTTP/2 has no other.
pub(crate) fn send(gateway: &TestGateway, request: &Request) -> Reply {
    send_to(gateway.address(), request)
}

/// The same, to any gateway.
pub(crate) fn send_to(address: SocketAddr, request: &Request) -> Reply {
    Session::open(address).request(request)
}

/// An HTTP/2 connection that goes on.
pub(crate) struct Session {
    runtime: Runtime,
    sender: http2::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Session {
    pub(crate) fn open(address: SocketAddr) -> Self {
        // The connection goes on while the test does something else.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (sender, connection) = runtime.block_on(async {
            let (sender, connection) = handshake(address).await;
            (sender, tokio::spawn(connection))
        });
        Self {
            runtime,
            sender,
            connection,
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) fn request(&mut self, request: &Request) -> Reply {
        let running = self.start(request);
        self.finish(running)
    }

    /// Sends a request, to be answered while others are.
    pub(crate) fn start(&mut self, request: &Request) -> Running {
        let is_head = request.method == "HEAD";
        let sent = self.sender.send_request(message(request));
        let whole = async move { read(sent.await.expect("an answer"), is_head).await };
        self.runtime.spawn(whole)
    }

    /// The answer of a request.
    pub(crate) fn finish(&mut self, running: Running) -> Reply {
        let reply = async { tokio::time::timeout(PATIENCE, running).await };
        let reply = self.runtime.block_on(reply).expect("an answer in time");
        reply.expect("an answer").checked()
    }

    /// Sends a request that is not answered.
    pub(crate) fn fails(&mut self, request: &Request) {
        let sent = self.sender.send_request(message(request));
        let sent = async { tokio::time::timeout(PATIENCE, sent).await };
        let answered = self.runtime.block_on(sent).expect("an end in time");
        answered.expect_err("an error");
    }

    /// Sends a request and reads the head of its answer alone.
    pub(crate) fn begin(&mut self, request: &Request) -> http::Response<Incoming> {
        let sent = self.sender.send_request(message(request));
        let begun = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, sent).await });
        begun.expect("an answer in time").expect("an answer")
    }

    /// Waits until the gateway ends the connection.
    pub(crate) fn ended(mut self) {
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, &mut self.connection).await });
        drop(ended.expect("the gateway ends it in time"));
    }
}

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request whose answer is awaited.
pub(crate) type Running = JoinHandle<Reply>;

type Handshake = (
    http2::SendRequest<Full<Bytes>>,
    http2::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>, TokioExecutor>,
);

/// A connection over which HTTP/2 was agreed on by ALPN, and nothing more.
pub(crate) async fn connect(address: SocketAddr) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.expect("a connection");
    let connector = TlsConnector::from(Arc::new(tls_config(b"h2")));
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = connector.connect(name, tcp).await.expect("a handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    tls
}

async fn handshake(address: SocketAddr) -> Handshake {
    let tls = connect(address).await;
    http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
        .await
        .expect("HTTP/2")
}

fn message(request: &Request) -> http::Request<Full<Bytes>> {
    let uri = format!("https://gw.test{}", request.target);
    let mut message = http::Request::builder()
        .method(request.method.as_str())
        .uri(uri);
    for (name, value) in &request.fields {
        message = message.header(name.as_str(), value.as_str());
    }
    let body = Bytes::from(request.body.clone().unwrap_or_default());
    message.body(Full::new(body)).expect("a request")
}

async fn read(response: http::Response<Incoming>, is_head: bool) -> Reply {
    let (head, mut body) = response.into_parts();
    let mut reply = Reply {
        status: head.status.as_u16(),
        fields: fields(&head.headers),
        is_head,
        complete: true,
        ..Reply::default()
    };
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            reply.complete = false;
            break;
        };
        match frame.into_data() {
            Ok(data) => reply.body.extend_from_slice(&data),
            Err(frame) => {
                if let Some(trailers) = frame.trailers_ref() {
                    reply.trailers = fields(trailers);
                }
            }
        }
    }
    reply
}

fn fields(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
