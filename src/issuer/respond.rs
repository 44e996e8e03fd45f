//! What the issuer answers: JSON that nobody keeps, and errors as RFC 6749 §5.2 and RFC 6750 §3 have them.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use serde_json::json;

use crate::headers::{Challenge, challenge};
use crate::jwt::TokenError;
use crate::store::StoreError;

use super::hashing::HashingError;
use super::request::RequestError;
use super::{MintError, SealError};

/// What every endpoint answers with.
pub(super) type Answer = Response<Bytes>;

/// Why a request is refused. `Display` and the source are for the log; what the client reads stands in `Refusal::parts`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is nothing at this path.
    #[error("no such endpoint")]
    NoEndpoint,
    /// There is something, with the methods of this `Allow`.
    #[error("the method is not served here")]
    Method(&'static str),
    /// A client that is unknown, disabled, or has another secret (RFC 6749 §5.2).
    #[error("client authentication failed")]
    Client,
    /// A client that may not do this.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// A grant that there is none of, or that is not switched on.
    #[error("unsupported grant type")]
    GrantType,
    /// A name and a password that do not fit, at the sign-in.
    #[error("wrong name or password")]
    Password,
    /// The password that is to be changed is another one.
    #[error("wrong current password")]
    CurrentPassword,
    /// A name and a password that do not fit, at the token endpoint, or a refresh token that does not continue anything.
    #[error("invalid grant")]
    Grant,
    /// Scopes that are malformed or that nobody grants.
    #[error("invalid scope")]
    Scope,
    /// Somebody was wrong too often.
    #[error("too many attempts: {} ms to wait", .0.as_millis())]
    TooManyAttempts(Duration),
    /// No token was sent.
    #[error("no token")]
    NoToken,
    /// More than one, or something else than a token.
    #[error("malformed credentials")]
    Credentials,
    /// A token that is not good.
    #[error("bad token: {0}")]
    Token(TokenError),
    /// One that was revoked, or whose session is over.
    #[error("the token is revoked")]
    Revoked,
    /// A token of a client, where only users have something.
    #[error("the token is not a user's")]
    NotAUser,
    /// A cookie that another origin makes a browser send.
    #[error("the request comes from another origin")]
    CrossOrigin,
    /// There is no such session, or it is somebody else's: which one is not said.
    #[error("no such session")]
    NoSession,
    /// The list of revocations is too old to admit anything.
    #[error("the revocations are not known")]
    Revocations,
    /// No document yet.
    #[error("there are no keys yet")]
    NoKeys,
    /// Passwords.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// What the store has sealed.
    #[error("a sealed secret: {0}")]
    Seal(#[from] SealError),
}

/// The status, the error code and the sentence for the client.
struct Parts(StatusCode, &'static str, Cow<'static, str>);

const fn parts(status: StatusCode, code: &'static str, text: &'static str) -> Parts {
    Parts(status, code, Cow::Borrowed(text))
}

const fn bad(code: &'static str, text: &'static str) -> Parts {
    parts(StatusCode::BAD_REQUEST, code, text)
}

const fn unauthorized(code: &'static str, text: &'static str) -> Parts {
    parts(StatusCode::UNAUTHORIZED, code, text)
}

const fn forbidden(code: &'static str, text: &'static str) -> Parts {
    parts(StatusCode::FORBIDDEN, code, text)
}

const fn not_found(text: &'static str) -> Parts {
    parts(StatusCode::NOT_FOUND, "not_found", text)
}

/// It may be well a moment later.
const fn away() -> Parts {
    parts(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "try again later",
    )
}

const fn failed() -> Parts {
    parts(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "the gateway failed",
    )
}

fn of_request(error: RequestError) -> Parts {
    let status = match error {
        RequestError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RequestError::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RequestError::Malformed
        | RequestError::Twice
        | RequestError::TooMany
        | RequestError::InTarget
        | RequestError::Missing(_)
        | RequestError::WrongType(_)
        | RequestError::Unacceptable(_)
        | RequestError::Credentials => StatusCode::BAD_REQUEST,
    };
    Parts(status, "invalid_request", error.to_string().into())
}

impl Refusal {
    /// The answer; `realm` stands in challenges.
    pub(super) fn into_answer(self, realm: &str) -> Answer {
        let Parts(status, code, text) = self.parts();
        self.log(status);
        let mut answer = if matches!(self, Self::NoEndpoint | Self::Method(_)) {
            problem(status, &text)
        } else {
            oauth_error(status, code, &text)
        };
        let headers = answer.headers_mut();
        if let Self::Method(allow) = &self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(wait) = self.retry_after(status) {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if let Some(value) = self.challenge(realm) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        answer
    }

    /// No `_` arm: a new refusal must choose its status here.
    fn parts(&self) -> Parts {
        const METHOD: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
        const ATTEMPTS: StatusCode = StatusCode::TOO_MANY_REQUESTS;
        match self {
            Self::Request(error) => of_request(*error),
            Self::NoEndpoint => not_found("There is no such endpoint."),
            Self::Method(_) => parts(METHOD, "", "The endpoint does not have this method."),
            Self::Client => unauthorized("invalid_client", "client authentication failed"),
            Self::UnauthorizedClient => bad("unauthorized_client", "not for this client"),
            Self::GrantType => bad("unsupported_grant_type", "there is no such grant here"),
            Self::Password => unauthorized("invalid_grant", "wrong name or password"),
            // No 401: the token is good.
            Self::CurrentPassword => bad("invalid_grant", "the current password is wrong"),
            Self::Grant => bad(
                "invalid_grant",
                "wrong, expired, revoked, or of another client",
            ),
            Self::Scope => bad("invalid_scope", "malformed, or more than is granted"),
            Self::TooManyAttempts(_) => {
                parts(ATTEMPTS, "too_many_attempts", "wait, then try again")
            }
            Self::NoToken => unauthorized("missing_token", "a token is required"),
            Self::Credentials => bad("invalid_request", "exactly one Bearer token"),
            Self::Token(_) | Self::Revoked => {
                unauthorized("invalid_token", "expired, revoked or wrong")
            }
            Self::NotAUser => forbidden("access_denied", "for users alone"),
            Self::CrossOrigin => forbidden("cross_origin", "with a cookie only from our own pages"),
            Self::NoSession => not_found("no such session"),
            Self::Revocations
            | Self::NoKeys
            | Self::Hashing(HashingError::Full | HashingError::Exhausted(_))
            | Self::Mint(MintError::NoKey) => away(),
            Self::Store(error) if error.is_unavailable() => away(),
            Self::Hashing(HashingError::Failed)
            | Self::Store(_)
            | Self::Mint(MintError::Signing(_))
            | Self::Seal(_) => failed(),
        }
    }

    /// Whole seconds, rounded up.
    fn retry_after(&self, status: StatusCode) -> Option<u64> {
        if let Self::TooManyAttempts(wait) = self {
            return Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        }
        let busy = matches!(self, Self::Hashing(_));
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(if busy { 1 } else { 5 })
    }

    fn challenge(&self, realm: &str) -> Option<HeaderValue> {
        if matches!(self, Self::Client) {
            // RFC 6749 §5.2; RFC 9110 §15.5.2 asks for one with every 401.
            let text = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
            return HeaderValue::try_from(text).ok();
        }
        let what = if matches!(self, Self::NoToken) {
            Challenge::Missing
        } else if matches!(self, Self::Credentials) {
            Challenge::InvalidRequest
        } else if matches!(self, Self::Token(_) | Self::Revoked) {
            Challenge::InvalidToken
        } else {
            // Not for a password either: a browser would ask its user for one that is of no use to it.
            return None;
        };
        Some(challenge(realm, what))
    }

    /// What somebody who runs the gateway should know. Of what clients do wrong the access log tells.
    fn log(&self, status: StatusCode) {
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "the local issuer failed");
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(error = %self, "the local issuer cannot answer");
        } else {
            tracing::debug!(error = %self, "the local issuer refused a request");
        }
    }
}

/// An answer that nobody keeps, and from which nothing leaks by a link.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut response = empty(status);
    *response.body_mut() = body.into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer without content.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // RFC 6749 §5.1 wants both.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    answer(status, "application/json", value.to_string())
}

/// The same for everybody, and good for five minutes.
pub(super) fn document(body: impl Into<Bytes>) -> Answer {
    let mut response = answer(StatusCode::OK, "application/json", body);
    let headers = response.headers_mut();
    headers.remove(PRAGMA);
    let kept = HeaderValue::from_static("public, max-age=300");
    headers.insert(CACHE_CONTROL, kept);
    response
}

/// An error (RFC 6749 §5.2).
pub(super) fn oauth_error(status: StatusCode, code: &str, description: &str) -> Answer {
    json(
        status,
        &json!({ "error": code, "error_description": description }),
    )
}

/// A problem (RFC 9457).
fn problem(status: StatusCode, title: &str) -> Answer {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    answer(status, "application/problem+json", body.to_string())
}

#[cfg(test)]
mod tests;
