//! The endpoints.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::task::spawn_blocking;

use crate::clock::UnixTime;
use crate::config::StoreFailure;
use crate::issuer::IssuerWatch;
use crate::keys::KeySourceStatuses;
use crate::metrics::Metrics;
use crate::proxy::SharedState;
use crate::reload::ReloadHandle;

use super::access::permits;
use super::explain::answer_question;
use super::keys::{KeysReport, no_usable_key, refresh_keys};
use super::problem::{Answer, answer, denied, json, method_not_allowed, not_found, problem};
use super::revocations::{self, StoredRevocations};
use super::status::Status;

/// A worker that has not beaten for this long is stuck.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a request body.
const BODY_LIMIT: usize = 4096;

/// Bytes of a request that is to be explained: a head with a large token, as JSON.
const QUESTION_LIMIT: usize = 256 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

const ENDPOINTS: &str = "\
portcullis

GET  /livez               whether the process works
GET  /readyz              whether it can serve; ?verbose lists what was looked at
GET  /healthz             the same as /readyz
GET  /status              what is in force, as JSON
GET  /metrics             for Prometheus
GET  /keys                the keys of each issuer, where they come from, and which can go, as JSON
POST /keys/refresh        fetches remote keys now, of all issuers or of one: {\"issuer\": \"NAME\"}
GET  /revocations         how many are in force, and how old the list is, as JSON
POST /revocations         revokes: {\"issuer\": \"NAME\", \"sub\": \"alice\"}, or jti, sid, client, kid, \"all\": true;
                          with \"before\": \"now\"; with \"remove\": true it takes back
POST /explain             each step of the decision on a request: {\"url\": \"https://..\", \"token\": \"..\"}, as JSON
POST /reload              reads configuration, keys and certificates again; ?dry_run=true only says what would change,
                          as does the body {\"dry_run\": true} (Content-Type: application/json)
";

/// What the endpoints show. Who may ask is in the snapshot's configuration.
pub struct AdminState {
    /// The snapshot and the flags of the process.
    pub shared: Arc<SharedState>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Reloads.
    pub reload: ReloadHandle,
    /// What is known of remote keys.
    pub key_sources: Arc<KeySourceStatuses>,
    /// Revocations, where there is a store.
    pub revocations: Option<StoredRevocations>,
    /// The local issuer, where there is one.
    pub local_issuer: Option<IssuerWatch>,
    /// The longest silence of a worker.
    pub silence: Box<dyn Fn() -> Duration + Send + Sync>,
    /// When the process started.
    pub started: UnixTime,
}

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Root,
    Livez,
    Readyz,
    Status,
    Metrics,
    Keys,
    KeysRefresh,
    Revocations,
    Explain,
    Reload,
}

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Root),
            "/livez" => Some(Self::Livez),
            "/readyz" | "/healthz" => Some(Self::Readyz),
            "/status" => Some(Self::Status),
            "/metrics" => Some(Self::Metrics),
            "/keys" => Some(Self::Keys),
            "/keys/refresh" => Some(Self::KeysRefresh),
            "/revocations" => Some(Self::Revocations),
            "/explain" => Some(Self::Explain),
            "/reload" => Some(Self::Reload),
            _ => None,
        }
    }

    /// Its methods, as `Allow` lists them.
    const fn allow(self) -> &'static str {
        match self {
            Self::Root | Self::Livez | Self::Readyz | Self::Status | Self::Metrics | Self::Keys => {
                "GET, HEAD"
            }
            Self::Revocations => "GET, HEAD, POST",
            Self::KeysRefresh | Self::Explain | Self::Reload => "POST",
        }
    }

    fn has(self, method: &Method) -> bool {
        self.allow().split(", ").any(|name| name == method.as_str())
    }
}

/// Answers one request that came to the address `own`.
pub(super) async fn respond<B>(state: &AdminState, own: SocketAddr, request: Request<B>) -> Answer
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let config = Arc::clone(&state.shared.snapshot.load().config);
    if let Err(reason) = permits(&head, own, &config.admin.access) {
        tracing::warn!(?reason, "a request to the admin listener was refused");
        return denied(reason);
    }
    let Some(endpoint) = Endpoint::of(head.uri.path()) else {
        return not_found();
    };
    if !endpoint.has(&head.method) {
        return method_not_allowed(endpoint.allow());
    }
    let query = head.uri.query().unwrap_or_default();
    match endpoint {
        Endpoint::Root => answer(StatusCode::OK, PLAIN, ENDPOINTS),
        Endpoint::Livez => livez((state.silence)()),
        Endpoint::Readyz => readyz(&checks(state), flag(query, "verbose")),
        Endpoint::Status => json(StatusCode::OK, &Status::of(state)),
        Endpoint::Metrics => metrics(Arc::clone(&state.metrics)).await,
        Endpoint::Keys => json(StatusCode::OK, &KeysReport::of(state)),
        Endpoint::KeysRefresh => refresh(state, body).await,
        Endpoint::Revocations if head.method == Method::POST => match read(body).await {
            Ok(body) => {
                let now = state.shared.clock.now();
                revocations::change(state.revocations.as_ref(), &config, &body, now).await
            }
            Err(problem) => problem,
        },
        Endpoint::Revocations => {
            revocations::show(state.revocations.as_ref(), state.shared.clock.now())
        }
        Endpoint::Explain => match read_up_to(body, QUESTION_LIMIT).await {
            Ok(body) => answer_question(state, &body),
            Err(problem) => problem,
        },
        Endpoint::Reload => reload(state, query, body).await,
    }
}

fn livez(silence: Duration) -> Answer {
    if silence < SILENCE_LIMIT {
        return answer(StatusCode::OK, PLAIN, "ok\n");
    }
    let text = format!("a worker has been silent for {} s\n", silence.as_secs());
    answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text)
}

/// One thing that readiness depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: String,
    problem: Option<String>,
    /// Whether it can serve all the same.
    is_ready: bool,
}

impl Check {
    /// Of something without which it cannot serve.
    fn needed(name: String, problem: Option<String>) -> Self {
        Self {
            name,
            is_ready: problem.is_none(),
            problem,
        }
    }
}

fn checks(state: &AdminState) -> Vec<Check> {
    let draining = state.shared.draining.load(Ordering::Relaxed);
    let now = state.shared.clock.now();
    let snapshot = state.shared.snapshot.load();
    let serving = draining.then(|| "draining".to_owned());
    let mut checks = vec![Check::needed("serving".to_owned(), serving)];
    checks.extend(snapshot.issuers.iter().map(|issuer| {
        let problem = issuer
            .keys
            .is_empty()
            .then(|| no_usable_key(&state.key_sources.of(&issuer.name), now));
        Check::needed(format!("keys of issuer {}", issuer.name), problem)
    }));
    // What needs the store says for itself how long it can do without.
    checks.extend(state.revocations.as_ref().map(|stored| Check {
        is_ready: true,
        ..Check::needed("store".to_owned(), stored.store_failure())
    }));
    checks.extend(state.local_issuer.as_ref().map(|local| {
        let status = local.status();
        Check {
            // Whom it cannot sign in, another gateway may; and tokens are good for a while.
            is_ready: !status.is_hopeless(),
            ..Check::needed("local issuer".to_owned(), status.trouble())
        }
    }));
    checks.extend(state.revocations.as_ref().map(|stored| {
        let status = stored.feed.status();
        let check = Check::needed("revocations".to_owned(), status.problem(now));
        Check {
            is_ready: check.is_ready || status.fail == StoreFailure::Open,
            ..check
        }
    }));
    checks
}

/// `verbose` lists everything that was looked at; otherwise only what is wrong. What is wrong and does not matter enough is
/// marked `!`.
fn readyz(checks: &[Check], verbose: bool) -> Answer {
    let ready = checks.iter().all(|check| check.is_ready);
    let mut text = String::new();
    for check in checks {
        let mark = if check.is_ready { '!' } else { '-' };
        // Writing into a String cannot fail.
        let _ = match &check.problem {
            Some(problem) => writeln!(text, "[{mark}] {}: {problem}", check.name),
            None if verbose => writeln!(text, "[+] {}: ok", check.name),
            None => Ok(()),
        };
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status, PLAIN, text)
}

async fn metrics(metrics: Arc<Metrics>) -> Answer {
    // With ten thousand routes this takes a while: not on a thread that others wait for.
    match spawn_blocking(move || metrics.encode()).await {
        Ok(text) => answer(StatusCode::OK, Metrics::CONTENT_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be collected");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Metrics could not be collected.",
            )
        }
    }
}

async fn reload<B>(state: &AdminState, query: &str, body: B) -> Answer
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let options = match read(body).await {
        Ok(body) => parse_options::<ReloadOptions>(&body),
        Err(problem) => return problem,
    };
    let Some(options) = options else {
        return problem(
            StatusCode::BAD_REQUEST,
            "The body must be empty or {\"dry_run\": true}.",
        );
    };
    // Whoever says so in one of the two places wants nothing changed.
    let dry_run = options.dry_run || flag(query, "dry_run");
    let report = state.reload.reload(dry_run).await;
    let status = match report.error {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    json(status, &report)
}

/// What the body of a reload may say.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReloadOptions {
    dry_run: bool,
}

async fn refresh<B>(state: &AdminState, body: B) -> Answer
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let options = match read(body).await {
        Ok(body) => parse_options::<RefreshOptions>(&body),
        Err(problem) => return problem,
    };
    match options {
        Some(options) => refresh_keys(state, options.issuer.as_deref()),
        None => problem(
            StatusCode::BAD_REQUEST,
            "The body must be empty or {\"issuer\": \"NAME\"}.",
        ),
    }
}

/// What the body of a refresh may say.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RefreshOptions {
    /// An issuer's name; of all of them without.
    issuer: Option<String>,
}

/// The body of a request.
async fn read<B>(body: B) -> Result<Bytes, Answer>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    read_up_to(body, BODY_LIMIT).await
}

/// The same, of at most so many bytes.
async fn read_up_to<B>(body: B, limit: usize) -> Result<Bytes, Answer>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(problem(
            StatusCode::BAD_REQUEST,
            "The body could not be read.",
        )),
    }
}

/// Nothing, or a JSON object.
fn parse_options<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Option<T> {
    if body.trim_ascii().is_empty() {
        return Some(T::default());
    }
    // An array would do for a struct, too.
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).ok()?;
    serde_json::from_slice(body).ok()
}

/// Whether a query has a flag: `verbose`, `verbose=1` and `verbose=true` say so.
fn flag(query: &str, name: &str) -> bool {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "true")))
        .any(|(key, value)| key == name && matches!(value, "" | "1" | "true"))
}

#[cfg(test)]
pub(super) mod tests;
