//! `WWW-Authenticate` (RFC 6750 §3).

use http::HeaderValue;

/// What a challenge says besides the realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// Realm alone: no credentials were sent.
    Missing,
    /// `error="invalid_request"`
    InvalidRequest,
    /// `error="invalid_token"`
    InvalidToken,
    /// `error="insufficient_scope"`, with `scope` unless empty.
    InsufficientScope(&'a [Box<str>]),
}

/// The field value of a Bearer challenge. `realm` holds no quotes, backslashes or controls (the config refuses them).
#[must_use]
pub fn challenge(_realm: &str, _what: Challenge<'_>) -> HeaderValue {
    todo!("headers helper")
}
