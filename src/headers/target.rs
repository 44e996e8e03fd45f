//! The request target (RFC 9112 §3.2, RFC 9113 §8.3.1): checked, never rewritten.

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri, Version};

/// What a route allows in its paths beyond the strict form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PathAllow {
    /// `%2F` and `%5C` inside a segment.
    pub encoded_slash: bool,
    /// Empty segments.
    pub double_slash: bool,
}

/// Why a request's target is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A form of target that the method does not have, or bytes that no target has.
    #[error("malformed target: {0}")]
    Malformed(&'static str),
    /// A dot segment, in any encoding or behind `;params`.
    #[error("dot segment in the path")]
    DotSegment,
    /// An encoded slash or a backslash.
    #[error("encoded slash or backslash in the path")]
    EncodedSlash,
    /// An empty segment.
    #[error("empty segment in the path")]
    DoubleSlash,
    /// No Host, several, or one that is no authority (RFC 9112 §3.2).
    #[error("host: {0}")]
    Host(&'static str),
    /// CONNECT, or a transfer that we do not do: 501.
    #[error("method is not forwarded")]
    NotImplemented,
}

/// A checked target. What its route allows is checked by [`Target::permitted`], since the route comes from it.
#[derive(Clone, Debug)]
pub struct Target<'r> {
    /// The host, lower case, without port; `None` for an HTTP/1.0 request without one.
    pub host: Option<Cow<'r, str>>,
    /// The path as it was sent, without query; begins with `/`, or is `*` for `OPTIONS *`.
    pub path: &'r str,
    /// The path percent-decoded once: what routes are matched on. Where the bytes are not UTF-8 they stay encoded.
    pub decoded: Cow<'r, str>,
    /// The laxest reading of the path (all decodings, parameters dropped, merged slashes, lower case), only if it
    /// differs from `decoded`: routed too, and different routes are refused.
    pub laxest: Option<Box<str>>,
    /// What the path holds that a route must allow.
    pub holds: PathAllow,
}

impl<'r> Target<'r> {
    /// Checks method, target and Host of a request head.
    ///
    /// # Errors
    /// As [`TargetError`] says; never `EncodedSlash` or `DoubleSlash` for what some route may allow.
    pub fn parse(
        _method: &Method,
        _uri: &'r Uri,
        _headers: &'r HeaderMap,
        _version: Version,
    ) -> Result<Self, TargetError> {
        todo!("headers helper")
    }

    /// Whether the path holds only what `allow` allows.
    ///
    /// # Errors
    /// `EncodedSlash` or `DoubleSlash`.
    pub fn permitted(&self, _allow: PathAllow) -> Result<(), TargetError> {
        todo!()
    }
}

/// What the laxest upstream would make of a path (up to three decodings, overlong UTF-8, backslashes, `;params`, dot
/// segments, case, trailing dots): no accepted path may lead to another route by it.
#[must_use]
pub fn laxest_reading(_path: &[u8]) -> Box<str> {
    todo!()
}
