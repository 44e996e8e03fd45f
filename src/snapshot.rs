//! What one request sees: routes, issuers with their keys, upstreams, certificates. Immutable, replaced as a whole.

mod cookie_tokens;
mod endpoints;
mod key_uses;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::config::{
    self, Certificates, Config, ConfigError, ConfigErrors, KeySource, Limits, Place, TokenPlace,
};
use crate::headers::{ClaimHeader, ClaimHeaders, StripSet, TrustedProxies};
use crate::jwt::{Issuer, IssuerPolicy, SkippedKey};
use crate::keys::{self, KeyClient, KeyRequester, LoadedKeys, LocalKeys, RemoteKeySets};
use crate::metrics::{IssuerMetrics, Metrics};
use crate::net::{self, CertificateError, ServerTls};
use crate::routing::{Access, Route, RouteTable};
use crate::upstream::{Upstream, take_over_addresses};

pub use cookie_tokens::CookieTokens;
pub use endpoints::{Endpoint, LocalEndpoints};
pub use key_uses::{SnapshotKeyUses, name_of};

/// One generation of everything that a decision needs.
pub struct Snapshot {
    /// Which one it is: no other of this process has the same.
    pub id: SnapshotId,
    /// Counts from 1.
    pub generation: u64,
    /// The configuration it was built from.
    pub config: Arc<Config>,
    /// What is answered here, before any route.
    pub endpoints: Arc<LocalEndpoints>,
    /// Whether tokens may come as a cookie, and how.
    pub cookie_tokens: Option<Arc<CookieTokens>>,
    /// The routes.
    pub routes: Arc<RouteTable>,
    /// The issuers, in the order of the configuration.
    pub issuers: Vec<Arc<Issuer>>,
    /// Their counters, in the same order.
    pub issuer_metrics: Vec<Arc<IssuerMetrics>>,
    /// What counts for their keys.
    pub key_uses: SnapshotKeyUses,
    /// Their keys that were left out, in the same order.
    pub skipped_keys: Vec<Vec<SkippedKey>>,
    /// What their local sources hold, in the same order.
    pub local_keys: Vec<Arc<LocalKeys>>,
    /// Who asks for newer keys of theirs, in the same order: `None` where nothing is fetched. Empty in a snapshot that was
    /// never published.
    pub key_requesters: Vec<Option<KeyRequester>>,
    /// The upstreams, in the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Certificates; `None`: plaintext.
    pub tls: Option<ServerTls>,
    /// Names that no client may set.
    pub strip: StripSet,
    /// The same for trailers of requests, where no token may stand either.
    pub strip_trailers: StripSet,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// `realm` of challenges.
    pub realm: Box<str>,
    /// Limits on clients.
    pub limits: Limits,
}

/// What tells snapshots of one process apart, also those that were never in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotId(u64);

impl SnapshotId {
    /// One that no other snapshot has.
    #[must_use]
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What is made once and outlives snapshots.
#[derive(Clone)]
pub struct Fixtures {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Session tickets, so that a reload does not end resumption.
    pub tickets: Arc<dyn rustls::server::ProducesTickets>,
    /// The time, for certificates that are made.
    pub clock: Clock,
    /// What was fetched of remote sources.
    pub keys: Arc<RemoteKeySets>,
}

impl Snapshot {
    /// Loads keys and certificates and builds a snapshot. Upstreams whose settings have not changed are taken over from
    /// `previous`, with their connections and what was learned of their addresses; so are policies and sets of claim headers,
    /// by which workers know again what they remember.
    ///
    /// # Errors
    /// Every key, certificate and CA file that cannot be used.
    pub fn build(
        config: Config,
        previous: Option<&Self>,
        fixtures: &Fixtures,
    ) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let issuers = load_issuers(&config, previous, &fixtures.keys, &mut errors);
        let upstreams = prepare_upstreams(&config, previous, &fixtures.metrics, &mut errors);
        let tls = match &config.server.tls {
            Some(certificates) => load_certificates(certificates, &config, fixtures, &mut errors),
            None => None,
        };
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let mut header_sets = HeaderSets::of(previous);
        let routes = config
            .routes
            .iter()
            .map(|route| compile_route(route, &config, &fixtures.metrics, &mut header_sets))
            .collect();
        Ok(Self {
            id: SnapshotId::fresh(),
            generation: previous.map_or(1, |previous| previous.generation + 1),
            endpoints: Arc::new(LocalEndpoints::of(&config, &fixtures.metrics)),
            cookie_tokens: CookieTokens::of(&config).map(Arc::new),
            routes: Arc::new(RouteTable::new(routes)),
            issuer_metrics: issuers
                .in_force
                .iter()
                .map(|issuer| fixtures.metrics.issuer(&issuer.name))
                .collect(),
            key_uses: SnapshotKeyUses::of(&issuers.in_force, fixtures.metrics.key_uses()),
            issuers: issuers.in_force,
            skipped_keys: issuers.skipped,
            local_keys: issuers.local,
            key_requesters: Vec::new(),
            upstreams,
            tls,
            strip: StripSet::new(stripped(&config)),
            strip_trailers: StripSet::new(stripped(&config).chain(token_fields(&config))),
            trusted_proxies: config.server.trusted_proxies.clone(),
            realm: config.server.realm.clone(),
            limits: config.server.limits.clone(),
            config: Arc::new(config),
        })
    }

    /// This snapshot with other keys of one issuer: the same generation and everything else shared.
    ///
    /// # Panics
    /// If there is no such issuer.
    #[must_use]
    pub fn with_issuer_keys(&self, issuer: usize, loaded: LoadedKeys) -> Self {
        let mut next = Self {
            id: SnapshotId::fresh(),
            generation: self.generation,
            config: Arc::clone(&self.config),
            endpoints: Arc::clone(&self.endpoints),
            cookie_tokens: self.cookie_tokens.clone(),
            routes: Arc::clone(&self.routes),
            issuers: self.issuers.clone(),
            issuer_metrics: self.issuer_metrics.clone(),
            skipped_keys: self.skipped_keys.clone(),
            local_keys: self.local_keys.clone(),
            key_requesters: self.key_requesters.clone(),
            key_uses: SnapshotKeyUses::default(),
            upstreams: self.upstreams.clone(),
            tls: self.tls.clone(),
            strip: self.strip.clone(),
            strip_trailers: self.strip_trailers.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            realm: self.realm.clone(),
            limits: self.limits.clone(),
        };
        next.issuers[issuer] = Arc::new(Issuer {
            name: Arc::clone(&self.issuers[issuer].name),
            policy: Arc::clone(&self.issuers[issuer].policy),
            keys: loaded.keys,
        });
        next.skipped_keys[issuer] = loaded.skipped;
        next.local_keys[issuer] = loaded.local;
        next.key_uses = self.key_uses.with(&next.issuers);
        next
    }
}

/// The issuers of a snapshot, and what is known of them, in the order of the configuration.
#[derive(Default)]
struct Issuers {
    in_force: Vec<Arc<Issuer>>,
    skipped: Vec<Vec<SkippedKey>>,
    local: Vec<Arc<LocalKeys>>,
}

/// Loads the keys of every issuer; an issuer that fails leaves an error and no entry.
fn load_issuers(
    config: &Config,
    previous: Option<&Snapshot>,
    sets: &RemoteKeySets,
    errors: &mut Vec<ConfigError>,
) -> Issuers {
    let mut issuers = Issuers::default();
    for (index, issuer) in config.issuers.iter().enumerate() {
        let sources = issuer.keys.sources().iter().enumerate();
        errors.extend(sources.filter_map(|(at, source)| {
            Some(ConfigError {
                place: config.places.in_key_source(index, at, "ca"),
                message: ca_problem(source)?,
                hint: None,
            })
        }));
        match keys::load(issuer, &config.state_directory, sets) {
            Ok(loaded) => {
                issuers.in_force.push(Arc::new(Issuer {
                    name: Arc::clone(&issuer.name),
                    policy: kept_policy(&issuer.policy, previous),
                    keys: loaded.keys,
                }));
                issuers.skipped.push(loaded.skipped);
                issuers.local.push(loaded.local);
            }
            Err(error) => errors.push(ConfigError {
                place: issuer.place.clone(),
                message: format!("keys of issuer {:?}: {error}", issuer.name),
                hint: None,
            }),
        }
    }
    issuers
}

/// What is wrong with the CA file of a remote source. What it fetches may be missing; a file that gateway.toml names may not.
fn ca_problem(source: &KeySource) -> Option<String> {
    let KeySource::Remote(remote) = source else {
        return None;
    };
    remote.ca.as_ref()?;
    let error = KeyClient::new(remote).err()?;
    Some(format!("CA of remote keys: {error}"))
}

/// The policy itself where it was in force before: then equality is one comparison of pointers.
fn kept_policy(policy: &IssuerPolicy, previous: Option<&Snapshot>) -> Arc<IssuerPolicy> {
    let mut before = previous.into_iter().flat_map(|previous| &previous.issuers);
    match before.find(|issuer| *issuer.policy == *policy) {
        Some(issuer) => Arc::clone(&issuer.policy),
        None => Arc::new(policy.clone()),
    }
}

fn prepare_upstreams(
    config: &Config,
    previous: Option<&Snapshot>,
    metrics: &Metrics,
    errors: &mut Vec<ConfigError>,
) -> Vec<Arc<Upstream>> {
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    for upstream in &config.upstreams {
        let kept =
            previous.and_then(|previous| previous.upstreams.iter().find(|kept| kept.is(upstream)));
        if let Some(kept) = kept {
            upstreams.push(Arc::clone(kept));
            continue;
        }
        match Upstream::new(upstream.clone(), metrics.upstream(&upstream.name)) {
            Ok(made) => {
                let named = |old: &&Arc<Upstream>| old.config.name == upstream.name;
                if let Some(old) = previous.and_then(|p| p.upstreams.iter().find(named)) {
                    take_over_addresses(&made, old);
                }
                upstreams.push(made);
            }
            Err(error) => errors.push(ConfigError {
                place: upstream.place.clone(),
                message: format!("CA of upstream {:?}: {error}", upstream.name),
                hint: None,
            }),
        }
    }
    upstreams
}

fn load_certificates(
    certificates: &Certificates,
    config: &Config,
    fixtures: &Fixtures,
    errors: &mut Vec<ConfigError>,
) -> Option<ServerTls> {
    let loaded = certificate_files(certificates, config, fixtures)
        .and_then(|pairs| net::build_server_tls(&pairs, Arc::clone(&fixtures.tickets)));
    match loaded {
        Ok(tls) => Some(tls),
        Err(CertificateError { file, problem }) => {
            errors.push(ConfigError {
                place: Place {
                    file,
                    ..Place::default()
                },
                message: problem,
                hint: None,
            });
            None
        }
    }
}

/// The certificate and key files; made now if they are to be self-signed.
fn certificate_files(
    certificates: &Certificates,
    config: &Config,
    fixtures: &Fixtures,
) -> Result<Vec<(PathBuf, PathBuf)>, CertificateError> {
    match certificates {
        Certificates::Files(pairs) => Ok(pairs.clone()),
        Certificates::SelfSigned(names) => {
            let directory = config.state_directory.join("tls");
            net::make_self_signed(names, &directory, fixtures.clock.now()).map(|pair| vec![pair])
        }
    }
}

/// The sets of claim headers in use: routes with equal ones share one.
struct HeaderSets(HashMap<Vec<ClaimHeader>, Arc<ClaimHeaders>>);

impl HeaderSets {
    fn of(previous: Option<&Snapshot>) -> Self {
        let routes = previous
            .into_iter()
            .flat_map(|previous| previous.routes.iter());
        let sets = routes.map(|route| {
            let set = &route.claim_headers;
            (set.headers().to_vec(), Arc::clone(set))
        });
        Self(sets.collect())
    }

    fn get(&mut self, headers: &[ClaimHeader]) -> Arc<ClaimHeaders> {
        if let Some(set) = self.0.get(headers) {
            return Arc::clone(set);
        }
        let set = Arc::new(ClaimHeaders::new(headers.to_vec()));
        self.0.insert(headers.to_vec(), Arc::clone(&set));
        set
    }
}

fn compile_route(
    route: &config::Route,
    config: &Config,
    metrics: &Metrics,
    header_sets: &mut HeaderSets,
) -> Route {
    Route {
        name: Arc::clone(&route.name),
        hosts: route.hosts.clone(),
        path: route.path.clone(),
        methods: route.methods.clone(),
        upstream: route.upstream,
        access: Access {
            auth: route.auth,
            issuers: (0..config.issuers.len())
                .map(|issuer| route.issuers.contains(&issuer))
                .collect(),
            requirements: route.requirements.clone(),
            overrides: route.overrides.clone(),
        },
        claim_headers: header_sets.get(&route.claim_headers),
        token_from: (route.token_from != [TokenPlace::Authorization])
            .then(|| route.token_from.as_slice().into()),
        forward_token: route.forward_token,
        outlive_token: route.outlive_token,
        server_timing: route.server_timing.as_slice().into(),
        strip_prefix: route.strip_prefix,
        path_allow: route.path_allow,
        preflight: route.preflight,
        body_bytes: route.body_bytes.or(config.server.limits.body_bytes),
        metrics: metrics.route(&route.name),
    }
}

/// The union over the whole configuration: a name that one route sets is stripped on all of them.
fn stripped(config: &Config) -> impl Iterator<Item = &str> {
    let claim_headers = config
        .routes
        .iter()
        .flat_map(|route| &route.claim_headers)
        .map(|header| header.name.as_str());
    claim_headers.chain(config.strip.iter().map(String::as_str))
}

/// The fields in which some route takes tokens.
fn token_fields(config: &Config) -> impl Iterator<Item = &str> {
    let places = config.routes.iter().flat_map(|route| &route.token_from);
    places.filter_map(|place| match place {
        TokenPlace::Header(name) => Some(name.as_str()),
        TokenPlace::Authorization
        | TokenPlace::Cookie(_)
        | TokenPlace::Query(_)
        | TokenPlace::Subprotocol(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;
    use crate::upstream::refresh_addresses;

    fn built(settings: &str, previous: Option<&Snapshot>, fixtures: &Fixtures) -> Snapshot {
        let text = format!(
            "[[upstreams]]\nname = \"app\"\nurls = [\"http://localhost:9\"]\n{settings}\n\
             [[routes]]\nname = \"all\"\npath = \"/\"\nupstream = \"app\"\nauth = \"none\"\n"
        );
        let environment = Environment::default();
        let config = config::parse(&text, Path::new("test.toml"), Path::new("/"), &environment);
        Snapshot::build(config.unwrap(), previous, fixtures).unwrap()
    }

    #[tokio::test]
    async fn an_upstream_stays_while_its_settings_do_and_its_addresses_in_any_case() {
        let fixtures = Fixtures {
            metrics: Metrics::new(1, &[]),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
            clock: Clock::System,
            keys: Arc::default(),
        };
        let first = built("", None, &fixtures);
        refresh_addresses(&first.upstreams[0]).await;
        let sockets = |snapshot: &Snapshot| -> Vec<_> {
            let addresses = snapshot.upstreams[0].addresses().into_iter();
            addresses.map(|address| address.socket).collect()
        };
        let known = sockets(&first);
        assert!(!known.is_empty());
        let same = built("", Some(&first), &fixtures);
        assert!(Arc::ptr_eq(&first.upstreams[0], &same.upstreams[0]));
        let changed = built("max_idle = 3", Some(&same), &fixtures);
        assert!(!Arc::ptr_eq(&same.upstreams[0], &changed.upstreams[0]));
        assert_eq!(sockets(&changed), known);
    }
}
