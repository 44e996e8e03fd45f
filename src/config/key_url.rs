//! URLs that key sets and metadata documents are fetched from: the same rules for those of the configuration and for those
//! that a metadata document names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::net::is_link_local_or_metadata;

use super::routes::is_host_name;
use super::{KeyLocation, RemoteKeys};

/// What the operator allows beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUrlRules {
    /// Plain http beyond loopback.
    pub allow_http: bool,
    /// Link-local addresses, and those of metadata services.
    pub allow_link_local: bool,
}

impl From<&RemoteKeys> for KeyUrlRules {
    fn from(keys: &RemoteKeys) -> Self {
        Self {
            allow_http: keys.allow_http,
            allow_link_local: keys.allow_link_local,
        }
    }
}

/// Why nothing is fetched from a URL; it reads on after the URL. Nothing of the URL is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUrlError {
    /// No scheme.
    #[error("is not an absolute URL")]
    Relative,
    /// Neither https nor http.
    #[error("has another scheme than https")]
    Scheme,
    /// A blank, a control, something beyond ASCII.
    #[error("holds characters that no URL has")]
    Characters,
    /// User or password.
    #[error("holds credentials, which are not sent")]
    Credentials,
    /// `#`
    #[error("has a fragment, which is never sent")]
    Fragment,
    /// Neither a name nor an address.
    #[error("has no valid host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// Plain http beyond loopback, which is not allowed.
    #[error("is plain http to another machine: whoever is on the way can choose the keys")]
    PlainHttp,
    /// An address that is not allowed.
    #[error("leads to a link-local address, or to that of a metadata service")]
    LinkLocal,
}

impl KeyUrlError {
    /// What to do in gateway.toml.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Relative | Self::Scheme | Self::Host | Self::Port => {
                "write \"https://host/path\" or \"https://host:port/path\""
            }
            Self::Characters => "percent-encode them; a host name is written in its ASCII form",
            Self::Credentials => "keys are public: leave out what stands before the `@`",
            Self::Fragment => "leave out the `#` and what follows",
            Self::PlainHttp => "write https, or allow_http = true beside it",
            Self::LinkLocal => {
                "write allow_link_local = true beside it if the keys really are there"
            }
        }
    }
}

/// An absolute URL that keys may come from: https, or http to this machine or where that is allowed.
///
/// Addresses of link-local networks and metadata services are refused here only where they are written as such; what a name
/// stands for is seen when it is connected to.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse_key_url(text: &str, rules: KeyUrlRules) -> Result<Uri, KeyUrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(KeyUrlError::Relative)?;
    let plain = scheme.eq_ignore_ascii_case("http");
    if !plain && !scheme.eq_ignore_ascii_case("https") {
        let named = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return Err(if named && !scheme.is_empty() {
            KeyUrlError::Scheme
        } else {
            KeyUrlError::Relative
        });
    }
    // http::Uri leaves a fragment out without a word.
    if rest.contains('#') {
        return Err(KeyUrlError::Fragment);
    }
    // RFC 3986 §2: what is none of these is percent-encoded. A backslash is a slash to some readers.
    let never = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte);
    if rest.bytes().any(never) {
        return Err(KeyUrlError::Characters);
    }
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let (host, _) = host(authority)?;
    if !rules.allow_link_local && host.address().is_some_and(is_link_local_or_metadata) {
        return Err(KeyUrlError::LinkLocal);
    }
    if plain && !rules.allow_http && !host.is_loopback() {
        return Err(KeyUrlError::PlainHttp);
    }
    text.parse().map_err(|_| KeyUrlError::Characters)
}

impl RemoteKeys {
    /// A URL of gateway.toml that is fetched in plain http from another machine.
    #[must_use]
    pub fn plain_http(&self) -> Option<&Uri> {
        let urls = match &self.location {
            KeyLocation::Discovery(urls) => urls.as_slice(),
            KeyLocation::Jwks(url) => std::slice::from_ref(url),
        };
        urls.iter()
            .find(|url| url.scheme_str() == Some("http") && !is_loopback(url))
    }
}

/// Whether a URL leads to this machine, as far as one can see.
fn is_loopback(url: &Uri) -> bool {
    url.authority()
        .and_then(|authority| host(authority.as_str()).ok())
        .is_some_and(|(host, _)| host.is_loopback())
}

/// Whether this is a host, with or without a port.
pub(super) fn is_host(authority: &str) -> bool {
    host(authority).is_ok()
}

/// The host of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UrlHost {
    /// In lower case.
    Name(Box<str>),
    Address(IpAddr),
}

impl UrlHost {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }

    /// Whether it is this machine, as far as one can see.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => &**name == "localhost",
            Self::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

/// The host of an authority, and its port.
pub(super) fn host(authority: &str) -> Result<(UrlHost, Option<u16>), KeyUrlError> {
    if authority.contains('@') {
        return Err(KeyUrlError::Credentials);
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(KeyUrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| KeyUrlError::Host)?;
        (UrlHost::Address(address.into()), port)
    } else {
        let colon = authority.find(':').unwrap_or(authority.len());
        (name_or_v4(&authority[..colon])?, &authority[colon..])
    };
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => return Ok((host, None)),
        None => return Err(KeyUrlError::Port),
    };
    let number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port @ 1..) if number => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err(KeyUrlError::Port),
    }
}

fn name_or_v4(text: &str) -> Result<UrlHost, KeyUrlError> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(UrlHost::Address(address.into()));
    }
    let name = text.to_ascii_lowercase();
    // Resolvers take `0xa9fea9fe`, `2852039166` and `169.254.43518` for addresses; no name ends in a number.
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if numeric || !is_host_name(&name) {
        return Err(KeyUrlError::Host);
    }
    Ok(UrlHost::Name(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    const STRICT: KeyUrlRules = KeyUrlRules {
        allow_http: false,
        allow_link_local: false,
    };
    const LAX: KeyUrlRules = KeyUrlRules {
        allow_http: true,
        allow_link_local: true,
    };

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for text in [
            "https://login.example.com",
            "HTTPS://Login.Example.com:8443/keys",
            "https://login.example.com/a%20b/keys?p=policy&x=%7B",
            "https://10.0.0.1/keys",
            "https://[fd00::1]:8443/keys",
            "https://my_provider/keys",
            "http://localhost:8080/keys",
            "http://LOCALHOST/keys",
            "http://127.0.0.53/keys",
            "http://[::1]:8080/keys",
            "http://[::ffff:127.0.0.1]/keys",
        ] {
            let url = parse_key_url(text, STRICT).unwrap_or_else(|error| panic!("{text}: {error}"));
            let same = url.to_string().to_ascii_lowercase();
            let text = text.to_ascii_lowercase();
            assert_eq!(same.trim_end_matches('/'), text, "nothing is lost");
        }
    }

    #[test]
    fn what_keys_cannot_come_from_is_told() {
        for (text, error) in [
            ("", KeyUrlError::Relative),
            ("/keys", KeyUrlError::Relative),
            ("login.example.com/keys", KeyUrlError::Relative),
            ("//login.example.com/keys", KeyUrlError::Relative),
            ("/login?to=https://a/", KeyUrlError::Relative),
            ("ftp://login.example.com/keys", KeyUrlError::Scheme),
            ("file:///keys", KeyUrlError::Scheme),
            ("https://a/b c", KeyUrlError::Characters),
            ("https://a/b\n", KeyUrlError::Characters),
            ("https://a\\b/", KeyUrlError::Characters),
            ("https://ä.example/", KeyUrlError::Characters),
            ("https://a/{tenant}", KeyUrlError::Characters),
            ("https://u:p@a/", KeyUrlError::Credentials),
            ("https://u@a/", KeyUrlError::Credentials),
            ("https://a/#keys", KeyUrlError::Fragment),
            ("https://a#@b/", KeyUrlError::Fragment),
            ("https://", KeyUrlError::Host),
            ("https:///keys", KeyUrlError::Host),
            ("https://?x", KeyUrlError::Host),
            ("https://:443/", KeyUrlError::Host),
            ("https://a..b/", KeyUrlError::Host),
            ("https://a%2fb/", KeyUrlError::Host),
            ("https://[::1/", KeyUrlError::Host),
            ("https://[a]/", KeyUrlError::Host),
            ("https://[fe80::1%eth0]/", KeyUrlError::Host),
            ("https://2852039166/", KeyUrlError::Host),
            ("https://0xa9fea9fe/", KeyUrlError::Host),
            ("https://169.254.43518/", KeyUrlError::Host),
            ("https://0251.0376.0251.0376/", KeyUrlError::Host),
            ("https://a:/", KeyUrlError::Port),
            ("https://a:0/", KeyUrlError::Port),
            ("https://a:65536/", KeyUrlError::Port),
            ("https://a:+1/", KeyUrlError::Port),
            ("https://a:b/", KeyUrlError::Port),
            ("https://[::1]8/", KeyUrlError::Port),
        ] {
            assert_eq!(parse_key_url(text, STRICT).err(), Some(error), "{text}");
            assert_eq!(parse_key_url(text, LAX).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn plain_http_is_that_of_other_machines() {
        let plain = |urls: &[&str]| {
            let urls = urls.iter().map(|url| url.parse().unwrap());
            let source = RemoteKeys {
                location: KeyLocation::Discovery(urls.collect()),
                allow_http: true,
                allow_link_local: false,
                ca: None,
                proxy: None,
                place: Place::default(),
            };
            source.plain_http().is_some()
        };
        for (url, expected) in [
            ("https://a.test/keys", false),
            ("http://a.test/keys", true),
            ("http://10.0.0.1/keys", true),
            ("http://localhost:8080/keys", false),
            ("http://LOCALHOST/keys", false),
            ("http://127.9.9.9/keys", false),
            ("http://[::1]:1/keys", false),
            ("http://[::ffff:127.0.0.1]/keys", false),
            ("http://[2001:db8::1]/keys", true),
            ("http://127.0.0.1.a.test/keys", true),
        ] {
            assert_eq!(plain(&[url]), expected, "{url}");
        }
        assert!(plain(&["https://a.test/x", "http://a.test/x"]));
    }

    proptest::proptest! {
        /// What was judged is what is connected to: the URL's own host, port and scheme say the same.
        #[test]
        fn a_url_that_passes_is_read_alike_by_who_fetches_it(
            text in "(https?|HTTP|ftp)://([a-z@:.0-9\\[\\]%/?#]|127\\.0\\.0\\.1|169\\.254\\.1\\.1|\\[::1\\]|\\[fe80::1\\]|localhost){1,6}"
        ) {
            let Ok(url) = parse_key_url(&text, STRICT) else {
                return Ok(());
            };
            let host = url.host().unwrap_or_default();
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            let local = host.eq_ignore_ascii_case("localhost")
                || address.as_ref().is_ok_and(|address| address.to_canonical().is_loopback());
            proptest::prop_assert!(!host.is_empty() && !text.contains(['@', '#']));
            proptest::prop_assert!(url.scheme_str() == Some("https") || local, "{text}");
            proptest::prop_assert!(!address.is_ok_and(is_link_local_or_metadata), "{text}");
            let authority = url.authority().map_or("", |authority| authority.as_str());
            let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            proptest::prop_assert_eq!(has_port, url.port_u16().is_some());
        }
    }

    #[test]
    fn what_is_dangerous_must_be_allowed() {
        for (text, error) in [
            ("http://login.example.com/keys", KeyUrlError::PlainHttp),
            ("http://localhost.example/keys", KeyUrlError::PlainHttp),
            ("http://10.0.0.1/keys", KeyUrlError::PlainHttp),
            ("http://[fd00::1]/keys", KeyUrlError::PlainHttp),
            ("http://169.254.169.254/keys", KeyUrlError::LinkLocal),
            ("https://169.254.169.254/keys", KeyUrlError::LinkLocal),
            ("https://[fe80::1]/keys", KeyUrlError::LinkLocal),
            (
                "https://[::ffff:169.254.169.254]/keys",
                KeyUrlError::LinkLocal,
            ),
            ("https://0.0.0.0/keys", KeyUrlError::LinkLocal),
        ] {
            assert_eq!(parse_key_url(text, STRICT).err(), Some(error), "{text}");
            assert!(parse_key_url(text, LAX).is_ok(), "{text}");
        }
        let allow_http = KeyUrlRules {
            allow_http: true,
            ..STRICT
        };
        assert!(parse_key_url("http://login.example.com/", allow_http).is_ok());
        assert!(parse_key_url("http://169.254.169.254/", allow_http).is_err());
    }
}
