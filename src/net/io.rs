//! A client connection's bytes: TCP or TLS, with the moments that limits are measured from.

use std::cell::Cell;
use std::rc::Rc;

use tokio::net::TcpStream;

/// What a connection is doing, as far as limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come since the last request ended: `idle_timeout`.
    Idle,
    /// A head is arriving: `header_timeout` from its first byte.
    Head,
    /// At least one request is being served.
    Serving,
}

/// What the I/O wrapper, the service and the sweep share about one connection. Not `Send`.
#[derive(Debug)]
pub struct ConnectionState {
    phase: Cell<Phase>,
}

impl ConnectionState {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new() -> Rc<Self> {
        todo!("net helper")
    }
    /// The service got a head.
    pub fn request_began(&self) {
        todo!()
    }
    /// A request and its response have ended; with none left the connection is idle.
    pub fn request_ended(&self) {
        todo!()
    }
    /// What it is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }
}

/// The I/O of a client connection, for hyper. Over HTTP/1.1 every byte passes [`super::Http1Check`] first.
pub struct ClientIo {
    _stream: TcpStream,
}
