//! Hop-by-hop fields (RFC 9110 §7.6.1), in both directions.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use smallvec::SmallVec;

use super::StripSet;
use super::names::{has, is_forwarding, is_same_spelling, is_spelling, remove_where};

/// What a request wants to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// `Connection: upgrade` with `Upgrade: websocket`, HTTP/1.1, GET (RFC 6455 §4.1).
    WebSocket,
}

/// A `Connection` option that names a field which may not be removed by a client:
/// Host, Authorization, Cookie, Content-Length, a forwarding field or a claim header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Connection option names a protected field")]
pub struct ConnectionOptionError;

/// Removes the hop-by-hop fields of a request: those named by any option of any `Connection` line, and the known ones
/// (`Connection`, `Keep-Alive`, `Proxy-Connection`, `TE` unless `trailers`, `Trailer` is kept, `Transfer-Encoding`,
/// `Upgrade`, `HTTP2-Settings`, `Proxy-Authorization`, `Proxy-Authenticate`), and `Expect`, which we answer ourselves.
/// Returns the upgrade it asked for, if it is one that we forward; any other `Upgrade` (h2c) is dropped. A `TE` that is
/// kept has its option in `Connection` (RFC 9110 §10.1.4).
///
/// Protected are all spellings, and `Transfer-Encoding` too.
///
/// # Errors
/// An option that names a protected field, or an option that is not a field name.
pub fn remove_hop_by_hop(
    method: &Method,
    version: Version,
    headers: &mut HeaderMap,
    strip: &StripSet,
) -> Result<Option<Upgrade>, ConnectionOptionError> {
    let doomed = |name: &str| is_known(name) || is_known_in_requests(name);
    // `Connection` itself is one of them.
    if !has(headers, doomed) {
        return Ok(None);
    }
    let mut named = Named::default();
    for option in options(headers, &header::CONNECTION) {
        if is_protected(option, strip) {
            return Err(ConnectionOptionError);
        }
        named.add(option).map_err(|_| ConnectionOptionError)?;
    }
    let upgrade = named.upgrade
        && *method == Method::GET
        && version == Version::HTTP_11
        && is_websocket_handshake(headers);
    let trailers =
        options(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case(TRAILERS));
    for name in named.fields {
        headers.remove(name);
    }
    remove_where(headers, doomed);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    Ok(upgrade.then_some(Upgrade::WebSocket))
}

/// The same for a response; nothing is protected there. `Upgrade` of a 101 is the caller's to keep.
pub fn remove_response_hop_by_hop(headers: &mut HeaderMap) {
    if !has(headers, is_known) {
        return;
    }
    let mut named = Named::default();
    for option in options(headers, &header::CONNECTION) {
        // An option that is no name can name no field.
        let _ = named.add(option);
    }
    for name in named.fields {
        headers.remove(name);
    }
    remove_where(headers, is_known);
}

/// What the options of a message's `Connection` lines say.
#[derive(Default)]
struct Named {
    upgrade: bool,
    /// Fields to remove, besides the known ones.
    fields: SmallVec<[HeaderName; 4]>,
}

impl Named {
    fn add(&mut self, option: &[u8]) -> Result<(), header::InvalidHeaderName> {
        // Those of nearly every request and response, without making a name of them.
        if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if ![&b"keep-alive"[..], b"close", b"te"]
            .iter()
            .any(|known| option.eq_ignore_ascii_case(known))
        {
            self.fields.push(HeaderName::from_bytes(option)?);
        }
        Ok(())
    }
}

/// The list elements of every line of a field, without empty ones (RFC 9110 §5.6.1).
pub(super) fn options<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}

/// Whether a `Connection` option names the field `name`, in any spelling.
///
/// # Errors
/// It does.
pub fn refuse_connection_option(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<(), ConnectionOptionError> {
    let named = options(headers, &header::CONNECTION)
        .filter_map(|option| std::str::from_utf8(option).ok())
        .any(|option| is_same_spelling(option, name.as_str()));
    if named {
        Err(ConnectionOptionError)
    } else {
        Ok(())
    }
}

fn is_protected(option: &[u8], strip: &StripSet) -> bool {
    // What is not a field name is an error of its own.
    std::str::from_utf8(option).is_ok_and(|option| {
        PROTECTED.iter().any(|name| is_spelling(option, name))
            || is_forwarding(option)
            || strip.matches(option)
    })
}

/// RFC 6455 §4.1, as far as it concerns us; the upstream checks the key and the version. A handshake has no body: with
/// one, bytes of the body could be taken for the upgraded protocol.
fn is_websocket_handshake(headers: &HeaderMap) -> bool {
    let mut protocols = options(headers, &header::UPGRADE);
    let websocket = protocols
        .next()
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    let one = |name| headers.get_all(name).iter().count() == 1;
    websocket
        && protocols.next().is_none()
        && one(header::SEC_WEBSOCKET_KEY)
        && one(header::SEC_WEBSOCKET_VERSION)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
}

/// Hop-by-hop in either direction. Names are in lower case here, as `http` keeps them. One pass over the few fields of a
/// message costs less than a look-up for each name.
fn is_known(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

fn is_known_in_requests(name: &str) -> bool {
    matches!(name, "expect" | "http2-settings" | "proxy-authorization")
}

const TRAILERS: &[u8] = b"trailers";
const PROTECTED: [&str; 5] = [
    "host",
    "authorization",
    "cookie",
    "content-length",
    "transfer-encoding",
];

#[cfg(test)]
mod tests;
