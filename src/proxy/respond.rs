//! A refusal as a response: status, challenge, problem+json (RFC 9457).

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Response};
use hyper::body::Bytes;

use crate::gate::{Detail, Reason, Rejection};
use crate::headers::{Challenge, challenge};

use super::ResponseBody;
use super::line::escape;
use super::request_id::X_REQUEST_ID;
use super::response_body::Payload;

/// The response for a refusal. `realm` for challenges; `request_id` is in the body and in `X-Request-Id`.
///
/// The client learns the reason and nothing of the detail, except what RFC 6750 §3 and RFC 9110 §15.5.6 want it to
/// know: the scopes and the methods of the route.
pub(super) fn rejection_response(
    rejection: &Rejection,
    realm: &str,
    request_id: &str,
) -> Response<ResponseBody> {
    refusal(rejection, realm, request_id)
        .map(|problem| ResponseBody::unrecorded(Payload::Full(problem)))
}

/// The same as plain bytes, for whoever wants to know what a client would get.
#[must_use]
pub fn refusal(rejection: &Rejection, realm: &str, request_id: &str) -> Response<Bytes> {
    let reason = rejection.reason;
    let problem = problem(reason, Some(request_id));
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    // Stated here, so that the answer to a HEAD, whose body is taken off, says the same (RFC 9110 §9.3.2).
    headers.insert(CONTENT_LENGTH, HeaderValue::from(problem.len()));
    if let Some(what) = challenge_for(rejection) {
        headers.insert(WWW_AUTHENTICATE, challenge(realm, what));
    }
    if let Detail::Allow(methods) = &rejection.detail {
        headers.insert(ALLOW, allow(methods));
    }
    if let Some(seconds) = retry_after(rejection) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, value);
    }
    let mut response = Response::new(Bytes::from(problem));
    *response.status_mut() = reason.status();
    *response.headers_mut() = headers;
    response
}

/// The bytes of a refusal that an HTTP/1.1 client gets before it has asked for anything; its connection ends with it.
#[must_use]
pub fn refusal_before_request(reason: Reason) -> Vec<u8> {
    let problem = problem(reason, None);
    let mut answer = format!(
        "HTTP/1.1 {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n",
        reason.status(),
        problem.len()
    );
    if let Some(seconds) = retry_after(&Rejection::new(reason)) {
        let seconds = itoa::Buffer::new().format(seconds).to_owned();
        answer.extend(["Retry-After: ", &seconds, "\r\n"]);
    }
    answer.push_str("\r\n");
    [answer.into_bytes(), problem].concat()
}

/// The problem details. Every member comes from a closed set, the request id excepted.
fn problem(reason: Reason, request_id: Option<&str>) -> Vec<u8> {
    let name = reason.name();
    let mut json = Vec::with_capacity(256);
    json.extend_from_slice(br#"{"type":"urn:portcullis:reason:"#);
    escape(name, &mut json);
    json.extend_from_slice(br#"","title":""#);
    escape(reason.title(), &mut json);
    json.extend_from_slice(br#"","status":"#);
    let status = reason.status().as_u16();
    json.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    json.extend_from_slice(br#","reason":""#);
    escape(name, &mut json);
    if let Some(request_id) = request_id {
        json.extend_from_slice(br#"","request_id":""#);
        escape(request_id, &mut json);
    }
    json.extend_from_slice(b"\"}\n");
    json
}

/// RFC 6750 §3.1: which challenge a refusal carries. No `_` arm: a new reason must choose here.
fn challenge_for(rejection: &Rejection) -> Option<Challenge<'_>> {
    match rejection.reason {
        Reason::MissingToken => Some(Challenge::Missing),
        Reason::MalformedCredentials => Some(Challenge::InvalidRequest),
        Reason::Malformed
        | Reason::UnsupportedAlgorithm
        | Reason::CriticalHeader
        | Reason::UnknownKey
        | Reason::WrongIssuer
        | Reason::BadSignature
        | Reason::Expired
        | Reason::NotYetValid
        | Reason::WrongType
        | Reason::WrongAudience
        | Reason::MissingClaim
        | Reason::LifetimeTooLong
        | Reason::SenderConstrained
        | Reason::Revoked => Some(Challenge::InvalidToken),
        Reason::InsufficientScope => Some(Challenge::InsufficientScope(match &rejection.detail {
            Detail::Scopes(scopes) => scopes,
            Detail::None
            | Detail::Target(_)
            | Detail::Credentials(_)
            | Detail::Cookie(_)
            | Detail::Place(_)
            | Detail::Connection(_)
            | Detail::Token(_)
            | Detail::Revoked(_)
            | Detail::Rule(_)
            | Detail::Allow(_)
            | Detail::RetryAfter(_)
            | Detail::Fault(_) => &[],
        })),
        Reason::ClaimMismatch => Some(Challenge::InsufficientScope(&[])),
        Reason::MalformedTarget
        | Reason::AmbiguousPath
        | Reason::MalformedHost
        | Reason::MalformedField
        | Reason::CrossOrigin
        | Reason::NoRoute
        | Reason::MethodNotAllowed
        | Reason::RequestTimeout
        | Reason::BodyTooLarge
        | Reason::TooManyBadTokens
        | Reason::HeadTooLarge
        | Reason::TokenTooLarge
        | Reason::Internal
        | Reason::NotImplemented
        | Reason::UpstreamUnreachable
        | Reason::UpstreamFailed
        | Reason::KeysUnavailable
        | Reason::RevocationUnavailable
        | Reason::Overloaded
        | Reason::UpstreamTimeout => None,
    }
}

/// In how many seconds a client may try again (RFC 9110 §10.2.3): every 429 and 503 says it.
fn retry_after(rejection: &Rejection) -> Option<u32> {
    match rejection.reason {
        // Keys come with a reload or with the next fetch, revocations when the store is there again.
        Reason::KeysUnavailable | Reason::RevocationUnavailable => Some(5),
        Reason::Overloaded => Some(2),
        Reason::TooManyBadTokens => Some(match &rejection.detail {
            Detail::RetryAfter(after) => after.seconds(),
            Detail::None
            | Detail::Target(_)
            | Detail::Credentials(_)
            | Detail::Cookie(_)
            | Detail::Place(_)
            | Detail::Connection(_)
            | Detail::Token(_)
            | Detail::Revoked(_)
            | Detail::Rule(_)
            | Detail::Scopes(_)
            | Detail::Allow(_)
            | Detail::Fault(_) => 1,
        }),
        Reason::MissingToken
        | Reason::MalformedCredentials
        | Reason::TokenTooLarge
        | Reason::Malformed
        | Reason::UnsupportedAlgorithm
        | Reason::CriticalHeader
        | Reason::UnknownKey
        | Reason::WrongIssuer
        | Reason::BadSignature
        | Reason::Expired
        | Reason::NotYetValid
        | Reason::WrongType
        | Reason::Revoked
        | Reason::WrongAudience
        | Reason::MissingClaim
        | Reason::LifetimeTooLong
        | Reason::SenderConstrained
        | Reason::InsufficientScope
        | Reason::ClaimMismatch
        | Reason::MalformedTarget
        | Reason::AmbiguousPath
        | Reason::MalformedHost
        | Reason::MalformedField
        | Reason::CrossOrigin
        | Reason::NoRoute
        | Reason::MethodNotAllowed
        | Reason::RequestTimeout
        | Reason::BodyTooLarge
        | Reason::HeadTooLarge
        | Reason::Internal
        | Reason::NotImplemented
        | Reason::UpstreamUnreachable
        | Reason::UpstreamFailed
        | Reason::UpstreamTimeout => None,
    }
}

/// `Allow` (RFC 9110 §10.2.1). Methods are tokens, so they can stand in a field.
fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
