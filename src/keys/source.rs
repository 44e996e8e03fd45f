//! One remote source of keys, fetched as a whole: metadata first where that says where the keys are, then the JWK Set, which is
//! only good with a key that the issuer can use.

use crate::clock::UnixTime;
use crate::config::{Issuer, RemoteKeys};

use super::KeysError;
use super::discovery::DiscoveryError;
use super::fetch::{FetchError, Fetched, KeyClient};
use super::set::SetError;

/// A remote source and what was learned of it.
#[derive(Debug)]
pub struct RemoteSource {
    client: KeyClient,
    requests: u64,
    url: String,
    keys: usize,
    warnings: Vec<String>,
}

/// Why a source gives no keys: what `check --online`, `/status` and the log say. URLs are shown without their query.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// None of the places where metadata may be has any (404).
    #[error("{urls}: there is no metadata document (404)")]
    NoMetadata {
        /// Where it was looked for.
        urls: String,
    },
    /// A metadata document that does not say where the keys are.
    #[error("{url}: {source}")]
    Discovery {
        /// Of the metadata document.
        url: String,
        /// What is wrong with it.
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

impl SourceError {
    /// Whether nobody could be asked, or the server was not able to answer: a later attempt may succeed. Otherwise the document,
    /// the URL or the configuration is wrong.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        false
    }
}

impl RemoteSource {
    /// A source of an issuer.
    ///
    /// # Errors
    /// As [`KeyClient::new`].
    pub fn new(issuer: &Issuer, source: &RemoteKeys) -> Result<Self, KeysError> {
        let _ = issuer;
        Ok(Self {
            client: KeyClient::new(source)?,
            requests: 0,
            url: String::new(),
            keys: 0,
            warnings: Vec::new(),
        })
    }

    /// Fetches the JWK Set, if it is no longer the one with `etag`. A document that is returned has a usable key.
    ///
    /// Where the metadata said the keys are is remembered for an hour, or until the keys cannot be fetched from there. Dropping the
    /// future ends the fetch.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn fetch(
        &mut self,
        etag: Option<&str>,
        now: UnixTime,
    ) -> Result<Fetched, SourceError> {
        let _ = (etag, now, &self.client);
        Err(SourceError::NoMetadata {
            urls: self.url.clone(),
        })
    }

    /// What is fetched: the URL of the JWK Set once it is known, else of the metadata, without query.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Usable keys of the last good document.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// What the operator must hear of the last good document: keys that everyone can sign with (private or symmetric ones in a public
    /// set), kids that name two keys.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// HTTP requests that were begun.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }
}
