//! Requests that the gateway answers itself: the body is read here, the answer made by the issuer, beside the workers.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Body as _;
use tokio::sync::oneshot;

use crate::gate::{OwnRequest, Reason, Rejection};
use crate::issuer::{Asked, IssuerRequest};
use crate::net::TRAILER_BYTES;

use super::body::{BodyError, RequestBody, Upload, UploadLimits};
use super::forward::{Answer, check_length};
use super::record::Record;
use super::response_body::Payload;
use super::{RequestSnapshot, WorkerContext};

/// Most bytes of a request's body: names, passwords and tokens are short.
const BODY_BYTES: u64 = 64 * 1024;

/// How long the issuer may take. It has shorter limits of its own: this one is for its faults.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Reads the body, hands the request to the issuer and waits for its answer.
///
/// # Errors
/// A body that is too large, breaks off or takes longer than `body_idle_timeout` as a whole; an issuer that has too much to do,
/// or fails.
pub(super) async fn answer_here(
    worker: &WorkerContext,
    snapshot: &RequestSnapshot,
    own: OwnRequest,
    head: &mut Parts,
    upload: Option<&Rc<Upload>>,
    record: &mut Record,
) -> Result<Answer, Rejection> {
    record.answers_itself(own.metrics);
    let body = match upload {
        Some(upload) => read(worker, snapshot, upload).await?,
        None => Bytes::new(),
    };
    let (reply, answer) = oneshot::channel();
    let asked = Asked {
        endpoint: own.endpoint,
        method: head.method.clone(),
        path: head.uri.path().into(),
        query: head.uri.query().map(Into::into),
        headers: std::mem::take(&mut head.headers),
        client: own.client.address,
        secure: own.client.secure,
        body,
    };
    let request = IssuerRequest { asked, reply };
    if worker.shared.issuer.try_send(request).is_err() {
        return Err(Rejection::fault(
            Reason::Overloaded,
            "too many requests wait for the issuer",
        ));
    }
    match worker.deadlines.within(ANSWER_TIME, answer).await {
        Ok(Ok(answer)) => Ok(Answer::Response(whole(answer, &head.method))),
        Ok(Err(_)) => Err(Rejection::fault(
            Reason::Internal,
            "the issuer gave no answer",
        )),
        Err(_) => Err(Rejection::fault(
            Reason::Internal,
            "the issuer took too long",
        )),
    }
}

/// The whole body. One time for all of it: who sends a byte now and then does not hold a place for hours.
async fn read(
    worker: &WorkerContext,
    snapshot: &RequestSnapshot,
    upload: &Rc<Upload>,
) -> Result<Bytes, Rejection> {
    // By its length before it is asked for with 100 (Continue).
    check_length(Some(upload), Some(BODY_BYTES))?;
    let limits = UploadLimits {
        bytes: Some(BODY_BYTES),
        idle: snapshot.limits.body_idle_timeout,
        trailer_count: snapshot.limits.header_count,
        trailer_bytes: snapshot.limits.header_bytes.min(TRAILER_BYTES),
    };
    let strip = Rc::clone(&snapshot.strip);
    let mut body = RequestBody::new(Rc::clone(upload), limits, worker.deadlines.clone(), strip);
    let mut read = BytesMut::new();
    let whole = async {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
        }
        Ok(())
    };
    let ended = worker.deadlines.within(limits.idle, whole).await;
    ended.unwrap_or_else(|_expired| {
        upload.give_up();
        Err(BodyError::Idle)
    })?;
    Ok(read.freeze())
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        let reason = match error {
            BodyError::TooLarge => Reason::BodyTooLarge,
            BodyError::Idle => Reason::RequestTimeout,
            BodyError::Broken(_) | BodyError::Reset | BodyError::TrailersTooLong => {
                Reason::MalformedField
            }
        };
        Self::fault(reason, error)
    }
}

/// The answer with its length, which the answer to a HEAD, whose body is taken off, says too (RFC 9110 §9.3.2).
fn whole(answer: Response<Bytes>, method: &Method) -> Response<Payload> {
    let (mut head, body) = answer.into_parts();
    if !has_content(head.status) {
        return Response::from_parts(head, Payload::Empty);
    }
    let length = HeaderValue::from(body.len());
    head.headers.insert(CONTENT_LENGTH, length);
    let payload = if *method == Method::HEAD {
        Payload::Empty
    } else {
        Payload::Full(body)
    };
    Response::from_parts(head, payload)
}

/// RFC 9110 §8.6: no length with these.
fn has_content(status: StatusCode) -> bool {
    !(status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED)
}

#[cfg(test)]
mod tests;
