//! A connection after a 101: bytes both ways.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::InFlight;
use super::connection::Connection;

/// A connection that speaks another protocol. While it lasts, it counts as a request in flight.
pub struct Upgraded {
    connection: Rc<Connection>,
    /// What came right after the head of the 101.
    rest: Bytes,
    _in_flight: InFlight,
}

impl Upgraded {
    pub(super) fn new(connection: Rc<Connection>, rest: Bytes, in_flight: InFlight) -> Self {
        Self {
            connection,
            rest,
            _in_flight: in_flight,
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            let bytes = self.rest.len().min(buffer.remaining());
            buffer.put_slice(&self.rest.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        let bytes = ready!(self.connection.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_shutdown(cx)
    }
}
