//! The local issuer, and logout tokens of others.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::config::Place;
use crate::jwt::Algorithm;
use crate::secret::Secret;

/// The name by which routes admit tokens of the local issuer; no other issuer has it.
pub const LOCAL_ISSUER: &str = "local";

/// The label of requests that the local issuer answers itself; no route has it as its name.
pub const LOCAL_ISSUER_ROUTE: &str = "local_issuer";

/// `[local_issuer]`
#[derive(Clone, Debug, PartialEq)]
pub struct LocalIssuer {
    /// Where it stands.
    pub place: Place,
    /// Index into [`Config::issuers`](super::Config::issuers): what its tokens must say.
    pub issuer: usize,
    /// Its `iss`, and where it is served. A change needs a restart.
    pub url: IssuerUrl,
    /// The keys it signs with.
    pub signing: Signing,
    /// How long an access token lives.
    pub access_token: Duration,
    /// How long a session lives without a refresh.
    pub refresh_token: Duration,
    /// How long a session lives at most; at least `refresh_token`.
    pub session: Duration,
    /// Whether the token endpoint takes names and passwords from any client (RFC 6749 §4.3).
    pub password_grant: bool,
    /// What secrets in the store are encrypted under, at least 32 bytes; always there with PostgreSQL. A change needs a
    /// restart.
    pub encryption_key: Option<Secret>,
    /// Whether it sets cookies, and routes that admit its tokens take them from there.
    pub cookies: bool,
    /// Whether it has a sign-in page; only with `cookies`.
    pub page: bool,
}

/// The URL of the local issuer, which is its `iss`: http or https, without credentials, query and fragment. Its path has no
/// escapes, no empty or dot segments, and no slash at the end, so there is one way to write it.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerUrl {
    /// As it is written, which is how `iss` is compared.
    pub text: Box<str>,
    /// https
    pub secure: bool,
    /// A name in lower case, or an address (IPv6 without brackets, in its shortest form).
    pub host: Box<str>,
    /// Its port, unless it is that of the scheme.
    pub port: Option<u16>,
    /// `""`, or as in `"/auth"`.
    pub path: Box<str>,
}

impl IssuerUrl {
    /// As browsers write it in `Origin` (RFC 6454 §6.2): `https://localhost:8443`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let host = &*self.host;
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

impl IssuerUrl {
    /// Whether its host is this machine, as far as one can see.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        &*self.host == "localhost"
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The path of its metadata (RFC 8414 §3.1), which lies outside of its own.
    #[must_use]
    pub fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path)
    }

    /// Whether a path on its host is its own: its path, what is below at a segment border, and its metadata.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || path == self.metadata_path()
    }
}

impl fmt::Debug for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// `signing` of the local issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// What its tokens are signed with: `EdDSA`, ES256 or RS256.
    pub algorithm: Algorithm,
    /// How long a key signs, until the next one does.
    pub rotate: Duration,
}

/// `[issuers.logout]`: where a provider says that a session has ended (`OpenID` Connect Back-Channel Logout 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackChannelLogout {
    /// The path at which it tells, on any host: this one alone, not what is below.
    pub path: Box<str>,
    /// Our name with the provider: what its logout tokens have in `aud`.
    pub client_id: Box<str>,
    /// Where it stands.
    pub place: Place,
}
