//! Between hyper and the service: what a connection's limits and its end need to know of each request.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderValue};
use http::{Response, StatusCode, Version};
use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::net::ConnectionState;

use super::shutdown::{Stage, Stages};

/// A request that is being served, until its response has ended or is dropped.
pub(super) struct OpenRequest(Rc<ConnectionState>);

impl OpenRequest {
    pub(super) fn begin(state: &Rc<ConnectionState>) -> Self {
        state.request_began();
        Self(Rc::clone(state))
    }

    /// The response on its way out.
    pub(super) fn answer<B>(
        self,
        mut response: Response<B>,
        version: Version,
        stages: &Stages,
    ) -> Response<Answer<B>> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0.upgraded();
        } else if version < Version::HTTP_2 && stages.now() > Stage::Serving {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response.map(|body| Answer {
            body,
            request: self,
            told: version == Version::HTTP_2,
            waits: false,
        })
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// A response body that tells when the client takes nothing of it.
///
/// Over HTTP/2 hyper asks for more only when the stream's window has room for it (RFC 9113 §5.2), and no write fails to
/// tell. Over HTTP/1.1 the socket tells, and hyper's asking says less: it fills its own buffer first.
pub(super) struct Answer<B> {
    body: B,
    request: OpenRequest,
    /// Whether it is told: over HTTP/2.
    told: bool,
    /// It gave data, and was not asked for more since.
    waits: bool,
}

impl<B> Answer<B> {
    fn set_waits(&mut self, waits: bool) {
        if self.told && self.waits != waits {
            self.waits = waits;
            if waits {
                self.request.0.response_waits();
            } else {
                self.request.0.response_goes_on();
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.set_waits(false);
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.set_waits(matches!(&frame, Poll::Ready(Some(Ok(_)))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.set_waits(false);
    }
}
