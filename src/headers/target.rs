//! The request target (RFC 9112 §3.2, RFC 9113 §8.3.1): checked, never rewritten.

use std::borrow::Cow;

use http::uri::Scheme;
use http::{HeaderMap, Method, Uri, Version, header};

use super::host::HostPort;
use super::path::check_path;

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
    /// The host, lower case, without port and without the root's dot; `None` for an HTTP/1.0 request without one.
    pub host: Option<Cow<'r, str>>,
    /// The path as it was sent, without query; begins with `/`, or is `*` for `OPTIONS *`.
    pub path: &'r str,
    /// The path percent-decoded once: what routes are matched on. `%2F` and `%5C` stay, so that its segments are those
    /// of `path`. Bytes that are not UTF-8 were refused.
    pub decoded: Cow<'r, str>,
    /// The laxest reading of the path (all decodings, parameters dropped, merged slashes, lower case), only if it
    /// differs from `decoded` in more than case and one slash at the end: routed too, and different routes are refused.
    pub laxest: Option<Box<str>>,
    /// What the path holds that a route must allow.
    pub holds: PathAllow,
}

impl<'r> Target<'r> {
    /// Checks method, target and Host of a request head.
    ///
    /// A fragment is not seen here: `http` drops it before it makes a `Uri`, and it is never sent on.
    ///
    /// # Errors
    /// As [`TargetError`] says; never `EncodedSlash` or `DoubleSlash` for what some route may allow.
    pub fn parse(
        method: &Method,
        uri: &'r Uri,
        headers: &'r HeaderMap,
        version: Version,
    ) -> Result<Self, TargetError> {
        // Without case, although methods have one: an upstream may fold it.
        if ["CONNECT", "TRACE"]
            .iter()
            .any(|name| method.as_str().eq_ignore_ascii_case(name))
        {
            return Err(TargetError::NotImplemented);
        }
        let path = path_of(method, uri)?;
        let host = host_of(uri, headers, version)?;
        if path == "*" {
            return Ok(Self {
                host,
                path,
                decoded: Cow::Borrowed(path),
                laxest: None,
                holds: PathAllow::default(),
            });
        }
        let checked = check_path(path)?;
        Ok(Self {
            host,
            path,
            decoded: checked.decoded,
            laxest: checked.laxest,
            holds: checked.holds,
        })
    }

    /// Whether the path holds only what `allow` allows.
    ///
    /// # Errors
    /// `EncodedSlash` or `DoubleSlash`.
    pub fn permitted(&self, allow: PathAllow) -> Result<(), TargetError> {
        if self.holds.encoded_slash && !allow.encoded_slash {
            return Err(TargetError::EncodedSlash);
        }
        if self.holds.double_slash && !allow.double_slash {
            return Err(TargetError::DoubleSlash);
        }
        Ok(())
    }
}

/// The path of an origin-form, absolute-form or asterisk-form target; over HTTP/2 all look like the absolute form.
fn path_of<'r>(method: &Method, uri: &'r Uri) -> Result<&'r str, TargetError> {
    match uri.scheme() {
        Some(scheme) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => {
            return Err(TargetError::Malformed("the scheme is not http or https"));
        }
        None if uri.authority().is_some() => {
            return Err(TargetError::Malformed("authority-form without CONNECT"));
        }
        Some(_) | None => {}
    }
    // Not `uri.path()`, which is `/` for `?query` too.
    let target = uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    if target == "*" && *method != Method::OPTIONS {
        return Err(TargetError::Malformed("asterisk-form without OPTIONS"));
    }
    if target != "*" && !target.starts_with('/') {
        return Err(TargetError::Malformed("no path"));
    }
    Ok(uri.path())
}

/// The one authority of a request: Host and the target's own must agree where both are there.
fn host_of<'r>(
    uri: &'r Uri,
    headers: &'r HeaderMap,
    version: Version,
) -> Result<Option<Cow<'r, str>>, TargetError> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(TargetError::Host("several Host lines"));
    }
    let parse = |value: &'r [u8]| HostPort::parse(value).map_err(TargetError::Host);
    let line = line.map(|value| parse(value.as_bytes())).transpose()?;
    let authority = uri
        .authority()
        .map(|authority| parse(authority.as_str().as_bytes()))
        .transpose()?;
    let found = match (authority, line) {
        (Some(authority), Some(line)) => {
            if !authority.same_authority(line, default_port(uri)) {
                return Err(TargetError::Host(
                    "Host differs from the target's authority",
                ));
            }
            line
        }
        // An absolute-form target does not stand in for the Host line that HTTP/1.1 demands.
        (_, None) if version == Version::HTTP_11 => {
            return Err(TargetError::Host("no Host line"));
        }
        (Some(authority), None) => authority,
        (None, Some(line)) => line,
        (None, None) if version < Version::HTTP_11 => return Ok(None),
        (None, None) => return Err(TargetError::Host("neither :authority nor Host")),
    };
    let upper = found.host.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(Some(if upper {
        Cow::Owned(found.host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(found.host)
    }))
}

fn default_port(uri: &Uri) -> Option<u16> {
    let scheme = uri.scheme()?;
    if *scheme == Scheme::HTTPS {
        Some(443)
    } else {
        Some(80)
    }
}

#[cfg(test)]
mod tests;
