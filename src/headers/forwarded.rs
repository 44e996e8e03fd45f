//! Who the client is, and what the upstream is told of it: `X-Forwarded-*`, `Via`.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;

use super::names::{is_forwarding, is_override, is_spelling, remove_where};

/// The peers whose forwarding fields are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether the other end of a connection is one of them.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.contains(peer.to_canonical())
    }

    /// Whether `address`, in canonical form, is one of them.
    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

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
///
/// From a trusted peer, `X-Forwarded-For` is walked from its end, over all its lines, past trusted addresses; an element
/// that is no address ends the walk. `X-Forwarded-Proto` is believed if it names one scheme alone.
#[must_use]
pub fn client_of(
    peer: SocketAddr,
    secure: bool,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
) -> Client {
    let mut address = peer.ip().to_canonical();
    if !trusted.contains(address) {
        return Client {
            address,
            via_trusted_proxy: false,
            secure,
        };
    }
    let elements = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    for element in elements {
        let Some(earlier) = parse_address(element) else {
            break;
        };
        address = earlier;
        if !trusted.contains(address) {
            break;
        }
    }
    Client {
        address,
        via_trusted_proxy: true,
        secure: forwarded_secure(headers).unwrap_or(secure),
    }
}

/// Replaces the forwarding fields. From an untrusted peer every spelling (`_`, `.`, space for `-`) of `Forwarded`,
/// `X-Forwarded-*`, `X-Real-IP`, `X-Original-*`, `X-Rewrite-URL` is removed first; from a trusted one `X-Forwarded-For` is
/// appended to and `-Proto`, `-Host` kept. Then `X-Forwarded-For/Proto/Host` are set.
///
/// Spellings without hyphens are removed from a trusted peer too: a proxy sets the fields by their names, so those are a
/// client's. So are those of `X-Request-Id`, which is the caller's to set. `X-HTTP-Method-Override` and its like are always
/// a client's: no proxy sets them, most let them through, and the route was found by the method itself.
pub fn set_forwarded(
    headers: &mut HeaderMap,
    client: Client,
    peer: IpAddr,
    host: Option<HeaderValue>,
) {
    let trusted = client.via_trusted_proxy;
    remove_where(headers, |name| {
        let other_request_id = is_spelling(name, "x-request-id") && !is_plain(name);
        other_request_id
            || is_override(name)
            || (is_forwarding(name) && !(trusted && is_plain(name)))
    });
    if let Some(value) = forwarded_for(headers, trusted, peer.to_canonical()) {
        headers.insert(FORWARDED_FOR, value);
    }
    // Of an untrusted peer none is left: what is never there is not looked for.
    if !(trusted && headers.contains_key(FORWARDED_PROTO)) {
        let scheme = if client.secure { HTTPS } else { HTTP };
        headers.insert(FORWARDED_PROTO, scheme);
    }
    if !(trusted && headers.contains_key(FORWARDED_HOST))
        && let Some(host) = host
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// Appends our `Via` (RFC 9110 §7.6.3): the version that the message came in.
pub fn append_via(headers: &mut HeaderMap, version: Version) {
    let ours = if version == Version::HTTP_2 {
        VIA_2
    } else if version == Version::HTTP_11 {
        VIA_1_1
    } else {
        VIA_1_0
    };
    headers.append(header::VIA, ours);
}

/// The id that a request came with: one `X-Request-Id` line of 1 to 128 visible ASCII characters. Only that of a trusted
/// proxy is to be believed.
#[must_use]
pub fn request_id_of(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(REQUEST_ID).iter();
    let id = lines.next()?.to_str().ok()?;
    let good = lines.next().is_none()
        && (1..=REQUEST_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    good.then_some(id)
}

/// An element of `X-Forwarded-For`: an address, in brackets or not, with or without a port.
fn parse_address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element.trim_ascii()).ok()?;
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    let bracketed = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse().ok().map(IpAddr::V6)
    };
    Some(address.or_else(bracketed)?.to_canonical())
}

/// What a trusted proxy says of the client's connection; `None` if it says nothing that can be believed.
fn forwarded_secure(headers: &HeaderMap) -> Option<bool> {
    let mut lines = headers.get_all(FORWARDED_PROTO).iter();
    let scheme = lines.next()?.as_bytes().trim_ascii();
    if lines.next().is_some() {
        return Some(false);
    }
    Some(scheme.eq_ignore_ascii_case(b"https"))
}

/// Whether the name is spelled with hyphens only, as proxies do.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The lines that were kept, if the peer is `trusted`, then `peer`.
fn forwarded_for(headers: &HeaderMap, trusted: bool, peer: IpAddr) -> Option<HeaderValue> {
    let mut text = StackText::default();
    // Always fits: see `StackText`.
    write_address(&mut text, peer).ok()?;
    if !(trusted && headers.contains_key(FORWARDED_FOR)) {
        return HeaderValue::from_bytes(text.as_bytes()).ok();
    }
    let mut value = Vec::with_capacity(128);
    for line in headers.get_all(FORWARDED_FOR) {
        value.extend_from_slice(line.as_bytes());
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(text.as_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()
}

fn write_address(text: &mut StackText, address: IpAddr) -> fmt::Result {
    match address {
        // On every request, so without the formatting machinery.
        IpAddr::V4(address) => {
            let mut buffer = itoa::Buffer::new();
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.write_char('.')?;
                }
                text.write_str(buffer.format(octet))?;
            }
            Ok(())
        }
        IpAddr::V6(address) => write!(text, "{address}"),
    }
}

/// A short text without an allocation; the longest IPv6 address has 45 characters.
struct StackText {
    bytes: [u8; 48],
    length: usize,
}

impl Default for StackText {
    fn default() -> Self {
        Self {
            bytes: [0; 48],
            length: 0,
        }
    }
}

impl StackText {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let free = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Long enough for two UUIDs and a name, short enough for every log line.
const REQUEST_ID_BYTES: usize = 128;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
// Values as constants: made while a request runs, each byte of them would be checked each time.
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 portcullis");
const VIA_1_1: HeaderValue = HeaderValue::from_static("1.1 portcullis");
const VIA_2: HeaderValue = HeaderValue::from_static("2 portcullis");

#[cfg(test)]
mod tests;
