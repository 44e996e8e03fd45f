//! What the proxy's service does for the connection, without the proxy.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::net::ConnectionState;
use crate::server::shutdown::{Stage, Stages};

type Answering<B> = Pin<Box<dyn Future<Output = Result<Response<Answer<B>>, Infallible>>>>;

/// A service that answers so, and does what the connection expects of it.
pub(crate) fn service<F, B>(
    state: Rc<ConnectionState>,
    stages: Rc<Stages>,
    answer: impl Fn(Request<Incoming>) -> F,
) -> impl Fn(Request<Incoming>) -> Answering<B>
where
    F: Future<Output = Response<B>> + 'static,
    B: 'static,
{
    move |request| {
        let (version, stages) = (request.version(), Rc::clone(&stages));
        let open = OpenRequest::begin(&state);
        let answer = answer(request);
        Box::pin(async move { Ok(open.answer(answer.await, version, &stages)) })
    }
}

/// A request that is being served, until its response has ended or is dropped.
struct OpenRequest(Rc<ConnectionState>);

impl OpenRequest {
    fn begin(state: &Rc<ConnectionState>) -> Self {
        state.request_began();
        Self(Rc::clone(state))
    }

    /// The response on its way out.
    fn answer<B>(
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
pub(crate) struct Answer<B> {
    body: B,
    request: OpenRequest,
    /// It gave data, and was not asked for more since.
    waits: bool,
}

impl<B> Answer<B> {
    fn set_waits(&mut self, waits: bool) {
        if self.waits != waits {
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
