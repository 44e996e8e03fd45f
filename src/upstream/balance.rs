//! An upstream, shared by the workers: its present addresses, and which to take.

use std::sync::Arc;

use crate::config;
use crate::metrics::UpstreamMetrics;

/// One upstream. It keeps its identity over reloads while its settings are the same.
pub struct Upstream {
    /// Its settings.
    pub config: config::Upstream,
    /// Unique in the process: what pools are keyed by.
    pub id: u64,
    /// Its counters.
    pub metrics: Arc<UpstreamMetrics>,
}

/// One address of an upstream: requests in flight, and when it may be tried again.
pub struct Address {}

/// Counts a request to an address until it is dropped.
pub struct InFlight {}

/// Why an upstream cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct UpstreamError {
    /// The CA file.
    pub file: std::path::PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Upstream {
    /// Prepares an upstream; names are not resolved yet.
    ///
    /// # Errors
    /// When its CA file cannot be used.
    pub fn new(
        _config: config::Upstream,
        _metrics: Arc<UpstreamMetrics>,
    ) -> Result<Arc<Self>, UpstreamError> {
        todo!("upstream helper")
    }

    /// The addresses in use and left out, for `/status`: (address, requests in flight, seconds left out).
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, usize, u64)> {
        todo!("upstream helper")
    }
}
