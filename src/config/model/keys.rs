//! Where the keys of issuers come from.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Place, defaults};
use crate::jwt::Algorithm;
use crate::secret::Secret;

/// What an issuer's tokens are checked with.
#[derive(Clone, Debug, PartialEq)]
pub enum Keys {
    /// Public keys, of all these sources together; at least one.
    Public(Vec<KeySource>),
    /// `{ secret = ".." }`
    Secret(Secret),
    /// `{ generate = "EdDSA" }`: made once in the state directory, for trying out.
    Generate(Algorithm),
}

impl From<KeySource> for Keys {
    fn from(source: KeySource) -> Self {
        Self::Public(vec![source])
    }
}

impl Keys {
    /// The sources of public keys.
    #[must_use]
    pub fn sources(&self) -> &[KeySource] {
        match self {
            Self::Public(sources) => sources,
            Self::Secret(_) | Self::Generate(_) => &[],
        }
    }

    /// The sources that are fetched.
    pub fn remote(&self) -> impl Iterator<Item = &RemoteKeys> {
        self.sources().iter().filter_map(|source| match source {
            KeySource::Remote(remote) => Some(&**remote),
            KeySource::JwksFile(_) | KeySource::PemFiles(_) | KeySource::Store => None,
        })
    }

    /// Whether the store has some of them.
    #[must_use]
    pub fn are_stored(&self) -> bool {
        self.sources().contains(&KeySource::Store)
    }

    /// Whether they may be missing for now: they are fetched, or in the store.
    #[must_use]
    pub fn come_later(&self) -> bool {
        self.sources().iter().any(|source| match source {
            KeySource::Remote(_) | KeySource::Store => true,
            KeySource::JwksFile(_) | KeySource::PemFiles(_) => false,
        })
    }
}

/// Where public keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// `{ jwks_file = ".." }`
    JwksFile(PathBuf),
    /// `{ pem_files = [{ path, kid }] }`
    PemFiles(Vec<PemFile>),
    /// `{ discovery = .. }` or `{ jwks_url = ".." }`
    Remote(Box<RemoteKeys>),
    /// The store has them: the local issuer's.
    Store,
}

/// A JWK Set that is fetched, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteKeys {
    /// Where its URL stands: what is wrong with the answer is shown there.
    pub place: Place,
    /// What is fetched.
    pub location: KeyLocation,
    /// Whether plain http beyond loopback is allowed.
    pub allow_http: bool,
    /// Whether link-local addresses and those of cloud metadata services are allowed.
    pub allow_link_local: bool,
    /// A file with the roots to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// The proxy through which it is fetched: `http://host:port`.
    pub proxy: Option<http::Uri>,
}

/// Where a remote JWK Set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// A metadata document says: these are tried in order, the next one only after a 404 (`OpenID` Connect Discovery 1.0 §4,
    /// RFC 8414 §3). At least one.
    Discovery(Vec<http::Uri>),
    /// Here.
    Jwks(http::Uri),
}

/// When remote keys are fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefresh {
    /// Between two fetches. `Cache-Control` can only shorten it.
    pub interval: Duration,
    /// Least time between two fetches that unknown `kid`s cause.
    pub unknown_kid_gap: Duration,
    /// How long the last good set serves after it was fetched.
    pub stale_for: Duration,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self {
            interval: defaults::KEY_INTERVAL,
            unknown_kid_gap: defaults::UNKNOWN_KID_GAP,
            stale_for: defaults::KEYS_STALE_FOR,
        }
    }
}

/// A public key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The file.
    pub path: PathBuf,
    /// The kid of its key.
    pub kid: Option<Box<str>>,
}
