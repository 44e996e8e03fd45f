//! One worker's connections to the upstreams: taken last in, first out; not `Send`, no lock.

use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use http_body::Body;
use hyper::body::{Bytes, Incoming};

use crate::metrics::WorkerId;
use crate::net::Deadlines;

use super::{InFlight, Upstream};

/// All pools of one worker. `B` is the body that requests have.
pub struct Pools<B> {
    _body: std::marker::PhantomData<B>,
}

/// An answer's head, and what keeps counting until its body has ended.
pub struct Sent {
    /// The response. Its body is polled by the caller; the connection goes back to the pool by itself.
    pub response: Response<Incoming>,
    /// Dropped when the response body has ended.
    pub in_flight: InFlight,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No address could be connected to: 502.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The names resolve to nothing: 502.
    #[error("no address: {0}")]
    Resolve(String),
    /// The connection broke, or its answer is not HTTP: 502.
    #[error("broken answer: {0}")]
    Broken(hyper::Error),
    /// `connect_timeout`: 504.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// `response_timeout`: 504.
    #[error("no answer in time")]
    ResponseTimeout,
}

impl<B> Pools<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Empty pools of a worker.
    #[must_use]
    pub fn new(_worker: WorkerId, _deadlines: Deadlines) -> Rc<Self> {
        todo!("upstream helper")
    }

    /// Sends a request (origin form, Host set) and waits for the head of the answer. `replayable` is a bodiless GET,
    /// HEAD or OPTIONS: then a reused connection that closes before a byte of the answer is tried once more on a new one.
    ///
    /// # Errors
    /// As [`SendError`] says.
    pub async fn send(
        self: &Rc<Self>,
        _upstream: &Arc<Upstream>,
        _request: Request<B>,
        _replayable: bool,
    ) -> Result<Sent, SendError> {
        todo!("upstream helper")
    }

    /// Closes connections that were idle too long, and all of upstreams that `keep` does not name. Called each second.
    pub fn sweep(&self, _keep: &dyn Fn(u64) -> bool) {
        todo!("upstream helper")
    }
}
