//! The configuration as the program uses it: nothing in it needs a second check.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;

use crate::headers::{ClaimHeader, PathAllow, TrustedProxies};
use crate::jwt::IssuerPolicy;
use crate::secret::Secret;

use super::store::default_url;
use super::{Place, Places};

mod keys;
mod local;
mod rules;
mod token_place;

pub use keys::{KeyLocation, KeyRefresh, KeySource, Keys, PemFile, RemoteKeys};
pub use local::{
    BackChannelLogout, IssuerUrl, LOCAL_ISSUER, LOCAL_ISSUER_ROUTE, LocalIssuer, Signing,
};
pub use token_place::TokenPlace;

pub use rules::{Condition, Override, Pattern, Requirements, Rule, Test};

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// gateway.toml itself; `None` when it came from memory.
    pub file: Option<PathBuf>,
    /// Every file that the configuration names or that a `${file:}` read: their parent directories are watched.
    pub files: BTreeSet<PathBuf>,
    /// SHA-256 of the text and of every value read from the environment or a file, in hexadecimal.
    pub hash: String,
    /// Where made keys and certificates are kept.
    pub state_directory: PathBuf,
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[[issuers]]`, and behind them the local one if there is one.
    pub issuers: Vec<Issuer>,
    /// `[local_issuer]`
    pub local_issuer: Option<LocalIssuer>,
    /// `[[upstreams]]`, and those that routes give as a URL.
    pub upstreams: Vec<Upstream>,
    /// `[[routes]]`
    pub routes: Vec<Route>,
    /// `[server] strip`: further names that clients may not send, exact or ending in `*`.
    pub strip: Vec<String>,
    /// `[store]`; its defaults where only the local issuer or an `[issuers.logout]` asks for one. `None`: nobody does.
    pub store: Option<StoreConfig>,
    /// Where the secrets of the configuration come from.
    pub secrets: Vec<SecretUse>,
    /// Where each key stands.
    pub places: Places,
}

impl Config {
    /// Where the store is: in the state directory where the file has no `[store]`.
    #[must_use]
    pub fn store_url(&self) -> StoreUrl {
        match &self.store {
            Some(store) => store.url.clone(),
            None => default_url(&self.state_directory),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where its URL stands, else it itself.
    pub place: Place,
    /// Where it is. A change needs a restart.
    pub url: StoreUrl,
    /// What happens to tokens while the list of revocations is too old.
    pub fail: StoreFailure,
    /// How old the list may be.
    pub stale_for: Duration,
}

/// What happens to tokens while nobody can tell whether they are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StoreFailure {
    /// They are refused.
    #[default]
    Closed,
    /// They pass, if they are not on the list that there is.
    Open,
}

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file, which is made when it is missing.
    Sqlite(PathBuf),
    /// `postgres://..`, checked; a secret because a password may be in it.
    Postgres(Secret),
}

/// A secret of the configuration: not its value, only where it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// Where it stands.
    pub place: Place,
    /// Where it comes from.
    pub origin: SecretOrigin,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// It is written in gateway.toml.
    Literal,
    /// An environment variable.
    Environment,
    /// These files.
    Files(Vec<PathBuf>),
}

/// `[server]` and `[server.limits]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where to listen. A change needs a restart.
    pub listen: Vec<SocketAddr>,
    /// Worker threads: `"auto"` is one per core. A change needs a restart.
    pub workers: NonZeroUsize,
    /// Certificates; `None`: plaintext. Whether it is there needs a restart.
    pub tls: Option<Certificates>,
    /// CIDRs whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// `realm` of challenges.
    pub realm: Box<str>,
    /// Bytes of verified tokens that all workers remember together; 0: none.
    pub token_cache: usize,
    /// `[server.limits]`
    pub limits: Limits,
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Chain and key files; the first serves names that none fits.
    Files(Vec<(PathBuf, PathBuf)>),
    /// Made once for these names, kept in the state directory.
    SelfSigned(Vec<String>),
}

/// Limits on clients. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections of the whole process.
    pub connections: usize,
    /// Client connections of one address (IPv6: /64).
    pub connections_per_client: Option<usize>,
    /// Oldest a connection gets before it is told to go.
    pub connection_age: Option<Duration>,
    /// Bytes of a request head.
    pub header_bytes: usize,
    /// Fields of a request head.
    pub header_count: usize,
    /// From the head's first byte to its last.
    pub header_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// TLS handshake.
    pub handshake_timeout: Duration,
    /// Bytes of a request body; a route may set its own.
    pub body_bytes: Option<u64>,
    /// Between two parts of a request body.
    pub body_idle_timeout: Duration,
    /// While the client takes nothing of a response.
    pub write_timeout: Duration,
    /// Concurrent HTTP/2 streams of a connection.
    pub streams: u32,
    /// Bytes of a token.
    pub token_bytes: usize,
    /// Failed signature checks.
    pub bad_signatures: BadSignatureLimits,
    /// While nothing passes through an upgraded connection.
    pub upgrade_idle_timeout: Duration,
    /// From TERM to closed listeners.
    pub drain_delay: Duration,
    /// From closed listeners to the end.
    pub drain_timeout: Duration,
}

/// Failed signature checks a second, of each worker. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadSignatureLimits {
    /// Of one client address (IPv6: /64).
    pub per_client: Option<NonZeroU32>,
    /// Of all together; it refuses only clients that failed lately.
    pub per_worker: Option<NonZeroU32>,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// Where to listen; `None` when switched off with `listen = "off"`.
    pub listen: Option<SocketAddr>,
    /// Who may ask.
    pub access: AdminAccess,
}

/// Who may use the admin listener.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminAccess {
    /// Anyone who reaches a loopback address.
    Loopback,
    /// Who sends this bearer token.
    Token(Secret),
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Whether there is a line for each request.
    pub access: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text.
    Text,
    /// JSON, an object a line.
    Json,
}

/// `[[issuers]]`
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name.
    pub name: Arc<str>,
    /// Where its keys stand: what is wrong with them is shown there.
    pub place: Place,
    /// What its tokens must say.
    pub policy: IssuerPolicy,
    /// Where its keys come from.
    pub keys: Keys,
    /// `[issuers.refresh]`: for its remote sources.
    pub refresh: KeyRefresh,
    /// `[issuers.logout]`
    pub logout: Option<BackChannelLogout>,
}

/// `[[upstreams]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name: a URL when a route gave one.
    pub name: Arc<str>,
    /// Where its `ca` stands, else it itself: what is wrong with the file is shown there.
    pub place: Place,
    /// Its servers; at least one.
    pub urls: Vec<UpstreamUrl>,
    /// CA certificates for https; the system's if `None`.
    pub ca: Option<PathBuf>,
    /// For name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the head of the response.
    pub response_timeout: Duration,
    /// An idle connection is closed after it.
    pub idle_timeout: Duration,
    /// Most idle connections of one worker to one address.
    pub max_idle: usize,
    /// Which Host the upstream sees.
    pub host: Host,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    /// https
    pub tls: bool,
    /// A name, or an address (IPv6 without brackets).
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
}

/// Which `Host` the upstream sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Host {
    /// The client's.
    #[default]
    Keep,
    /// The one of the upstream's URL.
    Upstream,
}

/// `[[routes]]`
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands.
    pub place: Place,
    /// Hosts; any if empty.
    pub hosts: Vec<HostPattern>,
    /// Path prefix, percent-decoded, without a slash at the end except `/` itself.
    pub path: Box<str>,
    /// Methods; any if empty.
    pub methods: Vec<Method>,
    /// Index into [`Config::upstreams`].
    pub upstream: usize,
    /// Who may pass.
    pub auth: Authentication,
    /// Indexes into [`Config::issuers`]; never empty where tokens are admitted.
    pub issuers: Vec<usize>,
    /// What is asked of a good token.
    pub requirements: Requirements,
    /// What is asked instead of some requests: the first that fits.
    pub overrides: Vec<Override>,
    /// Where its tokens may stand; never empty.
    pub token_from: Vec<TokenPlace>,
    /// Whether the token goes upstream.
    pub forward_token: bool,
    /// Whether a WebSocket or event stream may go on when the token that admitted it has ended.
    pub outlive_token: bool,
    /// Clients that are told how long each phase took; none: nobody.
    pub server_timing: Vec<IpNet>,
    /// Whether the matched prefix is taken off.
    pub strip_prefix: bool,
    /// What its paths may hold.
    pub path_allow: PathAllow,
    /// What happens to a CORS preflight.
    pub preflight: Preflight,
    /// Bytes of a request body; the server's limit if `None`.
    pub body_bytes: Option<u64>,
    /// The global claim headers and its own; its own win by name.
    pub claim_headers: Vec<ClaimHeader>,
}

/// `auth`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Authentication {
    /// A token must be there and good.
    #[default]
    Required,
    /// No token is anonymous; a bad one is refused.
    Optional,
    /// `Authorization` is neither read nor changed.
    None,
}

/// `preflight`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preflight {
    /// It is a request like any other.
    #[default]
    Deny,
    /// It goes upstream without a token.
    Forward,
}

/// A host that a route serves, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `api.example.com`
    Exact(Box<str>),
    /// `*.example.com`: holds `example.com`; any number of labels before it.
    Wildcard(Box<str>),
}
