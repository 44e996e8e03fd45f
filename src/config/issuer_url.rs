//! The URL of the local issuer.

use super::IssuerUrl;
use super::key_url::{KeyUrlError, UrlHost, host};

/// Why something is no URL of an issuer; it reads on after the URL. Nothing of the URL is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IssuerUrlError {
    /// No `scheme://`.
    #[error("is not an absolute URL")]
    Relative,
    /// Neither https nor http, in lower case.
    #[error("has another scheme than https")]
    Scheme,
    /// A query or a fragment (RFC 8414 §2).
    #[error("has a query or a fragment, which no issuer has")]
    Query,
    /// User or password.
    #[error("holds credentials")]
    Credentials,
    /// Neither a name nor an address.
    #[error("has no valid host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// A slash at the end: `iss` is compared to the letter, and people forget it.
    #[error("ends with `/`")]
    Slash,
    /// Something that two readers might take for two paths.
    #[error("has a path with more than letters, digits, `-`, `_`, `.` and `~`")]
    Path,
}

impl IssuerUrlError {
    /// What to do in gateway.toml.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Relative | Self::Scheme | Self::Host | Self::Port => {
                "write \"https://host/auth\" or \"https://host:port/auth\""
            }
            Self::Query => "leave out what follows the path",
            Self::Credentials => "leave out what stands before the `@`",
            Self::Slash => "leave out the slash: tokens have it in `iss` as it is written here",
            Self::Path => "write a plain one, as in \"https://host/auth\"",
        }
    }
}

/// The URL of a local issuer.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn parse_issuer_url(text: &str) -> Result<IssuerUrl, IssuerUrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(IssuerUrlError::Relative)?;
    let secure = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(IssuerUrlError::Scheme),
    };
    if rest.contains(['?', '#']) {
        return Err(IssuerUrlError::Query);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host(authority).map_err(|error| match error {
        KeyUrlError::Credentials => IssuerUrlError::Credentials,
        KeyUrlError::Port => IssuerUrlError::Port,
        KeyUrlError::Host
        | KeyUrlError::Relative
        | KeyUrlError::Scheme
        | KeyUrlError::Characters
        | KeyUrlError::Fragment
        | KeyUrlError::PlainHttp
        | KeyUrlError::LinkLocal => IssuerUrlError::Host,
    })?;
    if path.ends_with('/') {
        return Err(IssuerUrlError::Slash);
    }
    if !path.is_empty() && !is_plain_path(path) {
        return Err(IssuerUrlError::Path);
    }
    let usual = if secure { 443 } else { 80 };
    Ok(IssuerUrl {
        text: text.into(),
        secure,
        host: match host {
            UrlHost::Name(name) => name,
            UrlHost::Address(address) => address.to_string().into(),
        },
        port: port.filter(|port| *port != usual),
        path: path.into(),
    })
}

/// Whether every server reads this absolute path alike: RFC 3986 §2.3 unreserved characters in segments that are neither
/// empty nor dots.
pub(super) fn is_plain_path(path: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(unreserved) && !matches!(segment, "." | "..")
    };
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(plain))
}
