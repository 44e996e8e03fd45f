//! Connections to a provider: which addresses they may go to, and how long they may take.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or nobody could be asked.
    #[error("cannot resolve {host:?}: {source}")]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the system says.
        source: io::Error,
    },
    /// An address that is link-local, of a metadata service, or of nobody.
    #[error("{0} is a link-local or metadata address: `allow_link_local` would admit it")]
    Forbidden(IpAddr),
    /// Refused, unreachable.
    #[error("cannot connect: {}", root(&**.0))]
    Tcp(#[source] Box<dyn Error + Send + Sync>),
    /// The TLS handshake failed, or the certificate is not right.
    #[error("{}", tls_problem(.0))]
    Tls(#[source] rustls::Error),
    /// The connection ended in the TLS handshake, or the host is no name for a certificate.
    #[error("TLS handshake: {}", root(&**.0))]
    Handshake(#[source] Box<dyn Error + Send + Sync>),
    /// There is no connection to the proxy.
    #[error("proxy: {0}")]
    Proxy(#[source] Box<Self>),
    /// The proxy makes no tunnel.
    #[error("proxy: {}", root(&**.0))]
    Tunnel(#[source] Box<dyn Error + Send + Sync>),
    /// The time for a connection is over.
    #[error("timed out after {} s while {step}", limit.as_secs_f32())]
    Timeout {
        /// The time that there was.
        limit: Duration,
        /// What took so long.
        step: &'static str,
    },
}

/// The last cause of an error: what the system says.
fn root(error: &(dyn Error + 'static)) -> String {
    error.to_string()
}

fn tls_problem(error: &rustls::Error) -> String {
    error.to_string()
}
