//! A client connection's bytes: TCP or TLS, checked, with the moments noted that limits are measured from.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::state::Moments;
use super::strict_http1::Checked;
use super::{ConnectionState, Http1Check};

/// The I/O of a client connection, for hyper. Over HTTP/1.1 every byte passes [`super::Http1Check`] first.
///
/// Whatever `slot` is, it lives as long as the connection's bytes do, upgraded ones included.
pub struct ClientIo {
    stream: Stream,
    moments: Arc<Moments>,
    /// HTTP/1.1. On the heap, since whatever holds the connection would grow by it several times over.
    http1: Option<Box<Http1Guard>>,
    _slot: Box<dyn Send>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The check, and bytes that are not given to hyper as they come.
#[derive(Default)]
struct Http1Guard {
    check: Http1Check,
    /// Read behind a request for an upgrade, before its answer; then from `given` on.
    ahead: Vec<u8>,
    given: usize,
    /// What is left of [`POISON`], once the check has found something in a head.
    poison: &'static [u8],
    failed: bool,
    ended: bool,
}

impl ClientIo {
    /// Bytes in clear text.
    #[must_use]
    pub fn plain(stream: TcpStream, state: &ConnectionState, slot: Box<dyn Send>) -> Self {
        Self::new(Stream::Plain(stream), state, slot)
    }

    /// Bytes inside TLS, after the handshake.
    #[must_use]
    pub fn tls(
        mut stream: TlsStream<TcpStream>,
        state: &ConnectionState,
        slot: Box<dyn Send>,
    ) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Self::new(Stream::Tls(Box::new(stream)), state, slot)
    }

    fn new(stream: Stream, state: &ConnectionState, slot: Box<dyn Send>) -> Self {
        Self {
            stream,
            moments: Arc::clone(state.moments()),
            http1: None,
            _slot: slot,
        }
    }

    /// From now on the bytes must be HTTP/1.1.
    #[must_use]
    pub fn checked_as_http1(mut self) -> Self {
        self.http1 = Some(Box::default());
        self.moments.http1.store(true, Relaxed);
        self
    }

    /// Whether the client is in the middle of a request, or behind something that is none: more of it may come.
    #[must_use]
    pub fn is_within_request(&self) -> bool {
        self.http1
            .as_ref()
            .is_some_and(|http1| !http1.check.is_between_requests())
    }

    /// Ready when there may be something to read, be it the end: without a buffer for it.
    ///
    /// Over TLS these are bytes of the socket, so it may turn out to be nothing but TLS itself. It is for a connection
    /// that [`ConnectionState::is_resting`]: nothing that was decrypted waits in one.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        // An error is told by the read that follows.
        socket.poll_read_ready(cx).map(drop)
    }

    /// Reads what still comes and forgets it, until the client closes.
    ///
    /// A socket that is closed over unread bytes is reset, and the client may lose the answer that it was sent (RFC 9112
    /// §9.6).
    pub async fn discard(&mut self) {
        poll_fn(|cx| {
            // In here it is on the stack, and not a part of every connection.
            let mut room = [0; 4096];
            loop {
                let mut buf = ReadBuf::new(&mut room);
                let read = ready!(self.stream.poll_read(cx, &mut buf));
                if read.is_err() || buf.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }

    /// Whether a flush fails when the client has gone without its answer: hyper flushes whenever it is polled, and need
    /// not look for itself. It would read, and make a new buffer for that with each request.
    ///
    /// Not over TLS, where the end is a message too.
    #[must_use]
    pub fn misses_its_client(&self) -> bool {
        self.http1.is_some() && matches!(self.stream, Stream::Plain(_))
    }

    /// While an answer is awaited, an error if the client has closed. Always ready.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (Some(http1), Stream::Plain(socket)) = (&self.http1, &self.stream)
            && http1.check.is_between_requests()
            && http1.check.heads() > self.moments.answered.load(Relaxed)
            && !self.moments.upgraded.load(Relaxed)
        {
            let mut byte = [0];
            // What a client sends ahead is left where it is.
            if let Poll::Ready(0) = socket.poll_peek(cx, &mut ReadBuf::new(&mut byte))? {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Notes whether a write or flush can go on.
    fn note_progress<T>(&self, result: &Poll<io::Result<T>>) {
        match result {
            Poll::Pending => self.note_blocked(true),
            Poll::Ready(Ok(_)) => self.note_blocked(false),
            Poll::Ready(Err(_)) => {}
        }
    }

    fn note_blocked(&self, blocked: bool) {
        if self.moments.blocked.load(Relaxed) != blocked {
            self.moments.blocked.store(blocked, Relaxed);
            self.moments.changes.fetch_add(1, Relaxed);
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(http1) = &mut this.http1 else {
            return this.stream.poll_read(cx, buf);
        };
        let result = http1.poll_read(cx, buf, &mut this.stream, &this.moments);
        let resting = result.is_pending() && http1.check.is_at_start();
        this.moments.resting.store(resting, Relaxed);
        let within_head = http1.check.is_within_head();
        if this.moments.within_head.load(Relaxed) != within_head {
            this.moments.within_head.store(within_head, Relaxed);
            this.moments.changes.fetch_add(1, Relaxed);
        }
        result
    }
}

impl Http1Guard {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        stream: &mut Stream,
        moments: &Moments,
    ) -> Poll<io::Result<()>> {
        if self.check.is_held() {
            ready!(self.poll_answer(cx, stream, moments))?;
            if self.check.is_held() {
                // The client has gone without waiting.
                return Poll::Ready(Ok(()));
            }
        }
        if self.failed {
            return Poll::Ready(self.give_poison(buf));
        }
        let before = buf.filled().len();
        if self.given < self.ahead.len() {
            let ahead = self.ahead.get(self.given..).unwrap_or_default();
            let count = ahead.len().min(buf.remaining());
            buf.put_slice(ahead.get(..count).unwrap_or_default());
            self.given += count;
        } else if self.ended {
            return Poll::Ready(Ok(()));
        } else {
            ready!(stream.poll_read(cx, buf))?;
        }
        if self.given == self.ahead.len() {
            self.given = 0;
            self.ahead = Vec::new();
        }
        self.check_filled(buf, before)
    }

    /// Checks what was filled in from `before` on, and takes back what hyper may not see.
    fn check_filled(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> Poll<io::Result<()>> {
        let new = buf.filled().get(before..).unwrap_or_default();
        match self.check.feed(new) {
            Checked::All => Poll::Ready(Ok(())),
            Checked::Held(taken) => {
                let early = new.get(taken..).unwrap_or_default();
                let mut ahead = early.to_vec();
                ahead.extend_from_slice(self.ahead.get(self.given..).unwrap_or_default());
                self.ahead = ahead;
                self.given = 0;
                buf.set_filled(before + taken);
                Poll::Ready(Ok(()))
            }
            Checked::Wrong(taken, violation) => {
                tracing::debug!(error = %violation, "request refused");
                buf.set_filled(before + taken);
                self.failed = true;
                self.ahead = Vec::new();
                if !self.check.failed_in_body() {
                    self.poison = POISON;
                }
                // Nothing filled in would mean the end of the stream.
                if taken > 0 {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Ready(self.give_poison(buf))
                }
            }
        }
    }

    /// After a violation: the poison, then the end; in a body an error at once.
    fn give_poison(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        if self.check.failed_in_body() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the framing is wrong",
            ));
        }
        let (now, later) = self.poison.split_at(self.poison.len().min(buf.remaining()));
        buf.put_slice(now);
        self.poison = later;
        Ok(())
    }

    /// Ready when the request for an upgrade was answered, or when the client has gone. What comes meanwhile is kept:
    /// it must reach nobody before it is known what it is.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        moments: &Moments,
    ) -> Poll<io::Result<()>> {
        // Registered before the look, although nobody else can run between: it costs nothing here.
        moments.reader.register(cx.waker());
        if moments.upgraded.load(Relaxed) {
            self.check.stop();
            return Poll::Ready(Ok(()));
        }
        if moments.answered.load(Relaxed) >= self.check.heads() {
            self.check.resume();
            return Poll::Ready(Ok(()));
        }
        while !self.ended && self.ahead.len() < AHEAD_BYTES {
            let mut room = [0; 1024];
            let mut early = ReadBuf::new(&mut room);
            ready!(stream.poll_read(cx, &mut early))?;
            let early = early.filled();
            self.ahead.extend_from_slice(early);
            self.ended = early.is_empty();
        }
        if self.ended && self.ahead.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        this.note_progress(&result);
        result
    }

    /// Although [`Self::is_write_vectored`] says otherwise: hyper makes one buffer of an answer of HTTP/1.1 by itself.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        };
        this.note_progress(&result);
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        this.note_progress(&result);
        ready!(result)?;
        this.poll_client(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        this.note_blocked(result.is_pending());
        result
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

/// What hyper's parser gets instead of the rest of a wrong head: a byte that no part of a head may hold, so that it
/// answers 400, and an end, because hyper looks at a head that came in parts only when it seems complete.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Most that is kept of what a client sends before the answer to its request for an upgrade; the rest stays in the
/// socket.
const AHEAD_BYTES: usize = 16 * 1024;

/// TLS records that may wait for the socket: one of the largest. rustls has 64 KiB for each connection otherwise.
const TLS_BUFFER_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
