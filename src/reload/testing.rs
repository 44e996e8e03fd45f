//! Small configurations and snapshots for tests of this module.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{
    Authentication, Config, Environment, Host, Issuer, KeyRefresh, Keys, Place, Preflight, Route,
    TokenPlace, Upstream, UpstreamUrl, parse,
};
use crate::headers::{PathAllow, StripSet, TrustedProxies};
use crate::jwt::{
    self, Algorithm, AlgorithmSet, AudienceMatch, IssuerPolicy, KeySet, VerifyingKey,
};
use crate::metrics::Metrics;
use crate::routing::RouteTable;
use crate::secret::Secret;
use crate::snapshot::{Fixtures, Snapshot, SnapshotId, SnapshotKeyUses};

/// A configuration with every default, and no routes, issuers and upstreams.
pub(crate) fn config() -> Config {
    let text = "[server]\nlisten = [\"127.0.0.1:8080\"]\nworkers = 1\nstrip = []\n";
    let environment = Environment([("STATE_DIRECTORY".to_owned(), "/state".to_owned())].into());
    let name = Path::new("gateway.toml");
    parse(text, name, Path::new("/"), &environment).unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn issuer(name: &str, keys: impl Into<Keys>) -> Issuer {
    Issuer {
        name: name.into(),
        place: Place::default(),
        policy: IssuerPolicy {
            issuer: "https://issuer.example".into(),
            audiences: vec!["api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms: AlgorithmSet::default(),
            leeway: Duration::from_secs(30),
            require: vec![],
            token_types: vec!["jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        },
        keys: keys.into(),
        refresh: KeyRefresh::default(),
        logout: None,
    }
}

pub(crate) fn upstream(name: &str) -> Upstream {
    let second = Duration::from_secs(1);
    Upstream {
        name: name.into(),
        place: Place::default(),
        urls: vec![UpstreamUrl {
            tls: false,
            host: name.into(),
            port: 80,
        }],
        ca: None,
        connect_timeout: second,
        response_timeout: second,
        idle_timeout: second,
        max_idle: 8,
        host: Host::Keep,
    }
}

pub(crate) fn route(name: &str) -> Route {
    Route {
        name: name.into(),
        place: Place::default(),
        hosts: vec![],
        path: "/".into(),
        methods: vec![],
        upstream: 0,
        auth: Authentication::Required,
        issuers: vec![0],
        requirements: crate::config::Requirements::default(),
        overrides: vec![],
        token_from: vec![TokenPlace::Authorization],
        forward_token: false,
        outlive_token: false,
        server_timing: Vec::new(),
        strip_prefix: false,
        path_allow: PathAllow::default(),
        preflight: Preflight::Deny,
        body_bytes: None,
        claim_headers: vec![],
    }
}

/// An issuer in force, with a key for each of these kids.
pub(crate) fn issuer_with_keys(name: &str, kids: &[&str]) -> Arc<jwt::Issuer> {
    let algorithms: AlgorithmSet = [Algorithm::Hs256].into_iter().collect();
    let keys = kids.iter().map(|kid| {
        let secret = Secret::new(format!("{kid:>32}").into_bytes());
        let key = VerifyingKey::from_secret(&secret, algorithms);
        key.expect("long enough").with_kid(kid)
    });
    let (keys, skipped) = KeySet::new(keys.collect(), algorithms);
    assert!(skipped.is_empty());
    let mut policy = issuer(name, Keys::Generate(Algorithm::Hs256)).policy;
    policy.algorithms = algorithms;
    Arc::new(jwt::Issuer {
        name: name.into(),
        policy: Arc::new(policy),
        keys,
    })
}

/// A snapshot without routes, issuers and certificates.
pub(crate) fn snapshot(generation: u64, config: Config) -> Snapshot {
    Snapshot {
        id: SnapshotId::fresh(),
        generation,
        endpoints: Arc::default(),
        cookie_tokens: None,
        routes: Arc::new(RouteTable::default()),
        issuers: vec![],
        issuer_metrics: vec![],
        key_uses: SnapshotKeyUses::default(),
        skipped_keys: vec![],
        local_keys: vec![],
        key_requesters: vec![],
        upstreams: vec![],
        tls: None,
        strip: StripSet::default(),
        strip_trailers: StripSet::default(),
        trusted_proxies: TrustedProxies::default(),
        realm: config.server.realm.clone(),
        limits: config.server.limits.clone(),
        config: Arc::new(config),
    }
}

pub(crate) fn fixtures() -> Fixtures {
    Fixtures {
        metrics: Metrics::new(1, &[]),
        tickets: Arc::new(NoTickets),
        clock: Clock::manual(crate::clock::UnixTime::from_seconds(1_700_000_000)).0,
        keys: Arc::default(),
    }
}

#[derive(Debug)]
struct NoTickets;

impl rustls::server::ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }
    fn lifetime(&self) -> u32 {
        0
    }
    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A handle whose reloads take the next generation; they fail where the realm is `bad`.
pub(crate) fn handle(publisher: Arc<arc_swap::ArcSwap<Snapshot>>) -> super::ReloadHandle {
    super::reloader::testing_handle(publisher, &fixtures())
}
