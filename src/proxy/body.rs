//! Bodies on their way: counted, limited, cleaned of trailers that carry identity.
use hyper::body::{Body, Bytes, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request body on its way to the upstream.
pub struct RequestBody {}
/// A response body on its way to the client: the upstream's, or ours.
pub struct ResponseBody {}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        todo!()
    }
}
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        todo!()
    }
}
