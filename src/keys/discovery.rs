//! Metadata documents (`OpenID` Connect Discovery 1.0 §4, RFC 8414 §3): where an issuer's keys are.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use crate::config::RemoteKeys;
use crate::json::{self, JsonError, Object, Value};

use super::shown;

/// Why a metadata document does not say where the keys are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not a JSON object, or a member stands twice.
    #[error("not a metadata document: {problem}{looks}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
        /// What it looks like, in brackets; or nothing.
        looks: String,
    },
    /// It has no text of that name.
    #[error("the metadata have no string {0:?}")]
    Missing(&'static str),
    /// It is another issuer's.
    #[error("the metadata are of the issuer {found:?}, but {expected:?} is configured")]
    OtherIssuer {
        /// The one of the configuration.
        expected: Box<str>,
        /// The one of the document, shortened.
        found: String,
    },
    /// Its `jwks_uri` is not fetched.
    #[error("jwks_uri {uri:?} of the metadata {problem}")]
    JwksUri {
        /// The URL, shortened.
        uri: String,
        /// Why not.
        problem: &'static str,
    },
}

/// The `jwks_uri` of a metadata document, whose `issuer` must be the configured one, compared exactly.
///
/// The URL may be on another host. It is https, or plain http as far as the rules for the source allow it.
///
/// # Errors
/// [`DiscoveryError`].
pub fn jwks_uri(document: &[u8], issuer: &str, rules: &RemoteKeys) -> Result<Uri, DiscoveryError> {
    let malformed = |problem| DiscoveryError::Malformed {
        problem,
        looks: shown::looks(document),
    };
    let parsed = json::parse(document).map_err(|error| {
        malformed(match error {
            JsonError::Syntax => "not JSON",
            JsonError::DuplicateMember => "a member stands twice",
        })
    })?;
    let root = parsed.root();
    let metadata = root.as_object().ok_or_else(|| malformed("not an object"))?;
    let found = text(metadata, "issuer")?;
    if found != issuer {
        return Err(DiscoveryError::OtherIssuer {
            expected: issuer.into(),
            found: shown::text(found),
        });
    }
    let uri = text(metadata, "jwks_uri")?;
    fetchable(uri, rules).map_err(|problem| DiscoveryError::JwksUri {
        uri: shown::text(uri.split(['?', '#']).next().unwrap_or_default()),
        problem,
    })
}

fn text<'d>(metadata: Object<'d>, name: &'static str) -> Result<&'d str, DiscoveryError> {
    let value = metadata.get(name);
    let text = value.as_ref().and_then(Value::as_str);
    text.ok_or(DiscoveryError::Missing(name))
}

/// A URL that someone else chose, if it is one that we fetch.
fn fetchable(text: &str, rules: &RemoteKeys) -> Result<Uri, &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has characters that no URL has");
    }
    // The parser drops a fragment without a word.
    if text.contains('#') {
        return Err("has a fragment");
    }
    let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
    let Some(authority) = uri.authority() else {
        return Err("is not absolute");
    };
    if authority.as_str().contains('@') {
        return Err("has a user name or password");
    }
    if authority.host().is_empty() {
        return Err("has no host");
    }
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => Ok(uri),
        Some(scheme) if *scheme == Scheme::HTTP => {
            if rules.allow_http || is_loopback(authority.host()) {
                Ok(uri)
            } else {
                Err("is plain http, which only loopback and `allow_http` admit")
            }
        }
        Some(_) | None => Err("is not https"),
    }
}

fn is_loopback(host: &str) -> bool {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: Option<IpAddr> = inside.unwrap_or(host).parse().ok();
    address.map_or_else(
        || host.eq_ignore_ascii_case("localhost"),
        |address| address.is_loopback(),
    )
}

#[cfg(test)]
mod tests;
