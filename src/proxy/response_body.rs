//! Response bodies on their way to the client: the upstream's, or ours. At their end the request is recorded.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::headers::{StripSet, strip_trailers};
use crate::net::Deadline;
use crate::upstream::SentBody;

use super::body::{BodyError, cleaned};
use super::ongoing::Ongoing;
use super::record::Record;

/// A response body on its way to the client: the upstream's, or ours.
pub struct ResponseBody {
    payload: Payload,
    /// Taken when the body has ended; dropped with the body otherwise, and then the client did not get all of it.
    record: Option<Record>,
    /// Whether the client was given something, and more is there: how long it may take to ask is limited.
    waits: bool,
}

/// What a response body holds.
pub(super) enum Payload {
    /// Nothing.
    Empty,
    /// Bytes of ours.
    Full(Bytes),
    /// What the upstream sends.
    Upstream(Relay<SentBody>, Rc<StripSet>),
}

impl ResponseBody {
    /// A body that ends `record`.
    pub(super) fn new(payload: Payload, record: Record) -> Self {
        Self {
            payload,
            record: Some(record),
            waits: false,
        }
    }

    /// A body of ours that nobody records.
    pub(super) fn unrecorded(payload: Payload) -> Self {
        Self {
            payload,
            record: None,
            waits: false,
        }
    }

    /// The content alone.
    pub(super) fn into_payload(mut self) -> Payload {
        std::mem::replace(&mut self.payload, Payload::Empty)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.set_waits(false);
        let frame = match &mut this.payload {
            Payload::Empty => None,
            Payload::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
            }
            Payload::Upstream(relay, strip) => {
                let frame = ready!(relay.poll_frame(cx));
                match frame {
                    Some(Ok(frame)) => {
                        cleaned(frame, |trailers| strip_trailers(strip, trailers)).map(Ok)
                    }
                    other => other,
                }
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(record), Some(data)) = (&mut this.record, frame.data_ref()) {
                    record.sent(data.len());
                }
                this.set_waits(!this.is_end_stream());
            }
            // The error ends the client's transfer without its last chunk, or resets its stream: never a short success.
            Some(Err(error)) => {
                if let Some(record) = this.record.take() {
                    record.broke(error);
                }
            }
            None => this.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.payload {
            Payload::Empty => true,
            Payload::Full(bytes) => bytes.is_empty(),
            Payload::Upstream(relay, ..) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Empty => SizeHint::with_exact(0),
            Payload::Full(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Payload::Upstream(relay, ..) => relay.body.size_hint(),
        }
    }
}

impl ResponseBody {
    fn set_waits(&mut self, waits: bool) {
        if let Some(record) = &self.record
            && std::mem::replace(&mut self.waits, waits) != waits
        {
            record.client_is_busy(waits);
        }
    }

    fn finish(&mut self) {
        self.set_waits(false);
        if let Some(record) = self.record.take() {
            record.finish();
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.set_waits(false);
        // hyper drops a body of known length after its last byte, and one that is not to be sent at once: HEAD, 204.
        if self.is_end_stream() {
            self.finish();
        }
    }
}

/// An upstream's body, and whether it has ended.
pub(super) struct Relay<U> {
    body: U,
    ended: bool,
    end: Option<StreamEnd>,
}

/// When a stream of events is over, whatever the upstream has to say.
pub(super) struct StreamEnd {
    /// Its token ends.
    pub(super) expires: Deadline,
    /// Its token is revoked.
    pub(super) revoked: Option<Ongoing>,
}

impl StreamEnd {
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let revoked = self.revoked.as_ref();
        if revoked.is_some_and(|revoked| revoked.poll_over(cx).is_ready()) {
            return Poll::Ready(());
        }
        self.expires.poll_expired(cx).map(drop)
    }
}

impl<U> Relay<U>
where
    U: Body<Data = Bytes> + Unpin,
    U::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// `end` is when it is over, whatever the upstream has to say: for streams of events alone, of which every beginning
    /// is a whole one.
    pub(super) fn new(body: U, end: Option<StreamEnd>) -> Self {
        Self {
            body,
            ended: false,
            end,
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(end) = &mut self.end
            && end.poll_over(cx).is_ready()
        {
            self.ended = true;
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended = match &frame {
            None => true,
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
        };
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}
