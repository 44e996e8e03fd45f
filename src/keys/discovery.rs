//! Metadata documents (`OpenID` Connect Discovery 1.0 §4, RFC 8414 §3): where an issuer's keys are.

use http::Uri;

use crate::config::{KeyUrlError, RemoteKeys, parse_key_url};
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
    #[error("jwks_uri {uri:?} of the metadata {source}")]
    JwksUri {
        /// The URL, shortened, without query.
        uri: String,
        /// Why not.
        source: KeyUrlError,
    },
}

/// The `jwks_uri` of a metadata document, whose `issuer` must be the configured one, compared exactly.
///
/// The URL may be on another host. It obeys the rules of the source, as the URLs of gateway.toml do.
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
    parse_key_url(uri, rules.into()).map_err(|source| DiscoveryError::JwksUri {
        uri: shown::url_text(uri),
        source,
    })
}

fn text<'d>(metadata: Object<'d>, name: &'static str) -> Result<&'d str, DiscoveryError> {
    let value = metadata.get(name);
    let text = value.as_ref().and_then(Value::as_str);
    text.ok_or(DiscoveryError::Missing(name))
}

#[cfg(test)]
mod tests;
