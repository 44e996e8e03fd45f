//! One route, compiled.

use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use crate::config::{HostPattern, Preflight, TokenPlace};
use crate::headers::{ClaimHeaders, PathAllow};
use crate::metrics::RouteMetrics;

use super::Access;

/// A route as requests use it.
pub struct Route {
    /// Its name in gateway.toml.
    pub name: Arc<str>,
    /// Hosts; any if empty.
    pub hosts: Vec<HostPattern>,
    /// Path prefix, percent-decoded.
    pub path: Box<str>,
    /// Methods; any if empty.
    pub methods: Vec<Method>,
    /// Index of its upstream in the snapshot.
    pub upstream: usize,
    /// Who may pass.
    pub access: Access,
    /// The claim headers. Routes with equal ones share them.
    pub claim_headers: Arc<ClaimHeaders>,
    /// Where its tokens may stand; `None` is `Authorization` alone, as on nearly every route.
    pub token_from: Option<Box<[TokenPlace]>>,
    /// Whether the token goes upstream.
    pub forward_token: bool,
    /// Whether a WebSocket or event stream may go on when the token that admitted it has ended.
    pub outlive_token: bool,
    /// Clients that are told how long each phase took; none: nobody.
    pub server_timing: Box<[IpNet]>,
    /// Whether the matched prefix is taken off.
    pub strip_prefix: bool,
    /// What its paths may hold.
    pub path_allow: PathAllow,
    /// What happens to a CORS preflight.
    pub preflight: Preflight,
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
    /// Its counters.
    pub metrics: Arc<RouteMetrics>,
}
