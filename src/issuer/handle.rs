//! How a worker hands a request to the issuer, which runs beside the workers and not on them.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::snapshot::Endpoint;

/// Requests that wait for the issuer, at most: more would be answered when their clients have long given up.
const WAITING: usize = 256;

/// What a client asks the gateway itself.
pub struct Asked {
    /// Whose it is.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: Method,
    /// Its path as it was sent, without query; begins with `/`.
    pub path: Box<str>,
    /// Its query, without the `?`.
    pub query: Option<Box<str>>,
    /// All its fields, as they were received.
    pub headers: HeaderMap,
    /// Who sent it, as far as trusted proxies tell.
    pub client: IpAddr,
    /// Whether the client sent it over TLS, as far as trusted proxies tell.
    pub secure: bool,
    /// Its body, whole: at most 64 KiB.
    pub body: Bytes,
}

impl fmt::Debug for Asked {
    /// Without fields, query and body: passwords and tokens are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A request that the gateway answers itself.
#[derive(Debug)]
pub struct IssuerRequest {
    /// What is asked.
    pub asked: Asked,
    /// Where the answer goes. Nobody waits for it any more when the client has gone.
    pub reply: oneshot::Sender<http::Response<Bytes>>,
}

/// Where requests for the issuer go in.
#[derive(Clone, Debug)]
pub struct IssuerHandle(mpsc::Sender<IssuerRequest>);

/// Where they come out.
#[derive(Debug)]
pub struct IssuerRequests(mpsc::Receiver<IssuerRequest>);

impl IssuerHandle {
    /// A handle, and what comes in by it.
    #[must_use]
    pub fn channel() -> (Self, IssuerRequests) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), IssuerRequests(receiver))
    }

    /// Hands a request over, without waiting.
    ///
    /// # Errors
    /// The request, when too many wait or the issuer has ended.
    pub fn try_send(&self, request: IssuerRequest) -> Result<(), Box<IssuerRequest>> {
        self.0.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Closed(request) => Box::new(request),
        })
    }
}

impl IssuerRequests {
    /// The next request; `None` when every handle is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<IssuerRequest> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderValue, Response};

    use super::*;

    fn request() -> (IssuerRequest, oneshot::Receiver<Response<Bytes>>) {
        let (reply, answer) = oneshot::channel();
        let authorization = HeaderValue::from_static("Basic c2VjcmV0");
        let asked = Asked {
            endpoint: Endpoint::Issuer,
            method: Method::POST,
            path: "/auth/login".into(),
            query: Some("secret=1".into()),
            headers: HeaderMap::from_iter([(AUTHORIZATION, authorization)]),
            client: [127, 0, 0, 1].into(),
            secure: true,
            body: Bytes::from_static(b"password=secret"),
        };
        (IssuerRequest { asked, reply }, answer)
    }

    #[tokio::test]
    async fn requests_that_nobody_takes_are_handed_back_when_too_many_wait() {
        let (handle, mut requests) = IssuerHandle::channel();
        let mut answers = Vec::new();
        for _ in 0..WAITING {
            let (request, answer) = request();
            assert!(handle.try_send(request).is_ok());
            answers.push(answer);
        }
        assert!(handle.try_send(request().0).is_err());
        requests.next().await.unwrap();
        assert!(handle.try_send(request().0).is_ok());
        drop(requests);
        assert!(handle.try_send(request().0).is_err());
    }

    #[test]
    fn a_request_shows_nothing_secret() {
        let shown = format!("{:?}", request().0);
        assert!(shown.contains("/auth/login"), "{shown}");
        for secret in ["secret", "c2Vj", "password"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
