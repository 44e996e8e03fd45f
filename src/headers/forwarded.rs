//! Who the client is, and what the upstream is told of it: `X-Forwarded-*`, `Via`.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The peers whose forwarding fields are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

/// Who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The rightmost untrusted address (IPv4-mapped IPv6 is IPv4).
    pub address: IpAddr,
    /// Whether the peer itself is a trusted proxy.
    pub via_trusted_proxy: bool,
    /// Whether the client's own connection was TLS, as far as trusted proxies tell.
    pub secure: bool,
}

/// The client of a request from `peer`, over TLS if `secure`.
#[must_use]
pub fn client_of(
    _peer: SocketAddr,
    _secure: bool,
    _headers: &HeaderMap,
    _trusted: &TrustedProxies,
) -> Client {
    todo!("headers helper")
}

/// Replaces the forwarding fields. From an untrusted peer every spelling (`_`, `.`, space for `-`) of `Forwarded`,
/// `X-Forwarded-*`, `X-Real-IP`, `X-Original-*`, `X-Rewrite-URL`, `X-HTTP-Method-Override` is removed first; from a
/// trusted one `X-Forwarded-For` is appended to and `-Proto`, `-Host` kept. Then `X-Forwarded-For/Proto/Host` are set.
pub fn set_forwarded(_headers: &mut HeaderMap, _client: Client, _peer: IpAddr, _host: &str) {
    todo!("headers helper")
}

/// Appends our `Via` (RFC 9110 §7.6.3).
pub fn append_via(_headers: &mut HeaderMap, _version: http::Version) {
    todo!("headers helper")
}
