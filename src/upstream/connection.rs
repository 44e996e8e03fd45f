//! A connection: bytes, and where it belongs. It has no task: who uses it polls it.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Upstream;
use super::idle::Home;

/// The bytes of a connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection, made once and used for many requests, one at a time. Who reads and who writes may be two tasks.
pub(super) struct Connection {
    stream: RefCell<Stream>,
    pub(super) upstream: Arc<Upstream>,
    /// The id of its address.
    pub(super) address: u64,
    pub(super) idle_since: Cell<Instant>,
    pub(super) home: Weak<Home>,
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        upstream: &Arc<Upstream>,
        address: u64,
        now: Instant,
        home: Weak<Home>,
    ) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            upstream: Arc::clone(upstream),
            address,
            idle_since: Cell::new(now),
            home,
        })
    }

    /// Whether a connection that waits for a request can take one: the upstream has neither closed it nor sent anything
    /// that nobody asked for. Mostly no system call: the runtime knows when something has come.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => {
                let read = stream.try_read(&mut byte);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            // Session tickets and key updates are read and used here; content is not expected.
            Stream::Tls(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let mut buffer = ReadBuf::new(&mut byte);
                Pin::new(stream)
                    .poll_read(&mut cx, &mut buffer)
                    .is_pending()
            }
        }
    }

    /// Reads what is there into `buffer`: so many bytes, 0 at the end.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let poll = match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        };
        poll.map_ok(|()| buffer.filled().len())
    }

    /// Reads what is there into the room that `buffer` has: so many bytes, 0 at the end.
    pub(super) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => pin!(stream.read_buf(buffer)).poll(cx),
            Stream::Tls(stream) => pin!(stream.read_buf(buffer)).poll(cx),
        }
    }

    /// Writes a part of `bytes`.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Writes a part of `slices`.
    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Writes what TLS has buffered.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Whether bytes pass through a buffer of ours on their way out: then an error does not tell what was written.
    pub(super) fn buffers_writes(&self) -> bool {
        matches!(&*self.stream.borrow(), Stream::Tls(_))
    }

    /// Puts it into its pool.
    pub(super) fn give_back(self: Rc<Self>) {
        if let Some(home) = self.home.upgrade() {
            home.put(self);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // TLS says goodbye (RFC 8446 §6.1), if there is room for it: nobody waits.
        if let Stream::Tls(stream) = self.stream.get_mut() {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(stream).poll_shutdown(&mut cx);
        }
    }
}
