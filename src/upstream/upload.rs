//! A request on its way: its head, then its body as the upstream takes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};

use crate::net::Deadline;

use super::BrokenAnswer;
use super::connection::Connection;
use super::encode::{RequestFraming, write_fields};

/// A request as bytes: what is queued, and a body that gives more.
pub(super) struct Upload<B> {
    /// The head; later what stands around the parts of the body, and small parts themselves.
    front: Vec<u8>,
    /// How many bytes of `front` have been written.
    at: usize,
    /// A large part, written from where it is, after `front`.
    part: Bytes,
    /// What stands after `part`.
    tail: &'static [u8],
    /// `None` when all of it is queued or written.
    body: Option<B>,
    framing: RequestFraming,
    bodiless: bool,
    gone: Gone,
    /// Whether the next part was waited for once before what is queued is written without it.
    waited: bool,
}

/// How much of a request has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// Nothing, and nothing was tried.
    Untried,
    /// Nothing.
    Nothing,
    /// A byte may have been written.
    Something,
}

/// When the answer to a request is due: `limit` after the upstream has taken a part of it, or the end. While the client
/// has nothing to give, the upstream has no duty, and the client has limits of its own.
pub(super) struct Pace {
    pub(super) deadline: Deadline,
    pub(super) limit: Duration,
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A request with this head.
    pub(super) fn new(head: Vec<u8>, body: B, framing: RequestFraming) -> Self {
        let bodiless = framing == RequestFraming::Length(0);
        Self {
            front: head,
            at: 0,
            part: Bytes::new(),
            tail: b"",
            body: (!bodiless).then_some(body),
            framing,
            bodiless,
            gone: Gone::Untried,
            waited: false,
        }
    }

    /// Whether there is no body, and was none.
    pub(super) fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Whether a byte of it may have gone out.
    pub(super) fn is_written(&self) -> bool {
        self.gone == Gone::Something
    }

    /// Makes a request without a body, or one of which nothing was written, ready for another connection.
    pub(super) fn rewind(&mut self) {
        self.at = 0;
        self.gone = Gone::Untried;
    }

    /// The buffer of the head, for another one.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.front
    }

    /// Writes what can be written. Ready when all of it is. `pace` moves if there is a body.
    ///
    /// # Errors
    /// [`BrokenAnswer::Io`] when the upstream takes no more, which may have been answered before; the others are the
    /// body's.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        pace: &Pace,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenAnswer>> {
        loop {
            // The beginning of a body goes with the head.
            if self.body.is_some()
                && (self.is_drained() || self.gone == Gone::Untried || self.waited)
            {
                ready!(self.fill(cx))?;
                let waits = self.is_drained() && self.body.is_some();
                pace.deadline.set((!waits).then_some(pace.limit));
            }
            if self.is_drained() {
                ready!(connection.poll_flush(cx))?;
                return match self.body {
                    None => Poll::Ready(Ok(())),
                    Some(_) => Poll::Pending,
                };
            }
            let written = ready!(self.poll_write(connection, cx))?;
            self.advance(written);
            if !self.bodiless {
                pace.deadline.set(Some(pace.limit));
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.at == self.front.len() && self.part.is_empty() && self.tail.is_empty()
    }

    /// Queues what the body has now: several small parts, or up to a large one. The client's connection is in the same
    /// task and gives one part at a time, so another turn of it is waited for before a small one is written by itself: a
    /// turn costs less than a system call.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BrokenAnswer>> {
        if self.is_drained() {
            self.front.clear();
            self.at = 0;
        }
        while self.part.is_empty()
            && self.front.len() < SMALL
            && let Some(body) = &mut self.body
        {
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending if self.is_drained() || std::mem::take(&mut self.waited) => break,
                Poll::Pending => {
                    self.waited = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(None) => self.end()?,
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(BrokenAnswer::RequestBody(error.into())));
                }
                Poll::Ready(Some(Ok(frame))) => self.take(frame)?,
            }
            self.waited = false;
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), BrokenAnswer> {
        match frame.into_data() {
            Ok(data) => self.take_data(data)?,
            // Nothing can follow trailers. A body of known length has no room for them.
            Err(frame) => {
                if let (RequestFraming::Chunks, Ok(trailers)) =
                    (self.framing, frame.into_trailers())
                {
                    self.front.extend_from_slice(b"0\r\n");
                    write_fields(&trailers, &mut self.front);
                    self.front.extend_from_slice(b"\r\n");
                    self.body = None;
                    return Ok(());
                }
            }
        }
        match &self.body {
            Some(body) if body.is_end_stream() => self.end(),
            Some(_) | None => Ok(()),
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), BrokenAnswer> {
        if data.is_empty() {
            return Ok(());
        }
        if let RequestFraming::Length(left) = &mut self.framing {
            let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
            // What is too long would be read as the next request.
            *left = left.checked_sub(bytes).ok_or(BrokenAnswer::RequestLength)?;
        } else {
            write_size(data.len(), &mut self.front);
            self.tail = b"\r\n";
        }
        if data.len() < SMALL {
            self.front.extend_from_slice(&data);
            self.front.extend_from_slice(std::mem::take(&mut self.tail));
        } else {
            self.part = data;
        }
        Ok(())
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), BrokenAnswer> {
        self.body = None;
        match self.framing {
            RequestFraming::Length(0) => {}
            RequestFraming::Length(_) => return Err(BrokenAnswer::RequestLength),
            RequestFraming::Chunks if self.tail.is_empty() => {
                self.front.extend_from_slice(b"0\r\n\r\n");
            }
            RequestFraming::Chunks => self.tail = b"\r\n0\r\n\r\n",
        }
        Ok(())
    }

    fn poll_write(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if connection.buffers_writes() {
            self.gone = Gone::Something;
        } else if self.gone == Gone::Untried {
            self.gone = Gone::Nothing;
        }
        let front = &self.front[self.at..];
        let poll = if self.part.is_empty() && self.tail.is_empty() {
            connection.poll_write(cx, front)
        } else {
            let slices = [front, &self.part, self.tail].map(IoSlice::new);
            connection.poll_write_vectored(cx, &slices)
        };
        match ready!(poll)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            bytes => Poll::Ready(Ok(bytes)),
        }
    }

    fn advance(&mut self, mut bytes: usize) {
        self.gone = Gone::Something;
        let front = bytes.min(self.front.len() - self.at);
        self.at += front;
        bytes -= front;
        let part = bytes.min(self.part.len());
        let _ = self.part.split_to(part);
        bytes -= part;
        self.tail = self.tail.get(bytes..).unwrap_or_default();
    }
}

/// The size of a chunk, in hexadecimal digits (RFC 9112 §7.1).
fn write_size(size: usize, to: &mut Vec<u8>) {
    let mut digits = [0_u8; 16];
    let mut at = digits.len();
    let mut left = size;
    while at > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 0xf];
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
    to.extend_from_slice(b"\r\n");
}

/// Parts below this size are copied together, which costs less than writing them from where they are.
const SMALL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    impl<B> Upload<B> {
        /// As if a byte had gone out.
        pub(in super::super) fn set_written(&mut self) {
            self.gone = Gone::Something;
        }
    }

    #[test]
    fn sizes_are_hexadecimal() {
        for (size, text) in [
            (0, "0\r\n"),
            (9, "9\r\n"),
            (10, "a\r\n"),
            (255, "ff\r\n"),
            (4096, "1000\r\n"),
            (usize::MAX, "ffffffffffffffff\r\n"),
        ] {
            let mut written = Vec::new();
            write_size(size, &mut written);
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
    }
}
