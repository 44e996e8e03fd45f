//! Request bodies on their way to the upstream: counted, limited, cleaned of trailers that carry identity.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::headers::{StripSet, field_bytes, strip_trailers};
use crate::net::{Deadline, Deadlines};

/// Unread bytes of a refused request that are read and thrown away, so that the client gets to see the refusal: closing
/// a socket that holds unread bytes resets the connection, and the answer on its way with it.
const DISCARDED_BYTES: u64 = 64 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Why a body ends early. Neither side takes what came for a whole body then.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More than `body_bytes`.
    #[error("the body is longer than the limit")]
    TooLarge,
    /// Nothing for `body_idle_timeout`.
    #[error("no part of the body came in time")]
    Idle,
    /// The peer went away or broke the framing.
    #[error("the body broke off: {0}")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// The client reset the stream and called it no error: what came is not the whole body either.
    #[error("the stream was reset")]
    Reset,
    /// HTTP/2: more trailers than the limits, which over HTTP/1.1 break the framing.
    #[error("the trailer section is too long")]
    TrailersTooLong,
}

/// What became of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadState {
    /// More may come.
    Open,
    /// All of it was read.
    Complete,
    /// It is longer than the limit.
    TooLarge,
    /// The client sent nothing for too long.
    Idle,
    /// The client went away or broke the framing.
    Broken,
}

/// Limits of one request body.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadLimits {
    /// Bytes; `None` is no limit.
    pub(super) bytes: Option<u64>,
    /// Between two parts.
    pub(super) idle: Duration,
    /// Lines of a trailer section.
    pub(super) trailer_count: usize,
    /// Bytes of a trailer section, as HTTP/2 counts them.
    pub(super) trailer_bytes: usize,
}

impl UploadLimits {
    fn admits(&self, trailers: &HeaderMap) -> bool {
        trailers.len() <= self.trailer_count && field_bytes(trailers) <= self.trailer_bytes
    }
}

/// A request body, shared by the request that forwards it and by the connection that sends it: when the upstream lets
/// go of its end, the request still knows how far it came, and the client's bytes can be read off.
pub(super) struct Upload<I = Incoming> {
    body: RefCell<I>,
    received: Cell<u64>,
    state: Cell<UploadState>,
    http2: bool,
}

impl<I> Upload<I>
where
    I: Body<Data = Bytes> + Unpin,
    I::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The body of a request, or `None` if it has none.
    pub(super) fn new(body: I, http2: bool) -> Option<Rc<Self>> {
        (!body.is_end_stream()).then(|| {
            Rc::new(Self {
                body: RefCell::new(body),
                received: Cell::new(0),
                state: Cell::new(UploadState::Open),
                http2,
            })
        })
    }

    /// Bytes that came so far.
    pub(super) fn received(&self) -> u64 {
        self.received.get()
    }

    /// What became of it.
    pub(super) fn state(&self) -> UploadState {
        self.state.get()
    }

    /// The client took too long.
    pub(super) fn give_up(&self) {
        self.state.set(UploadState::Idle);
    }

    /// Its length, if the client told it.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.borrow().size_hint().exact()
    }

    fn poll_frame(
        &self,
        cx: &mut Context<'_>,
        limit: Option<u64>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut body = self.body.borrow_mut();
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.state.set(UploadState::Broken);
                return Poll::Ready(Some(Err(BodyError::Broken(error.into()))));
            }
            // hyper ends a body in the same way for RST_STREAM(NO_ERROR) as for its last frame (RFC 9113 §8.1 means
            // responses); the stream's own state tells them apart. What came so far must not pass for a whole body.
            None if self.http2 && !body.is_end_stream() => {
                self.state.set(UploadState::Broken);
                return Poll::Ready(Some(Err(BodyError::Reset)));
            }
            None => {
                self.state.set(UploadState::Complete);
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let received = self.received.get().saturating_add(bytes);
            self.received.set(received);
            if limit.is_some_and(|limit| received > limit) {
                self.state.set(UploadState::TooLarge);
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            }
        }
        if frame.is_trailers() || body.is_end_stream() {
            self.state.set(UploadState::Complete);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// Reads a refused body off, up to a few bytes and seconds; then hyper closes the connection.
pub(super) async fn discard<I>(upload: Rc<Upload<I>>, deadlines: Deadlines)
where
    I: Body<Data = Bytes> + Unpin,
    I::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = Some(upload.received().saturating_add(DISCARDED_BYTES));
    let end = std::future::poll_fn(|cx| {
        while let Some(Ok(_)) = ready!(upload.poll_frame(cx, limit)) {}
        Poll::Ready(())
    });
    // Late or not, the body is dropped now.
    let _ = deadlines.within(DISCARD_TIME, end).await;
}

/// Whether so little is left of a body that reading it off costs less than a new connection.
pub(super) fn is_short(length: Option<u64>) -> bool {
    length.is_some_and(|length| length <= DISCARDED_BYTES)
}

/// A request body on its way to the upstream; by default an empty one.
///
/// It is polled only once the upstream's connection takes it, so a client that waits for 100 (Continue) is told to go
/// on only when there is somewhere to go.
pub struct RequestBody<I = Incoming> {
    inner: Option<Limited<I>>,
}

/// The parts that only a body with content has.
struct Limited<I> {
    upload: Rc<Upload<I>>,
    limits: UploadLimits,
    deadlines: Deadlines,
    /// Armed while nothing comes: while the upstream takes nothing, the client is not to blame.
    idle: Option<Deadline>,
    waiting: bool,
    strip: Rc<StripSet>,
}

impl<I> RequestBody<I> {
    pub(super) fn new(
        upload: Rc<Upload<I>>,
        limits: UploadLimits,
        deadlines: Deadlines,
        strip: Rc<StripSet>,
    ) -> Self {
        Self {
            inner: Some(Limited {
                upload,
                limits,
                deadlines,
                idle: None,
                waiting: false,
                strip,
            }),
        }
    }
}

impl<I> Default for RequestBody<I> {
    fn default() -> Self {
        Self { inner: None }
    }
}

impl<I> Body for RequestBody<I>
where
    I: Body<Data = Bytes> + Unpin,
    I::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(limited) = &mut self.get_mut().inner else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = limited.upload.poll_frame(cx, limited.limits.bytes) else {
            return limited.poll_idle(cx).map(|error| Some(Err(error)));
        };
        limited.disarm();
        Poll::Ready(frame.and_then(|frame| match frame {
            Ok(frame) => limited.checked(frame),
            Err(error) => Some(Err(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|limited| limited.upload.body.borrow().is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(limited) => limited.upload.body.borrow().size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<I> Limited<I> {
    /// A frame as the upstream may see it. Trailers of HTTP/1.1 were counted as they came; of HTTP/2, h2 takes more than
    /// the gate does.
    fn checked(&self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, BodyError>> {
        let mut trailers = frame.trailers_ref().into_iter();
        if self.upload.http2 && !trailers.all(|trailers| self.limits.admits(trailers)) {
            self.upload.state.set(UploadState::Broken);
            return Some(Err(BodyError::TrailersTooLong));
        }
        cleaned(frame, |trailers| strip_trailers(&self.strip, trailers)).map(Ok)
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self
            .idle
            .get_or_insert_with(|| self.deadlines.arm(Some(self.limits.idle)));
        if !self.waiting {
            self.waiting = true;
            idle.set(Some(self.limits.idle));
        }
        idle.poll_expired(cx).map(|_expired| {
            self.upload.state.set(UploadState::Idle);
            BodyError::Idle
        })
    }

    fn disarm(&mut self) {
        if std::mem::take(&mut self.waiting)
            && let Some(idle) = &self.idle
        {
            idle.set(None);
        }
    }
}

/// A frame whose trailers, if it has any, went through `clean`; `None` if none were left.
pub(super) fn cleaned(
    frame: Frame<Bytes>,
    clean: impl FnOnce(&mut HeaderMap),
) -> Option<Frame<Bytes>> {
    if frame.is_data() {
        return Some(frame);
    }
    let mut trailers = frame.into_trailers().ok()?;
    clean(&mut trailers);
    (!trailers.is_empty()).then(|| Frame::trailers(trailers))
}

#[cfg(test)]
mod tests;
