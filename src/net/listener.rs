//! Listening sockets: probed once, then one for each worker with `SO_REUSEPORT`.

use std::net::SocketAddr;

/// Why an address cannot be listened on: exit 69.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

/// Binds without `SO_REUSEPORT`, so that a taken port is found, and returns the address with its real port. The
/// returned socket keeps the port until the workers' sockets are bound (see [`bind_worker`]).
///
/// # Errors
/// [`ListenError`].
pub fn bind_probe(_address: SocketAddr) -> Result<(socket2::Socket, SocketAddr), ListenError> {
    todo!("net helper")
}

/// A listening, non-blocking socket of one worker on `address`: `SO_REUSEPORT`, IPv6-only for IPv6, backlog 1024.
///
/// # Errors
/// [`ListenError`].
pub fn bind_worker(_address: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
    todo!("net helper")
}
