//! One HTTP GET of a document about keys, with limits on all of it: time, size, addresses, and nothing that leads elsewhere.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, IF_NONE_MATCH, LOCATION, USER_AGENT,
};
use http::uri::Scheme;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use crate::config::{KeyLocation, RemoteKeys};
use crate::jwt::JWK_SET_MAX_BYTES;
use crate::net::trusted_roots;

use super::connect::{ConnectError, Connector};
use super::{KeysError, freshness, shown};

/// What fetches the documents of one source. Connections are used again within a few seconds only.
pub struct KeyClient {
    client: Client<Connector, Empty<Bytes>>,
    limits: Limits,
}

impl fmt::Debug for KeyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyClient").finish_non_exhaustive()
    }
}

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
    /// Not an absolute http or https URL.
    #[error("not an http or https URL")]
    Url,
    /// There is no connection.
    #[error("{0}")]
    Connect(#[source] Arc<ConnectError>),
    /// The time for all of it is over.
    #[error("timed out after {} s {}", limit.as_secs_f32(), waiting(*body))]
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
        /// Where to, shortened, without query.
        location: String,
    },
    /// More bytes than a document may have.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The most it may have.
        limit: usize,
    },
    /// A `Content-Encoding` that was not asked for.
    #[error("Content-Encoding {0:?}, which was not asked for")]
    Encoding(String),
    /// What came is not HTTP, or ended early.
    #[error("{}", chain(&**.0))]
    Http(#[source] Box<dyn Error + Send + Sync>),
}

impl KeyClient {
    /// A client for a source, with its roots, its proxy and its limits.
    ///
    /// # Errors
    /// The CA bundle cannot be read or holds no certificate; or the system has no roots.
    pub fn new(source: &RemoteKeys) -> Result<Self, KeysError> {
        Self::with_limits(source, Limits::default())
    }

    pub(super) fn with_limits(source: &RemoteKeys, limits: Limits) -> Result<Self, KeysError> {
        let connector = Connector {
            tls: Arc::new(tls(source)?),
            allow_link_local: source.allow_link_local,
            proxy: source.proxy.clone(),
            limit: limits.connect,
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(HEAD_BYTES)
            .http1_max_headers(HEAD_FIELDS)
            .build(connector);
        Ok(Self { client, limits })
    }

    /// Gets a document: 2 s for a connection (name resolution and TLS included), 5 s for all of it, at most 1 MiB of body. Sends
    /// `If-None-Match` with a valid `etag`.
    ///
    /// # Errors
    /// [`FetchError`]: every answer but 200 and, to an `etag`, 304.
    pub async fn get(&self, url: &Uri, etag: Option<&str>) -> Result<Fetched, FetchError> {
        let end = Instant::now() + self.limits.total;
        let late = |body| FetchError::Timeout {
            limit: self.limits.total,
            body,
        };
        let request = request(url, etag)?;
        let conditional = request.headers().contains_key(IF_NONE_MATCH);
        let answer = timeout_at(end, self.client.request(request)).await;
        let answer = answer.map_err(|_| late(None))?.map_err(unanswered)?;
        let max_age = freshness::max_age(answer.headers());
        if !check_head(&answer, conditional, self.limits.body)? {
            return Ok(Fetched::NotModified { max_age });
        }
        let etag = freshness::etag(answer.headers());
        let mut bytes = Vec::new();
        let body = read(answer.into_body(), &mut bytes, self.limits.body);
        match timeout_at(end, body).await {
            Ok(read) => read?,
            Err(_) => return Err(late(Some(bytes.len()))),
        }
        Ok(Fetched::Document(Document {
            bytes,
            etag,
            max_age,
        }))
    }
}

fn request(url: &Uri, etag: Option<&str>) -> Result<Request<Empty<Bytes>>, FetchError> {
    if ![Some(&Scheme::HTTPS), Some(&Scheme::HTTP)].contains(&url.scheme()) {
        return Err(FetchError::Url);
    }
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = url.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let etag = etag.filter(|etag| freshness::is_etag(etag));
    if let Some(Ok(etag)) = etag.map(HeaderValue::from_str) {
        headers.insert(IF_NONE_MATCH, etag);
    }
    Ok(request)
}

/// The TLS of a source: its roots, or the system's.
fn tls(source: &RemoteKeys) -> Result<ClientConfig, KeysError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| KeysError {
            file: "TLS".into(),
            problem: error.to_string(),
        })?;
    let roots = roots(source)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn roots(source: &RemoteKeys) -> Result<RootCertStore, KeysError> {
    let found = match &source.ca {
        Some(file) => {
            let content = std::fs::read(file).map_err(|error| KeysError {
                file: file.clone(),
                problem: format!("cannot read the file: {error}"),
            })?;
            trusted_roots(Some((file, &content)))
        }
        None => trusted_roots(None),
    };
    match found {
        Ok(roots) => Ok(roots),
        // A system without roots can fetch by plain http. If the metadata lead to https, nobody is trusted there.
        Err(_) if source.ca.is_none() && is_plain(&source.location) => Ok(RootCertStore::empty()),
        Err(error) => Err(KeysError {
            file: error.file,
            problem: error.problem,
        }),
    }
}

/// Whether no URL of the configuration is https.
fn is_plain(location: &KeyLocation) -> bool {
    let is_http = |url: &Uri| url.scheme() == Some(&Scheme::HTTP);
    match location {
        KeyLocation::Jwks(url) => is_http(url),
        KeyLocation::Discovery(urls) => urls.iter().all(is_http),
    }
}

/// Whether a body follows; `false`: it is the document that is known.
fn check_head(
    answer: &Response<Incoming>,
    conditional: bool,
    limit: usize,
) -> Result<bool, FetchError> {
    let status = answer.status();
    if status == StatusCode::NOT_MODIFIED && conditional {
        return Ok(false);
    }
    if status != StatusCode::OK {
        return Err(refused(status, answer.headers()));
    }
    for coding in answer.headers().get_all(CONTENT_ENCODING) {
        if !coding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(FetchError::Encoding(shown::bytes(coding.as_bytes())));
        }
    }
    let announced = answer.body().size_hint().lower();
    if usize::try_from(announced).is_ok_and(|announced| announced <= limit) {
        Ok(true)
    } else {
        Err(FetchError::TooLarge { limit })
    }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> FetchError {
    match headers.get(LOCATION) {
        Some(location) if status.is_redirection() => {
            let location = String::from_utf8_lossy(location.as_bytes());
            // A query may hold what is nobody's business.
            let location = shown::url_text(&location);
            FetchError::Redirect { status, location }
        }
        Some(_) | None => FetchError::Status(status),
    }
}

/// Reads a body to its end. What had come stays in `bytes` if that is never reached.
async fn read(mut body: Incoming, bytes: &mut Vec<u8>, limit: usize) -> Result<(), FetchError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Http(error.into()))?;
        // Trailers say nothing about keys.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(FetchError::TooLarge { limit });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(())
}

/// Why there is no answer.
fn unanswered(error: legacy::Error) -> FetchError {
    let connect = error.source().and_then(|source| source.downcast_ref());
    match connect {
        Some(connect) => FetchError::Connect(Arc::clone(connect)),
        None => FetchError::Http(error.into()),
    }
}

/// What a fetch waited for when its time was over.
fn waiting(body: Option<usize>) -> String {
    match body {
        None => "while waiting for an answer".to_owned(),
        Some(bytes) => format!("while reading the body, of which {bytes} bytes had come"),
    }
}

/// What a library says, with the causes. The client's own words add nothing.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = shown::causes(error).filter(|cause| !cause.is::<legacy::Error>());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    shown::text(&texts.join(": "))
}

/// What one fetch may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Name, TCP and TLS.
    pub(super) connect: Duration,
    /// All of it.
    pub(super) total: Duration,
    /// Bytes of the body.
    pub(super) body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(5),
            body: JWK_SET_MAX_BYTES,
        }
    }
}

/// What we read: JSON, by whichever name. The answer's own type is not looked at.
const ACCEPTED: &str = "application/json, application/jwk-set+json";

const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// An idle connection is kept for 10 s: from the metadata to the keys. The next refresh connects anew, and so resolves anew.
const IDLE: Duration = Duration::from_secs(10);

/// Bytes of an answer's head: 64 KiB. Content security policies are long, but not that long.
const HEAD_BYTES: usize = 64 << 10;

/// Fields of an answer's head.
const HEAD_FIELDS: usize = 100;

#[cfg(test)]
mod tests;
