//! A server to aim the proxy at: it keeps connections and does as little as it can.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::Outcome;
use crate::arguments::Upstream;
use crate::report::tell;

/// Serves until it is ended.
pub(crate) fn run(arguments: &Upstream) -> Outcome<()> {
    let content = Bytes::from(vec![b'x'; arguments.bytes]);
    let runtime = Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell(&json!({ "event": "begin", "address": listener.local_addr()?.to_string() }))?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let content = content.clone();
            let service = service_fn(move |request| answer(request, content.clone()));
            tokio::task::spawn_local(async move {
                // A proxy that closes its connection is no event.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    content: Bytes,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let chunked = request.uri().path() == "/chunked";
    let mut sent = request.into_body();
    while let Some(Ok(_)) = sent.frame().await {}
    let body = if chunked {
        let half = content.len() / 2;
        let parts = [content.slice(..half), content.slice(half..)];
        let frames = parts.map(|part| Ok(Frame::data(part)));
        StreamBody::new(stream::iter(frames)).boxed()
    } else {
        Full::new(content).boxed()
    };
    Ok(Response::new(body))
}
