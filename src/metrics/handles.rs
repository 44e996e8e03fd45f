//! What the parts of the gateway hold and count with.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::labels::{CODES, METHODS, code_index, method_index};
use super::shard::{Block, Sharded, WorkerId, Writer};

/// Most reasons of refusals that can be counted.
const REASONS: usize = 64;

/// Counters of one route. Requests that reached no route have the handle named `""`, shown as `route="none"`.
#[derive(Debug)]
pub struct RouteMetrics {
    pub(super) shards: Sharded<RouteShard>,
}

/// One worker's counters of one route. What a route never sees is never allocated: ten thousand routes stay small.
#[derive(Debug, Default)]
pub(super) struct RouteShard {
    /// By method, then by status code.
    requests: [OnceLock<Box<Block<{ CODES.len() }>>>; METHODS.len()],
    /// By index of the reason.
    rejections: OnceLock<Box<Block<REASONS>>>,
    pub(super) durations: Histogram,
}

impl RouteShard {
    /// Whether a request of that method was ever counted.
    pub(super) fn saw(&self, method: usize) -> bool {
        self.requests[method].get().is_some()
    }

    /// Requests by index of method and code.
    pub(super) fn requests(&self, method: usize, code: usize) -> u64 {
        self.requests[method]
            .get()
            .map_or(0, |codes| codes.get(code))
    }

    /// Refusals by index of the reason.
    pub(super) fn rejections(&self, reason: usize) -> u64 {
        self.rejections
            .get()
            .map_or(0, |reasons| reasons.get(reason))
    }
}

impl RouteMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            shards: Sharded::new(workers),
        }
    }

    /// One finished request: `portcullis_http_requests_total{route,method,code}` and
    /// `portcullis_http_request_duration_seconds{route}`. Methods outside RFC 9110 and PATCH count as `_OTHER`.
    pub fn finished(
        &self,
        worker: WorkerId,
        method: &http::Method,
        status: u16,
        duration: Duration,
    ) {
        let (shard, writer) = self.shards.of(worker);
        shard.requests[method_index(method)]
            .get_or_init(Box::default)
            .add(code_index(status), 1, writer);
        shard.durations.observe(duration, writer);
    }

    /// One refusal: `portcullis_rejections_total{route,reason}`; `reason` is the index given to [`super::Metrics::new`].
    pub fn rejected(&self, worker: WorkerId, reason: usize) {
        let (shard, writer) = self.shards.of(worker);
        shard
            .rejections
            .get_or_init(Box::default)
            .add(reason, 1, writer);
    }
}

/// Counters of one issuer.
#[derive(Debug)]
pub struct IssuerMetrics {
    accepted: Sharded<Block<1>>,
}

impl IssuerMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            accepted: Sharded::new(workers),
        }
    }

    /// One token of this issuer that was verified: `portcullis_tokens_accepted_total{issuer}`.
    pub fn accepted(&self, worker: WorkerId) {
        let (shard, writer) = self.accepted.of(worker);
        shard.add(0, 1, writer);
    }

    pub(super) fn accepted_sum(&self) -> u64 {
        self.accepted.sum(|shard| shard.get(0))
    }
}

/// Counters of one upstream.
#[derive(Debug)]
pub struct UpstreamMetrics {
    pub(super) shards: Sharded<UpstreamShard>,
}

/// One worker's counters of one upstream.
#[derive(Debug, Default)]
pub(super) struct UpstreamShard {
    pub(super) durations: Histogram,
    events: Block<3>,
}

/// What is counted of an upstream besides durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum UpstreamEvent {
    Connected,
    ConnectFailed,
    Retried,
}

impl UpstreamMetrics {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            shards: Sharded::new(workers),
        }
    }

    /// The upstream's answer began after `duration`: `portcullis_upstream_request_duration_seconds{upstream}`.
    pub fn answered(&self, worker: WorkerId, duration: Duration) {
        let (shard, writer) = self.shards.of(worker);
        shard.durations.observe(duration, writer);
    }

    /// A connection was made: `portcullis_upstream_connections_total{upstream}`.
    pub fn connected(&self, worker: WorkerId) {
        self.add(worker, UpstreamEvent::Connected);
    }

    /// A connection could not be made: `portcullis_upstream_connect_failures_total{upstream}`.
    pub fn connect_failed(&self, worker: WorkerId) {
        self.add(worker, UpstreamEvent::ConnectFailed);
    }

    /// A request was sent a second time: `portcullis_upstream_retries_total{upstream}`.
    pub fn retried(&self, worker: WorkerId) {
        self.add(worker, UpstreamEvent::Retried);
    }

    fn add(&self, worker: WorkerId, event: UpstreamEvent) {
        let (shard, writer) = self.shards.of(worker);
        shard.events.add(event as usize, 1, writer);
    }

    pub(super) fn sum(&self, event: UpstreamEvent) -> u64 {
        self.shards.sum(|shard| shard.events.get(event as usize))
    }
}

/// Counters of one worker's connections, written by that worker alone.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct WorkerMetrics {
    open: AtomicU64,
    accepted: AtomicU64,
    handed_over: AtomicU64,
    errors: [AtomicU64; ConnectionError::ALL.len()],
    tokens: TokenCacheMetrics,
    good_signatures: AtomicU64,
    bad_signatures: AtomicU64,
}

/// What one worker's token cache did and holds.
#[derive(Debug, Default)]
struct TokenCacheMetrics {
    hits: AtomicU64,
    misses: AtomicU64,
    bytes: AtomicU64,
    entries: AtomicU64,
}

impl WorkerMetrics {
    /// Client connections open now: `portcullis_worker_connections{worker}`.
    pub fn connections(&self, open: usize) {
        let open = u64::try_from(open).unwrap_or(u64::MAX);
        self.open.store(open, Ordering::Relaxed);
    }

    /// A client connection was accepted: `portcullis_connections_total{worker}`.
    pub fn accepted(&self) {
        Writer::Only.add(&self.accepted, 1);
    }

    /// A connection went to a worker that has fewer: `portcullis_connections_handed_over_total{worker}`.
    pub fn handed_over(&self) {
        Writer::Only.add(&self.handed_over, 1);
    }

    /// A connection ended by us before a request existed, by cause:
    /// `portcullis_connection_errors_total{worker,cause}`.
    pub fn connection_error(&self, cause: ConnectionError) {
        Writer::Only.add(&self.errors[cause as usize], 1);
    }

    /// The token cache found so many tokens since the last call, and so many not:
    /// `portcullis_token_cache_requests_total{result}`.
    pub fn token_cache_asked(&self, hits: u64, misses: u64) {
        Writer::Only.add(&self.tokens.hits, hits);
        Writer::Only.add(&self.tokens.misses, misses);
    }

    /// So many signatures were checked since the last call, and good, and so many wrong:
    /// `portcullis_signature_checks_total{result}`.
    pub fn signatures_checked(&self, good: u64, bad: u64) {
        Writer::Only.add(&self.good_signatures, good);
        Writer::Only.add(&self.bad_signatures, bad);
    }

    /// What the token cache holds now: `portcullis_token_cache_bytes`, `portcullis_token_cache_entries`.
    pub fn token_cache_holds(&self, bytes: u64, entries: u64) {
        self.tokens.bytes.store(bytes, Ordering::Relaxed);
        self.tokens.entries.store(entries, Ordering::Relaxed);
    }

    /// Hits, misses, bytes and entries of the token cache.
    pub(super) fn token_cache(&self) -> [u64; 4] {
        let TokenCacheMetrics {
            hits,
            misses,
            bytes,
            entries,
        } = &self.tokens;
        [hits, misses, bytes, entries].map(|count| count.load(Ordering::Relaxed))
    }

    /// Signatures that were checked: good ones and wrong ones.
    pub(super) fn signatures(&self) -> [u64; 2] {
        [&self.good_signatures, &self.bad_signatures].map(|count| count.load(Ordering::Relaxed))
    }

    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn accepted_count(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn handed_over_count(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    pub(super) fn errors(&self, cause: ConnectionError) -> u64 {
        self.errors[cause as usize].load(Ordering::Relaxed)
    }
}

/// Why a connection ended, or was answered, before a request existed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
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

impl ConnectionError {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 4] = [
        Self::Handshake,
        Self::Malformed,
        Self::Timeout,
        Self::Overloaded,
    ];

    /// The value of the label `cause`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
        }
    }
}

/// More reasons than `REASONS` would go uncounted: [`super::Metrics::new`] refuses them.
pub(super) const fn countable(reasons: usize) -> bool {
    reasons <= REASONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_at_their_own_index() {
        for (index, cause) in ConnectionError::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }

    #[test]
    fn upstream_events_do_not_mix() {
        let upstream = UpstreamMetrics::new(1);
        upstream.connected(WorkerId(0));
        upstream.connected(WorkerId(9));
        upstream.retried(WorkerId(0));
        assert_eq!(upstream.sum(UpstreamEvent::Connected), 2);
        assert_eq!(upstream.sum(UpstreamEvent::ConnectFailed), 0);
        assert_eq!(upstream.sum(UpstreamEvent::Retried), 1);
    }
}
