//! An answer, and what goes on until its body has ended: the connection's return to its pool, and the count.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::InFlight;

/// An answer's head, and its body.
pub struct Sent {
    /// The response. [`hyper::upgrade::on`] works on it.
    pub response: Response<SentBody>,
    /// How long it took until the response began.
    pub after: Duration,
}

/// A response body. When it has ended, its connection goes back to the pool; dropped before, the connection is closed.
/// That of a 101 is empty: keep it while the upgraded connection lasts, since it counts as in flight until then.
pub struct SentBody {
    incoming: Incoming,
    connection: Option<Rc<dyn Reusable>>,
    in_flight: Option<InFlight>,
}

/// A connection that can be used for another request.
pub(super) trait Reusable {
    /// Puts it into its pool, if it is still good.
    fn give_back(self: Rc<Self>);
}

impl SentBody {
    /// Attaches to the body of `response` what its end sets free.
    pub(super) fn attach(
        response: Response<Incoming>,
        connection: Rc<dyn Reusable>,
        in_flight: InFlight,
    ) -> Response<Self> {
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        response.map(|incoming| {
            let mut body = Self {
                incoming,
                // After a 101 the connection speaks another protocol.
                connection: (!upgraded).then_some(connection),
                in_flight: Some(in_flight),
            };
            if !upgraded && body.incoming.is_end_stream() {
                body.end();
            }
            body
        })
    }

    fn end(&mut self) {
        self.in_flight = None;
        if let Some(connection) = self.connection.take() {
            connection.give_back();
        }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let poll = Pin::new(&mut self.incoming).poll_frame(cx);
        match &poll {
            Poll::Pending => {}
            Poll::Ready(None) => self.end(),
            // Trailers are the last of a body. After data, a body of known length may be over: the server side asks
            // `is_end_stream` then, and does not poll again.
            Poll::Ready(Some(Ok(frame))) => {
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.end();
                }
            }
            Poll::Ready(Some(Err(_))) => {
                self.in_flight = None;
                self.connection = None;
            }
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
