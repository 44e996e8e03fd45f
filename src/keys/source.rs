//! One remote source of keys, fetched as a whole: metadata first where that says where the keys are, then the JWK Set, which is
//! only good with a key that the issuer can use.

use std::time::Duration;

use http::{StatusCode, Uri};

use crate::clock::UnixTime;
use crate::config::{Issuer, KeyLocation, RemoteKeys};
use crate::jwt::AlgorithmSet;

use super::connect::ConnectError;
use super::discovery::{DiscoveryError, jwks_uri};
use super::fetch::{FetchError, Fetched, KeyClient};
use super::set::{SetError, usable_keys};
use super::{KeysError, shown};

/// A remote source and what was learned of it.
#[derive(Debug)]
pub struct RemoteSource {
    client: KeyClient,
    /// `iss`
    issuer: Box<str>,
    algorithms: AlgorithmSet,
    source: RemoteKeys,
    /// Where the metadata said the keys are, and when.
    found: Option<(Uri, UnixTime)>,
    /// Where the last good document came from: an entity-tag means nothing elsewhere.
    good: Option<Uri>,
    keys: usize,
    requests: u64,
}

/// Why a source gives no keys: what `check --online`, `/status` and the log say. URLs are shown without their query.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// None of the places where metadata may be has any (404).
    #[error("{urls}: there are no metadata (status 404)")]
    NoMetadata {
        /// Where it was looked for.
        urls: String,
    },
    /// Metadata that do not say where the keys are.
    #[error("{url}: {source}")]
    Discovery {
        /// Of the metadata.
        url: String,
        /// What is wrong with them.
        source: DiscoveryError,
    },
    /// A document that cannot be fetched.
    #[error("{url}: {source}")]
    Fetch {
        /// Of the document.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// A document that is no JWK Set with a usable key.
    #[error("{url}: {source}")]
    Set {
        /// Of the document.
        url: String,
        /// What is wrong with it.
        source: SetError,
    },
}

impl RemoteSource {
    /// A source of an issuer.
    ///
    /// # Errors
    /// As [`KeyClient::new`].
    pub fn new(issuer: &Issuer, source: &RemoteKeys) -> Result<Self, KeysError> {
        Ok(Self {
            client: KeyClient::new(source)?,
            issuer: issuer.policy.issuer.clone(),
            algorithms: issuer.policy.algorithms,
            source: source.clone(),
            found: None,
            good: None,
            keys: 0,
            requests: 0,
        })
    }

    /// Fetches the JWK Set, unless it is still the one with `etag`. A document that is returned has a usable key.
    ///
    /// Where the metadata said the keys are is remembered for an hour, or until keys cannot be fetched from there, or
    /// [`Self::doubt_place`]. Then, and on
    /// the first fetch by metadata, `etag` is not sent: it may be one of another place. Dropping the future ends the fetch.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn fetch(
        &mut self,
        etag: Option<&str>,
        now: UnixTime,
    ) -> Result<Fetched, SourceError> {
        let url = match self.source.location.clone() {
            KeyLocation::Jwks(url) => url,
            KeyLocation::Discovery(places) => {
                if let Some(url) = self.remembered(now) {
                    url
                } else {
                    self.discover(&places, now).await?
                }
            }
        };
        let fetched = self.keys_from(&url, etag).await;
        if fetched.is_err() {
            self.found = None;
        }
        fetched
    }

    /// The last set lacks a key that tokens name: perhaps the keys are elsewhere by now, and the old place still answers. The
    /// next fetch begins with the metadata if those are not new.
    pub fn doubt_place(&mut self, now: UnixTime) {
        let young = |when: UnixTime| when <= now && now < when.plus(YOUNG);
        self.found.take_if(|(_, when)| !young(*when));
    }

    fn remembered(&self, now: UnixTime) -> Option<Uri> {
        let (url, when) = self.found.as_ref()?;
        // A clock that was set back says nothing about how old it is.
        let young = *when <= now && now < when.plus(REMEMBERED);
        young.then(|| url.clone())
    }

    async fn discover(&mut self, places: &[Uri], now: UnixTime) -> Result<Uri, SourceError> {
        self.found = None;
        for place in places {
            let document = match self.get(place, None).await {
                Ok(Fetched::Document(document)) => document,
                // 304 is no answer here: no entity-tag was sent.
                Ok(Fetched::NotModified { .. })
                | Err(FetchError::Status(StatusCode::NOT_FOUND)) => continue,
                Err(source) => return Err(fetch_error(place, source)),
            };
            let found = jwks_uri(&document.bytes, &self.issuer, &self.source);
            let url = found.map_err(|source| SourceError::Discovery {
                url: shown::url(place),
                source,
            })?;
            self.found = Some((url.clone(), now));
            return Ok(url);
        }
        let urls: Vec<String> = places.iter().map(shown::url).collect();
        Err(SourceError::NoMetadata {
            urls: urls.join(", "),
        })
    }

    async fn keys_from(&mut self, url: &Uri, etag: Option<&str>) -> Result<Fetched, SourceError> {
        let same_place = match self.source.location {
            KeyLocation::Jwks(_) => true,
            KeyLocation::Discovery(_) => self.good.as_ref() == Some(url),
        };
        let fetched = self.get(url, etag.filter(|_| same_place)).await;
        let fetched = fetched.map_err(|source| fetch_error(url, source))?;
        if let Fetched::Document(document) = &fetched {
            let usable = usable_keys(&document.bytes, self.algorithms);
            let (keys, _) = usable.map_err(|source| SourceError::Set {
                url: shown::url(url),
                source,
            })?;
            self.good = Some(url.clone());
            self.keys = keys.iter().count();
        }
        Ok(fetched)
    }

    async fn get(&mut self, url: &Uri, etag: Option<&str>) -> Result<Fetched, FetchError> {
        self.requests += 1;
        self.client.get(url, etag).await
    }

    /// What is fetched: the URL of the JWK Set once it is known, else of the metadata; without its query.
    #[must_use]
    pub fn url(&self) -> String {
        match (&self.source.location, &self.found) {
            (KeyLocation::Jwks(url), _) | (KeyLocation::Discovery(_), Some((url, _))) => {
                shown::url(url)
            }
            (KeyLocation::Discovery(places), None) => {
                places.first().map(shown::url).unwrap_or_default()
            }
        }
    }

    /// Usable keys of the last good document.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// HTTP requests that were begun.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }
}

fn fetch_error(url: &Uri, source: FetchError) -> SourceError {
    SourceError::Fetch {
        url: shown::url(url),
        source,
    }
}

impl SourceError {
    /// Whether nobody could be asked, or whoever was asked could not answer: waiting may help. Otherwise a document, a URL, a
    /// certificate or the configuration is wrong.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Fetch { source, .. } => match source {
                FetchError::Connect(error) => may_pass(error),
                FetchError::Timeout { .. } | FetchError::Http(_) => true,
                FetchError::Status(status) => {
                    status.is_server_error()
                        || matches!(
                            *status,
                            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                        )
                }
                FetchError::Url
                | FetchError::Redirect { .. }
                | FetchError::TooLarge { .. }
                | FetchError::Encoding(_) => false,
            },
            Self::NoMetadata { .. } | Self::Discovery { .. } | Self::Set { .. } => false,
        }
    }
}

fn may_pass(error: &ConnectError) -> bool {
    match error {
        ConnectError::Resolve { .. }
        | ConnectError::Tcp(_)
        | ConnectError::Handshake(_)
        | ConnectError::Tunnel(_)
        | ConnectError::Timeout { .. } => true,
        ConnectError::Proxy(error) => may_pass(error),
        ConnectError::Forbidden(_) | ConnectError::Tls(_) => false,
    }
}

/// For how long metadata serve: an hour. A `jwks_uri` changes once in years, and the old one then mostly fails.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Metadata that are younger than this are right, whatever keys are missing: made-up `kid`s do not double the requests.
const YOUNG: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
