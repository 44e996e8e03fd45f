//! What is asked: a request that nobody has sent.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::clock::UnixTime;
use crate::gate::{Head, Peer};
use crate::jwt::VerifyingKey;

/// A request, who sends it, and when.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its method.
    pub(super) method: Method,
    /// Where it goes: `https://api.example.com/orders`.
    pub(super) url: Uri,
    /// Its fields, the token among them.
    pub(super) headers: HeaderMap,
    /// The other end of the connection.
    pub(super) client: IpAddr,
    /// When it is decided.
    pub(super) now: UnixTime,
}

/// Why something is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// No method.
    #[error("{0:?} is no method")]
    Method(String),
    /// Not a URL, another scheme, or none.
    #[error("{0:?}: write the whole URL, as in https://api.example.com/orders")]
    Url(String),
    /// A user in front of the host.
    #[error("a URL with a user or password is not what a request is for")]
    User,
    /// No field line.
    #[error("{0:?} is no field: write NAME: VALUE")]
    Field(String),
    /// A token with bytes that no field has. It is not shown.
    #[error("the token has bytes that no field value has")]
    Token,
}

impl Question {
    /// From what somebody wrote. `token` is put into `Authorization`.
    ///
    /// # Errors
    /// [`BadQuestion`]: what is no request.
    pub fn new(
        method: &str,
        url: &str,
        fields: &[(String, String)],
        token: Option<&str>,
        (client, now): (IpAddr, UnixTime),
    ) -> Result<Self, BadQuestion> {
        let bad_method = |_| BadQuestion::Method(method.to_owned());
        let method = Method::from_bytes(method.as_bytes()).map_err(bad_method)?;
        // A token may stand in its query.
        let bad_url = || BadQuestion::Url(url.split('?').next().unwrap_or_default().to_owned());
        let url: Uri = url.parse().map_err(|_| bad_url())?;
        let authority = url.authority().ok_or_else(bad_url)?;
        if ![Some("https"), Some("http")].contains(&url.scheme_str()) {
            return Err(bad_url());
        }
        if authority.as_str().contains('@') {
            return Err(BadQuestion::User);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let bad = || BadQuestion::Field(name.clone());
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            headers.append(field, value);
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            headers.append(AUTHORIZATION, value.map_err(|_| BadQuestion::Token)?);
        }
        Ok(Self {
            method,
            url,
            headers,
            client,
            now,
        })
    }

    /// The head as a worker gets it over HTTP/1.1.
    pub(super) fn head(&self) -> Head {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method.clone_from(&self.method);
        parts.version = Version::HTTP_11;
        let path = self.url.path_and_query();
        let path = path.cloned().unwrap_or(PathAndQuery::from_static("/"));
        parts.uri = Uri::from(path);
        parts.headers.clone_from(&self.headers);
        if !parts.headers.contains_key(HOST)
            && let Some(authority) = self.url.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(HOST, host);
        }
        Head {
            parts,
            peer: Peer {
                address: SocketAddr::new(self.client, 0),
                secure: self.url.scheme() == Some(&Scheme::HTTPS),
            },
        }
    }

    /// The URL without its query.
    pub(super) fn shown_url(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let authority = self.url.authority().map_or("", |it| it.as_str());
        format!("{scheme}://{authority}{}", self.url.path())
    }
}

/// What is known of the keys beyond what a snapshot holds.
pub trait KeyFacts {
    /// Where a key of `issuer` (its name) came from.
    fn origin(&self, issuer: &str, key: &VerifyingKey) -> KeyOrigin;
}

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeyOrigin {
    /// The file, the URL or the setting, if it is known.
    pub source: Option<String>,
    /// When it was fetched or last confirmed, if it was.
    pub fetched: Option<UnixTime>,
}
