//! The listening sockets of all workers.

use std::net::SocketAddr;

use crate::net::ListenError;

/// Every listening socket, made by the main thread before the workers start.
pub struct Listeners {}

impl Listeners {
    /// Probes and binds each address for each worker.
    ///
    /// # Errors
    /// [`ListenError`]: exit 69.
    pub fn bind(_addresses: &[SocketAddr], _workers: usize) -> Result<Self, ListenError> {
        todo!("server helper")
    }
    /// The addresses, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }
}
