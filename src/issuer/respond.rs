//! What the issuer answers: JSON that nobody keeps, and errors as RFC 6749 §5.2 and RFC 6750 §3 have them.

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

/// Why a request is refused. `Display` and the source are for the log; what the client reads stands in [`Refusal::parts`].
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
struct Parts(StatusCode, &'static str, &'static str);

impl Refusal {
    /// The answer; `realm` stands in challenges.
    pub(super) fn into_answer(self, realm: &str) -> Answer {
        self.log();
        let mut answer = match &self {
            Self::NoEndpoint => problem(StatusCode::NOT_FOUND, "There is no such endpoint."),
            Self::Method(_) => problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "The endpoint does not have this method.",
            ),
            Self::Request(error) => {
                let Parts(status, code, _) = self.parts();
                oauth_error(status, code, &error.to_string())
            }
            _ => {
                let Parts(status, code, description) = self.parts();
                oauth_error(status, code, description)
            }
        };
        let headers = answer.headers_mut();
        if let Self::Method(allow) = &self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if let Some(value) = self.challenge(realm) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        answer
    }

    /// No `_` arm: a new refusal must choose its status here.
    fn parts(&self) -> Parts {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const AWAY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
        let away = Parts(AWAY, "temporarily_unavailable", "try again later");
        let failed = Parts(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "the gateway failed",
        );
        let grant = "wrong, expired, revoked, or of another client";
        match self {
            Self::Request(RequestError::TooLarge) => {
                Parts(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "")
            }
            Self::Request(RequestError::MediaType) => {
                Parts(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", "")
            }
            Self::Request(_) => Parts(BAD, "invalid_request", ""),
            Self::NoEndpoint => Parts(StatusCode::NOT_FOUND, "not_found", "no such endpoint"),
            Self::Method(_) => Parts(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request",
                "no such method",
            ),
            Self::Client => Parts(
                UNAUTHORIZED,
                "invalid_client",
                "client authentication failed",
            ),
            Self::UnauthorizedClient => Parts(
                BAD,
                "unauthorized_client",
                "the client may not use this grant",
            ),
            Self::GrantType => Parts(BAD, "unsupported_grant_type", "there is no such grant here"),
            Self::Password => Parts(UNAUTHORIZED, "invalid_grant", "wrong name or password"),
            // No 401: the token is good.
            Self::CurrentPassword => Parts(BAD, "invalid_grant", "the current password is wrong"),
            Self::Grant => Parts(BAD, "invalid_grant", grant),
            Self::Scope => Parts(BAD, "invalid_scope", "malformed, or more than is granted"),
            Self::TooManyAttempts(_) => Parts(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "wait before the next attempt",
            ),
            Self::NoToken => Parts(UNAUTHORIZED, "missing_token", "a token is required"),
            Self::Credentials => Parts(BAD, "invalid_request", "exactly one Bearer token"),
            Self::Token(_) | Self::Revoked => {
                Parts(UNAUTHORIZED, "invalid_token", "expired, revoked or wrong")
            }
            Self::NotAUser => Parts(StatusCode::FORBIDDEN, "access_denied", "for users alone"),
            Self::CrossOrigin => Parts(
                StatusCode::FORBIDDEN,
                "cross_origin",
                "only pages of this origin may ask with a cookie",
            ),
            Self::NoSession => Parts(StatusCode::NOT_FOUND, "not_found", "no such session"),
            Self::Revocations | Self::NoKeys => away,
            Self::Hashing(error) => match error {
                HashingError::Full | HashingError::Exhausted(_) => away,
                HashingError::Failed => failed,
            },
            Self::Store(error) if error.is_unavailable() => away,
            Self::Mint(MintError::NoKey) => away,
            Self::Store(_) | Self::Mint(MintError::Signing(_)) | Self::Seal(_) => failed,
        }
    }

    /// Whole seconds, rounded up.
    fn retry_after(&self) -> Option<u64> {
        if let Self::TooManyAttempts(wait) = self {
            return Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        }
        let busy = matches!(self, Self::Hashing(_));
        let Parts(status, ..) = self.parts();
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(if busy { 1 } else { 5 })
    }

    fn challenge(&self, realm: &str) -> Option<HeaderValue> {
        let what = match self {
            // RFC 6749 §5.2; RFC 9110 §15.5.2 asks for one with every 401.
            Self::Client => {
                let text = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
                return HeaderValue::try_from(text).ok();
            }
            Self::NoToken => Challenge::Missing,
            Self::Credentials => Challenge::InvalidRequest,
            Self::Token(_) | Self::Revoked => Challenge::InvalidToken,
            // A browser would ask its user for a password that is of no use to it.
            _ => return None,
        };
        Some(challenge(realm, what))
    }

    /// What somebody who runs the gateway should know. Of what clients do wrong the access log tells.
    fn log(&self) {
        let Parts(status, ..) = self.parts();
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

fn oauth_error(status: StatusCode, code: &str, description: &str) -> Answer {
    json(
        status,
        &json!({ "error": code, "error_description": description }),
    )
}

/// A problem (RFC 9457).
fn problem(status: StatusCode, title: &'static str) -> Answer {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    answer(status, "application/problem+json", body.to_string())
}

#[cfg(test)]
mod tests;
