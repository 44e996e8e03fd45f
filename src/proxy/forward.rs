//! Forwarding an admitted request: its head as the upstream wants it, the answer's head as the client may see it.

use std::rc::Rc;

use http::header::{CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_PROTOCOL, TE, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};
use hyper::upgrade::OnUpgrade;

use crate::config;
use crate::gate::{Admission, Reason, Rejection};
use crate::headers::{Upgrade, append_via, join_cookies, remove_response_hop_by_hop};
use crate::net::TRAILER_BYTES;
use crate::upstream::{SendError, Sent};

use super::body::{RequestBody, Upload, UploadLimits, UploadState};
use super::framing::{Framing, set_framing};
use super::ongoing::Ongoing;
use super::record::Record;
use super::request_id::X_REQUEST_ID;
use super::response_body::{Payload, Relay, StreamEnd};
use super::upgrade::{Switched, TunnelLimits, until};
use super::{RequestSnapshot, WorkerContext};

/// What the upstream said.
pub(super) enum Answer {
    /// An answer.
    Response(Response<Payload>),
    /// 101: the connection now speaks another protocol.
    Switched(Response<Payload>, Box<Switched>),
}

/// Sends an admitted request upstream and waits for the head of the answer.
///
/// # Errors
/// A body over its limit, an upstream that cannot be reached, fails or takes too long.
pub(super) async fn forward(
    worker: &WorkerContext,
    snapshot: &RequestSnapshot,
    admission: Admission,
    head: &mut Parts,
    upload: Option<&Rc<Upload>>,
    record: &mut Record,
) -> Result<Answer, Rejection> {
    let Some(upstream) = snapshot.upstreams.get(admission.route().upstream) else {
        return Err(Rejection::fault(
            Reason::Internal,
            "the route has no upstream",
        ));
    };
    let limits = UploadLimits {
        bytes: admission.route().body_bytes.or(snapshot.limits.body_bytes),
        idle: snapshot.limits.body_idle_timeout,
        trailer_count: snapshot.limits.header_count,
        trailer_bytes: snapshot.limits.header_bytes.min(TRAILER_BYTES),
    };
    check_length(upload, limits.bytes)?;
    let client = head.extensions.remove::<OnUpgrade>();
    edit_head(head, &admission, &upstream.config)?;
    set_framing(&mut head.headers, Framing::of(upload.map(Rc::as_ref)))?;
    set_upgrade(&mut head.headers, admission.upgrade(), upload.is_some())?;
    head.headers.insert(X_REQUEST_ID, record.id().to_value());
    let replayable =
        upload.is_none() && admission.upgrade().is_none() && is_replayable(&head.method);
    let mut body = RequestBody::default();
    if let Some(upload) = upload {
        // The body is polled, and 100 (Continue) sent by hyper, once the upstream's connection takes it. The upstream is
        // not asked: one that says no answers anyway, and the body is not read to its end.
        let (upload, strip) = (Rc::clone(upload), Rc::clone(&snapshot.strip_trailers));
        body = RequestBody::new(upload, limits, worker.deadlines.clone(), strip);
    }
    let sent = worker.pools.send(upstream, head, &mut body, replayable);
    let sent = sent.await;
    let sent = sent.map_err(|error| failure(&error, upload.map(|upload| upload.state())))?;
    record.answered(sent.after);
    if sent.response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(worker, snapshot, &admission, client, sent);
    }
    let lasts = admission
        .expires()
        .filter(|_| is_event_stream(&sent.response))
        .map(|expires| until(worker.shared.clock.now(), expires));
    let end = lasts.map(|lasts| StreamEnd {
        expires: worker.deadlines.arm(Some(lasts)),
        revoked: ongoing(worker, &admission),
    });
    Ok(Answer::Response(downstream(sent, snapshot, end)))
}

/// A length that the client told is checked before anything goes upstream.
pub(super) fn check_length(
    upload: Option<&Rc<Upload>>,
    limit: Option<u64>,
) -> Result<(), Rejection> {
    match (upload.and_then(|upload| upload.length()), limit) {
        (Some(length), Some(limit)) if length > limit => {
            let what = format_args!("{length} bytes: at most {limit} are taken");
            Err(Rejection::fault(Reason::BodyTooLarge, what))
        }
        _ => Ok(()),
    }
}

/// Makes a decided head the upstream's: target in origin form byte for byte, `Host`, one `Cookie`.
/// The gate has removed what ends here, and inserted what comes from us.
fn edit_head(
    parts: &mut Parts,
    admission: &Admission,
    upstream: &config::Upstream,
) -> Result<(), Rejection> {
    set_host(&mut parts.headers, parts.uri.authority(), upstream)?;
    set_target(&mut parts.uri, admission.path_and_query());
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    parts.version = Version::HTTP_11;
    // What hyper's server left there means the client's connection.
    parts.extensions = Extensions::new();
    Ok(())
}

/// `Host`: the client's (`:authority` in HTTP/2, and of an absolute target), or the upstream's own.
fn set_host(
    headers: &mut HeaderMap,
    authority: Option<&Authority>,
    upstream: &config::Upstream,
) -> Result<(), Rejection> {
    let value = match upstream.host {
        config::Host::Keep => match authority {
            Some(authority) => HeaderValue::from_str(authority.as_str()),
            None if headers.contains_key(HOST) => return Ok(()),
            // HTTP/1.0 may do without; HTTP/1.1, which the upstream gets, may not.
            None => HeaderValue::from_str(&own_host(upstream)),
        },
        config::Host::Upstream => HeaderValue::from_str(&own_host(upstream)),
    };
    match value {
        Ok(value) => {
            headers.insert(HOST, value);
            Ok(())
        }
        Err(_) => Err(Rejection::fault(Reason::MalformedHost, "no field value")),
    }
}

/// The authority of the upstream's first URL; the scheme's own port is left out.
fn own_host(upstream: &config::Upstream) -> String {
    let Some(url) = upstream.urls.first() else {
        return String::new();
    };
    let host = if url.host.contains(':') {
        format!("[{}]", url.host)
    } else {
        url.host.to_string()
    };
    match (url.tls, url.port) {
        (false, 80) | (true, 443) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// Origin form (RFC 9112 §3.2.1), with the bytes that the client sent.
fn set_target(uri: &mut Uri, stripped: Option<&PathAndQuery>) {
    if stripped.is_none() && uri.scheme().is_none() && uri.authority().is_none() {
        return;
    }
    let target = stripped.or(uri.path_and_query()).cloned();
    *uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
}

/// The fields of an upgrade that we forward. What the gate left in `Connection` is the option of `TE`.
fn set_upgrade(
    headers: &mut HeaderMap,
    upgrade: Option<Upgrade>,
    has_body: bool,
) -> Result<(), Rejection> {
    match upgrade {
        Some(Upgrade::WebSocket) => {
            // Its bytes would stand before those of the new protocol, where only the upstream knows what they are.
            if has_body {
                return Err(Rejection::fault(
                    Reason::MalformedField,
                    "an upgrade with a body",
                ));
            }
            let te = headers.contains_key(TE);
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(
                CONNECTION,
                HeaderValue::from_static(if te { "upgrade, te" } else { "upgrade" }),
            );
        }
        None => {}
    }
    Ok(())
}

/// Whether a request without a body may be sent a second time (RFC 9110 §9.2.2).
fn is_replayable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether an answer is made of server-sent events: one that never ends by itself, as a WebSocket does not.
fn is_event_stream<B>(answer: &Response<B>) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    answer.headers().get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM))
    })
}

/// What goes on after the request: from now on it ends with its token.
fn ongoing(worker: &WorkerContext, admission: &Admission) -> Option<Ongoing> {
    let token = admission.token()?.clone();
    Some(worker.local.ongoing.begin(token))
}

/// The upstream's answer, as the client may see it, until `end` at the latest.
fn downstream(sent: Sent, snapshot: &RequestSnapshot, end: Option<StreamEnd>) -> Response<Payload> {
    let (mut head, body) = sent.response.into_parts();
    clean_answer(&mut head, snapshot);
    let payload = Payload::Upstream(Relay::new(body, end), Rc::clone(&snapshot.strip));
    Response::from_parts(head, payload)
}

fn clean_answer(head: &mut http::response::Parts, snapshot: &RequestSnapshot) {
    remove_response_hop_by_hop(&mut head.headers);
    // A field that names an identity means something only on its way to the upstream.
    snapshot.strip.strip(&mut head.headers);
    append_via(&mut head.headers, head.version);
    // hyper would write the upstream's version; what the client's connection speaks is hyper's to know.
    head.version = Version::HTTP_11;
}

/// Joins the connections after the upstream's 101, if it is the answer to what was asked.
fn switch(
    worker: &WorkerContext,
    snapshot: &RequestSnapshot,
    admission: &Admission,
    client: Option<OnUpgrade>,
    sent: Sent,
) -> Result<Answer, Rejection> {
    let (mut head, body) = sent.response.into_parts();
    let answered = head.headers.get(UPGRADE).map(HeaderValue::as_bytes);
    let protocol = match admission.upgrade() {
        Some(Upgrade::WebSocket) => "websocket",
        None => {
            return Err(Rejection::fault(
                Reason::UpstreamFailed,
                "101 to no upgrade",
            ));
        }
    };
    let Some(upstream) = body.into_upgraded() else {
        return Err(Rejection::fault(
            Reason::UpstreamFailed,
            "101 before the end of the request",
        ));
    };
    let (Some(client), Some(answered)) = (client, answered) else {
        return Err(Rejection::fault(
            Reason::UpstreamFailed,
            "101 without Upgrade",
        ));
    };
    if !answered.eq_ignore_ascii_case(protocol.as_bytes()) {
        return Err(Rejection::fault(
            Reason::UpstreamFailed,
            "101 to another protocol",
        ));
    }
    clean_answer(&mut head, snapshot);
    head.headers
        .insert(UPGRADE, HeaderValue::from_static(protocol));
    head.headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(subprotocol) = admission.subprotocol()
        && !head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
    {
        // The configuration takes tokens (RFC 9110 §5.6.2) alone.
        let selected = HeaderValue::from_str(subprotocol);
        let selected = selected.map_err(|error| Rejection::fault(Reason::Internal, error))?;
        head.headers.insert(SEC_WEBSOCKET_PROTOCOL, selected);
    }
    let now = worker.shared.clock.now();
    let switched = Box::new(Switched {
        client,
        upstream,
        limits: TunnelLimits {
            idle: snapshot.limits.upgrade_idle_timeout,
            lasts: admission.expires().map(|expires| until(now, expires)),
            revoked: ongoing(worker, admission),
        },
    });
    Ok(Answer::Switched(
        Response::from_parts(head, Payload::Empty),
        switched,
    ))
}

/// Why there is no answer. A body that failed on the client's side makes the upstream's connection fail too; the
/// client's part is told then.
fn failure(error: &SendError, upload: Option<UploadState>) -> Rejection {
    let reason = match upload {
        Some(UploadState::TooLarge) => Reason::BodyTooLarge,
        Some(UploadState::Idle) => Reason::RequestTimeout,
        Some(UploadState::Broken) => Reason::MalformedField,
        Some(UploadState::Open | UploadState::Complete) | None => match error {
            SendError::Connect(_) | SendError::Resolve(_) => Reason::UpstreamUnreachable,
            SendError::Broken(_) => Reason::UpstreamFailed,
            SendError::ConnectTimeout | SendError::ResponseTimeout => Reason::UpstreamTimeout,
        },
    };
    Rejection::fault(reason, error)
}

#[cfg(test)]
mod tests;
