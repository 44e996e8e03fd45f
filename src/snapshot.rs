//! What one request sees: routes, issuers with their keys, upstreams, certificates. Immutable, replaced as a whole.

use std::sync::Arc;

use crate::config::{Config, Limits};
use crate::headers::{StripSet, TrustedProxies};
use crate::jwt::{Issuer, SkippedKey};
use crate::metrics::Metrics;
use crate::net::ServerTls;
use crate::routing::RouteTable;
use crate::upstream::Upstream;

/// One generation of everything that a decision needs.
pub struct Snapshot {
    /// Counts from 1.
    pub generation: u64,
    /// The configuration it was built from.
    pub config: Arc<Config>,
    /// The routes.
    pub routes: Arc<RouteTable>,
    /// The issuers, in the order of the configuration.
    pub issuers: Vec<Arc<Issuer>>,
    /// Keys that were left out, by issuer in the same order.
    pub skipped_keys: Vec<Vec<SkippedKey>>,
    /// The upstreams, in the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Certificates; `None`: plaintext.
    pub tls: Option<ServerTls>,
    /// Names that no client may set.
    pub strip: StripSet,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// `realm` of challenges.
    pub realm: Box<str>,
    /// Limits on clients.
    pub limits: Limits,
}

/// What is made once and outlives snapshots.
#[derive(Clone)]
pub struct Fixtures {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Session tickets, so that a reload does not end resumption.
    pub tickets: Arc<dyn rustls::server::ProducesTickets>,
    /// The time, for certificates that are made.
    pub clock: crate::clock::Clock,
}

/// Why a valid configuration could not be built: a key, certificate or CA file. One entry for each, with place.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BuildErrors(pub Vec<String>);

impl Snapshot {
    /// Loads keys and certificates and builds a snapshot. Upstreams and issuers whose settings have not changed are
    /// taken over from `previous`, with their pools, counters and key identities.
    ///
    /// # Errors
    /// Everything that cannot be loaded.
    pub fn build(
        _config: Config,
        _previous: Option<&Self>,
        _fixtures: &Fixtures,
    ) -> Result<Self, BuildErrors> {
        todo!("snapshot: founder")
    }
}
