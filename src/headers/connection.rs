//! Hop-by-hop fields (RFC 9110 §7.6.1), in both directions.

use http::HeaderMap;

use super::StripSet;

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
/// `Upgrade`, `HTTP2-Settings`, `Proxy-Authorization`, `Proxy-Authenticate`). Returns the upgrade it asked for, if it
/// is one that we forward; any other `Upgrade` (h2c) is dropped.
///
/// # Errors
/// An option that names a protected field, or an option that is not a field name.
pub fn remove_hop_by_hop(
    _method: &http::Method,
    _version: http::Version,
    _headers: &mut HeaderMap,
    _strip: &StripSet,
) -> Result<Option<Upgrade>, ConnectionOptionError> {
    todo!("headers helper")
}

/// The same for a response; nothing is protected there. `Upgrade` of a 101 is the caller's to keep.
pub fn remove_response_hop_by_hop(_headers: &mut HeaderMap) {
    todo!("headers helper")
}
