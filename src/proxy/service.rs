//! One request: decide, forward, record.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;

use crate::clock::UnixTime;
use crate::gate::{Head, Reason, Rejection, decide, own_request};

use super::body::{Upload, UploadState, discard, is_short};
use super::forward::{Answer, forward};
use super::local::answer_here;
use super::record::Record;
use super::request_id::RequestId;
use super::respond::rejection_response;
use super::response_body::Payload;
use super::{ConnectionContext, RequestSnapshot, ResponseBody, upgrade};

/// Answers one request.
///
/// # Errors
/// Never: every fault is an answer. A broken upstream body breaks the response body instead.
pub async fn serve(
    connection: Rc<ConnectionContext>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    connection.state.request_began();
    let (parts, body) = request.into_parts();
    let time = connection.worker.shared.clock.timestamp();
    let snapshot = connection.worker.current_snapshot();
    let mut record = Record::new(Rc::clone(&connection), Rc::clone(&snapshot), &parts, time);
    let upload = Upload::new(body, parts.version == Version::HTTP_2);
    let asked = Asked {
        http2: parts.version == Version::HTTP_2,
        head: parts.method == Method::HEAD,
        expects: upload.is_some() && parts.headers.contains_key(EXPECT),
        upload,
        snapshot,
    };
    if let Some(upload) = &asked.upload {
        record.uploads(upload);
    }
    let now = UnixTime::from_seconds(time.as_second());
    let mut head = Head {
        parts,
        peer: connection.peer,
    };
    let outcome = caught(pin!(answer(
        &connection,
        &asked,
        &mut head,
        now,
        &mut record
    )))
    .await;
    let mut response = match outcome {
        Ok(Answer::Response(mut response)) => {
            record.answer(response.status(), response.headers_mut());
            response.map(|payload| ResponseBody::new(payload, record))
        }
        Ok(Answer::Switched(mut response, switched)) => {
            record.answer(response.status(), response.headers_mut());
            upgrade::begin(&connection, *switched, record);
            return Ok(response.map(ResponseBody::unrecorded));
        }
        Err(rejection) => refuse(&connection, &asked, rejection, record),
    };
    if !asked.http2 && connection.worker.shared.draining.load(Ordering::Relaxed) {
        close_after(&mut response);
    }
    Ok(response)
}

/// What is left of a request when its head has gone upstream.
struct Asked {
    http2: bool,
    head: bool,
    /// Its body waits for 100 (Continue).
    expects: bool,
    upload: Option<Rc<Upload>>,
    snapshot: RequestSnapshot,
}

/// A panic ends its request alone, as a refusal: what requests share is immutable, or whole between two of them. What
/// it said is on standard error already, by the panic hook.
///
/// It takes the future where it is: a large one would be copied, and a connection's memory grow, with all that wraps it.
async fn caught<T>(
    mut answer: Pin<&mut impl Future<Output = Result<T, Rejection>>>,
) -> Result<T, Rejection> {
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(Rejection::fault(Reason::Internal, "panicked"))))
    })
    .await
}

async fn answer(
    connection: &ConnectionContext,
    asked: &Asked,
    head: &mut Head,
    now: UnixTime,
    record: &mut Record,
) -> Result<Answer, Rejection> {
    let worker = &connection.worker;
    // Only a trusted proxy's is believed: what others send is not even looked for.
    let trusted = asked
        .snapshot
        .trusted_proxies
        .trusts(head.peer.address.ip());
    let given = trusted.then(|| RequestId::given(&head.parts.headers));
    if let Some(own) = own_request(&asked.snapshot, head, record).transpose() {
        record.decided(given.flatten());
        let (parts, upload) = (&mut head.parts, asked.upload.as_ref());
        let answer = answer_here(worker, &asked.snapshot, own?, parts, upload, record);
        // Rare, and on the heap: every request's future has room for what it may await.
        return Box::pin(answer).await;
    }
    let decision = worker.with_memory(|memory, revocations| {
        decide(&asked.snapshot, revocations, memory, head, now, record)
    });
    record.decided(given.flatten());
    let upload = asked.upload.as_ref();
    forward(
        worker,
        &asked.snapshot,
        decision?,
        &mut head.parts,
        upload,
        record,
    )
    .await
}

/// The answer to a request that goes no further.
fn refuse(
    connection: &ConnectionContext,
    asked: &Asked,
    rejection: Rejection,
    mut record: Record,
) -> Response<ResponseBody> {
    let realm = &asked.snapshot.realm;
    let mut response = rejection_response(&rejection, realm, record.id().as_str());
    if rejection.reason == Reason::Internal {
        let request_id = record.id().as_str();
        tracing::error!(request_id, error = %rejection.detail, "a request failed inside");
    }
    if rejection.reason == Reason::HeadTooLarge {
        // As over HTTP/1.1, where hyper answers it and closes.
        connection.state.end();
    }
    record.refused(response.status(), rejection);
    record.tell_times(response.headers_mut());
    if let Some(upload) = &asked.upload
        && !asked.http2
        && upload.state() != UploadState::Complete
    {
        leave_unread(connection, asked, upload, &mut response);
    }
    let head = asked.head;
    response.map(|body| {
        let payload = if head {
            Payload::Empty
        } else {
            body.into_payload()
        };
        ResponseBody::new(payload, record)
    })
}

/// Deals with the rest of a body that nobody wants, on HTTP/1.1: it must not be taken for the next request, and the
/// client must get to see the answer while it still sends. In HTTP/2 dropping the body resets the stream.
fn leave_unread(
    connection: &ConnectionContext,
    asked: &Asked,
    upload: &Rc<Upload>,
    response: &mut Response<ResponseBody>,
) {
    let sending = match upload.state() {
        // One that waits for 100 (Continue) gets the refusal instead; reading would tell it to go on.
        UploadState::Open | UploadState::TooLarge => !asked.expects,
        UploadState::Complete | UploadState::Idle | UploadState::Broken => false,
    };
    if !(sending && is_short(upload.length())) {
        close_after(response);
    }
    if sending {
        let deadlines = connection.worker.deadlines.clone();
        tokio::task::spawn_local(discard(Rc::clone(upload), deadlines));
    }
}

/// This is the last answer of its HTTP/1.1 connection.
fn close_after(response: &mut Response<ResponseBody>) {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}

#[cfg(test)]
mod tests;
