//! Errors of the admin listener as problem details (RFC 9457).

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;

use super::access::Denied;

/// What every endpoint answers with.
pub(super) type Answer = Response<Full<Bytes>>;

/// An answer that nobody keeps.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec_pretty(value) {
        Ok(mut body) => {
            body.push(b'\n');
            answer(status, "application/json", body)
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The answer could not be written.",
            )
        }
    }
}

/// A problem.
pub(super) fn problem(status: StatusCode, title: &'static str) -> Answer {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
    });
    answer(status, "application/problem+json", body.to_string())
}

/// A problem, and what it is in this case: text of ours or the operator's.
pub(super) fn problem_with(status: StatusCode, title: &'static str, detail: &str) -> Answer {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    answer(status, "application/problem+json", body.to_string())
}

/// There is no such endpoint.
pub(super) fn not_found() -> Answer {
    problem(StatusCode::NOT_FOUND, "There is no such endpoint.")
}

/// The endpoint has other methods.
pub(super) fn method_not_allowed(allow: &'static str) -> Answer {
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "The endpoint does not have this method.",
    );
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// Somebody who may not ask.
pub(super) fn denied(denied: Denied) -> Answer {
    let (status, title) = match denied {
        Denied::Host => (
            StatusCode::FORBIDDEN,
            "The Host is neither this address nor a loopback name.",
        ),
        Denied::Origin => (
            StatusCode::FORBIDDEN,
            "Pages of other origins may not ask here.",
        ),
        Denied::Address => (
            StatusCode::FORBIDDEN,
            "Without a token only the loopback may ask.",
        ),
        Denied::Token => (StatusCode::UNAUTHORIZED, "The admin token is needed."),
        Denied::NotJson => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "A POST needs Content-Type: application/json.",
        ),
    };
    let mut response = problem(status, title);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"portcullis admin\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
