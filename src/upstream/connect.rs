//! Connecting: TCP with `TCP_NODELAY`, TLS for https, and what HTTP/1.1 is spoken with.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outgoing::Outgoing;
use super::{Address, Upstream, UpstreamError};

/// What https upstreams are connected to with. Sessions are resumed.
pub(super) type ClientTls = TlsConnector;

/// Reads a CA file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_ca(file: &Path) -> Result<Vec<u8>, UpstreamError> {
    std::fs::read(file).map_err(|error| problem(file, &error))
}

/// Trusts the certificates of a CA file, with what it holds, or the system's.
///
/// # Errors
/// A file that holds no certificate; a system without roots.
pub(super) fn client_tls(ca: Option<(&Path, &[u8])>) -> Result<ClientTls, UpstreamError> {
    let roots = match ca {
        Some((file, content)) => roots_of(file, content)?,
        None => system_roots()?,
    };
    let place = ca.map_or(Path::new(SYSTEM), |(file, _)| file);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(place, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots_of(file: &Path, content: &[u8]) -> Result<RootCertStore, UpstreamError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(content) {
        let certificate = certificate.map_err(|error| problem(file, &error))?;
        roots
            .add(certificate)
            .map_err(|error| problem(file, &error))?;
    }
    if roots.is_empty() {
        return Err(problem(file, &"no certificate in it"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, UpstreamError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems ship roots that do not parse: the others serve.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(problem(Path::new(SYSTEM), &"none found: set `ca`"));
    }
    Ok(roots)
}

fn problem(file: &Path, problem: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}

/// What stands for the file in errors about the system's roots.
const SYSTEM: &str = "system root certificates";

/// A new connection to `address`, and whether a byte has come from it. The connection's task is on the present
/// `LocalRuntime` or `LocalSet`; it ends when the sender is dropped.
///
/// # Errors
/// Refused, unreachable, or a handshake that failed.
pub(super) async fn connect<B>(
    upstream: &Upstream,
    address: &Address,
) -> io::Result<(http1::SendRequest<Outgoing<B>>, Arc<AtomicBool>)>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tcp = connect_tcp(address.socket).await?;
    let stream = if address.url.tls {
        let name = address.server_name.clone();
        let (Some(tls), Some(name)) = (&upstream.tls, name) else {
            return Err(io::Error::other("the host is no name for a certificate"));
        };
        Stream::Tls(Box::new(tls.connect(name, tcp).await?))
    } else {
        Stream::Tcp(tcp)
    };
    let heard = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(UpstreamIo {
        stream,
        heard: Arc::clone(&heard),
    });
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        // Flattened: one copy costs less than `writev` for small messages (5 % of a whole request, measured).
        .writev(false)
        .handshake(io)
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok((sender, heard))
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // Small requests must not wait for the acknowledgement of what went before.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Bytes of a buffered head, or of a body in either direction. An answer whose head is longer is broken.
const BUFFER: usize = 64 * 1024;

/// A connection's bytes. Notes when some have come, since a request that may have been answered is never sent again.
struct UpstreamIo {
    stream: Stream,
    heard: Arc<AtomicBool>,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        poll
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_upstream_leaves_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = connect_tcp(listener.local_addr().unwrap()).await.unwrap();
        assert!(tcp.nodelay().unwrap());
    }
}
