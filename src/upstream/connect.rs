//! Connecting: TCP with `TCP_NODELAY`, TLS for https.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::net::{SYSTEM_ROOTS, trusted_roots};

use super::connection::Stream;
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
    let roots = trusted_roots(ca).map_err(|error| UpstreamError {
        file: error.file,
        problem: error.problem,
    })?;
    let place = ca.map_or(Path::new(SYSTEM_ROOTS), |(file, _)| file);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(place, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn problem(file: &Path, problem: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}

/// A new connection to `address`.
///
/// # Errors
/// Refused, unreachable, or a handshake that failed.
pub(super) async fn connect(upstream: &Upstream, address: &Address) -> io::Result<Stream> {
    let tcp = connect_tcp(address.socket).await?;
    if !address.url.tls {
        return Ok(Stream::Tcp(tcp));
    }
    let name = address.server_name.clone();
    let (Some(tls), Some(name)) = (&upstream.tls, name) else {
        return Err(io::Error::other("the host is no name for a certificate"));
    };
    Ok(Stream::Tls(Box::new(tls.connect(name, tcp).await?)))
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // Small requests must not wait for the acknowledgement of what went before.
    tcp.set_nodelay(true)?;
    Ok(tcp)
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
