//! An HTTP/2 client over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let exchange = exchange(address, request);
        let reply = tokio::time::timeout(Duration::from_secs(20), exchange).await;
        reply.expect("an answer in time").checked()
    })
}

/// A connection over which HTTP/2 was agreed on by ALPN, and nothing more.
pub(crate) async fn connect(address: SocketAddr) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.expect("a connection");
    let connector = TlsConnector::from(Arc::new(tls_config(b"h2")));
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = connector.connect(name, tcp).await.expect("a handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    tls
}

async fn exchange(address: SocketAddr, request: &Request) -> Reply {
    let tls = connect(address).await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);

    let uri = format!("https://gw.test{}", request.target);
    let mut message = http::Request::builder()
        .method(request.method.as_str())
        .uri(uri);
    for (name, value) in &request.fields {
        message = message.header(name.as_str(), value.as_str());
    }
    let body = Bytes::from(request.body.clone().unwrap_or_default());
    let message = message.body(Full::new(body)).expect("a request");
    let response = sender.send_request(message).await.expect("an answer");
    read(response, request.method == "HEAD").await
}

async fn read(response: http::Response<hyper::body::Incoming>, is_head: bool) -> Reply {
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
