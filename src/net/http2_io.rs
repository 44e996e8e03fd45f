//! A client connection's bytes as HTTP/2 writes them: many small pieces, each of which h2 has flushed by itself. They are
//! collected, and leave together when whoever runs the connection has nothing more for it to do: in one TLS record and one
//! system call for all the answers that were ready in a turn. Nothing waits for time.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ClientIo;

/// The I/O of an HTTP/2 connection, for hyper, and for who runs it and sends what was written.
pub struct Http2Io<S = ClientIo>(Rc<RefCell<Shared<S>>>);

struct Shared<S> {
    io: S,
    /// What was written and not sent.
    held: Vec<u8>,
    /// Sending failed, which nobody who reads or writes has been told.
    failed: Option<io::ErrorKind>,
}

impl<S> Clone for Http2Io<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2Io<S> {
    /// Bytes behind which nobody flushes but [`Self::poll_send`].
    #[must_use]
    pub fn new(io: S) -> Self {
        Self(Rc::new(RefCell::new(Shared {
            io,
            held: Vec::new(),
            failed: None,
        })))
    }

    /// Sends what was written. To be called whenever the connection was polled and is not over.
    ///
    /// # Errors
    /// The first time that it fails; then reading and writing fail too, so that the connection ends by itself.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &mut *self.0.borrow_mut();
        if shared.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let sent = shared.poll_send(cx);
        if let Poll::Ready(Err(error)) = &sent {
            shared.failed = Some(error.kind());
        }
        sent
    }
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    fn check(&self) -> io::Result<()> {
        match self.failed {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?;
            self.forget(written)?;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Takes a part of `parts`. A few bytes are held; more are written at once, behind those that are held.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let bytes = parts.iter().map(|part| part.len()).sum();
        if bytes <= MOST_COPIED && self.held.len() + bytes <= MOST_HELD {
            if self.held.capacity() == 0 {
                self.held = SPARE.take();
            }
            for part in parts {
                self.held.extend_from_slice(part);
            }
            return Poll::Ready(Ok(bytes));
        }
        loop {
            let held = self.held.len();
            let mut all: SmallVec<[IoSlice<'_>; 8]> = SmallVec::new();
            all.extend((held > 0).then(|| IoSlice::new(&self.held)));
            all.extend_from_slice(parts);
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &all))?;
            drop(all);
            self.forget(written)?;
            if written > held {
                return Poll::Ready(Ok(written - held));
            }
        }
    }

    /// What was written is not held any more.
    fn forget(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held.drain(..written.min(self.held.len()));
        if self.held.is_empty() && self.held.capacity() > 0 {
            // A connection that is idle keeps no buffer.
            SPARE.set(std::mem::take(&mut self.held));
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Http2Io<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &mut *self.0.borrow_mut();
        shared.check()?;
        Pin::new(&mut shared.io).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Http2Io<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, parts)
    }

    /// The head of a frame and its content come in one write.
    fn is_write_vectored(&self) -> bool {
        true
    }

    /// h2 flushes behind each frame with content: see [`Self::poll_send`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.borrow().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &mut *self.0.borrow_mut();
        shared.check()?;
        ready!(shared.poll_send(cx))?;
        Pin::new(&mut shared.io).poll_shutdown(cx)
    }
}

thread_local! {
    /// The buffer of a worker's connection that holds something: one after the other, they all use it. The one that
    /// comes while another waits for its socket makes its own.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes of a write that are copied rather than written: heads of frames, and short answers whole.
const MOST_COPIED: usize = 4096;

/// Bytes that are held: what fits into one TLS record.
const MOST_HELD: usize = 16 * 1024;

#[cfg(test)]
mod tests;
