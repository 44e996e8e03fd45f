//! What the process counts, as families with closed label sets.
//!
//! Handles are fields that their users hold: nothing is looked up by name while a request runs, and nothing that a
//! client can choose becomes a label. Each worker writes a shard of its own; a scrape adds the shards up.

use std::sync::Arc;
use std::time::Duration;

/// The number of a worker, from 0: the shard it writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WorkerId(pub usize);

/// Every metric of the process. Made once; handles of routes, issuers and upstreams outlive snapshots.
pub struct Metrics {}

impl Metrics {
    /// Families for `workers` workers; `reasons` are the names of all refusal reasons, in the order of their index.
    #[must_use]
    pub fn new(_workers: usize, _reasons: &'static [&'static str]) -> Arc<Self> {
        todo!("operations helper")
    }

    /// The handle of a configured route; the same one for the same name.
    #[must_use]
    pub fn route(&self, _name: &str) -> Arc<RouteMetrics> {
        todo!("operations helper")
    }

    /// The handle of a configured issuer.
    #[must_use]
    pub fn issuer(&self, _name: &str) -> Arc<IssuerMetrics> {
        todo!("operations helper")
    }

    /// The handle of a configured upstream.
    #[must_use]
    pub fn upstream(&self, _name: &str) -> Arc<UpstreamMetrics> {
        todo!("operations helper")
    }

    /// The counters of one worker.
    #[must_use]
    pub fn worker(&self, _worker: WorkerId) -> Arc<WorkerMetrics> {
        todo!("operations helper")
    }
}

/// Counters of one route. Requests that reached no route have the handle named `""`, shown as `route="none"`.
pub struct RouteMetrics {}

impl RouteMetrics {
    /// One finished request: `portcullis_http_requests_total{route,method,code}` and
    /// `portcullis_http_request_duration_seconds{route}`. Methods outside RFC 9110 and PATCH count as `_OTHER`.
    pub fn finished(
        &self,
        _worker: WorkerId,
        _method: &http::Method,
        _status: u16,
        _duration: Duration,
    ) {
        todo!("operations helper")
    }

    /// One refusal: `portcullis_rejections_total{route,reason}`; `reason` is the index given to [`Metrics::new`].
    pub fn rejected(&self, _worker: WorkerId, _reason: usize) {
        todo!("operations helper")
    }
}

/// Counters of one issuer.
pub struct IssuerMetrics {}

impl IssuerMetrics {
    /// One token of this issuer that was verified: `portcullis_tokens_accepted_total{issuer}`.
    pub fn accepted(&self, _worker: WorkerId) {
        todo!("operations helper")
    }
}

/// Counters of one upstream.
pub struct UpstreamMetrics {}

impl UpstreamMetrics {
    /// The upstream's answer began after `duration`: `portcullis_upstream_request_duration_seconds{upstream}`.
    pub fn answered(&self, _worker: WorkerId, _duration: Duration) {
        todo!("operations helper")
    }

    /// A connection was made: `portcullis_upstream_connections_total{upstream}`.
    pub fn connected(&self, _worker: WorkerId) {
        todo!("operations helper")
    }

    /// A connection could not be made: `portcullis_upstream_connect_failures_total{upstream}`.
    pub fn connect_failed(&self, _worker: WorkerId) {
        todo!("operations helper")
    }

    /// A request was sent a second time: `portcullis_upstream_retries_total{upstream}`.
    pub fn retried(&self, _worker: WorkerId) {
        todo!("operations helper")
    }
}

/// Counters of one worker's connections.
pub struct WorkerMetrics {}

impl WorkerMetrics {
    /// Client connections open now: `portcullis_worker_connections{worker}`.
    pub fn connections(&self, _open: usize) {
        todo!("operations helper")
    }

    /// A client connection was accepted: `portcullis_connections_total{worker}`.
    pub fn accepted(&self) {
        todo!("operations helper")
    }

    /// A connection ended by us before a request existed, by cause:
    /// `portcullis_connection_errors_total{worker,cause}`.
    pub fn connection_error(&self, _cause: ConnectionError) {
        todo!("operations helper")
    }
}

/// Why a connection ended, or was answered, before a request existed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionError {
    /// The TLS handshake failed or took too long.
    Handshake,
    /// The bytes were not HTTP that we take; HTTP/1.1 was answered 400, 414 or 431.
    Malformed,
    /// The head, the body or the reading of the response took too long.
    Timeout,
    /// A limit on connections was reached.
    Overloaded,
}
