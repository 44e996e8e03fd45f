//! The endpoints.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::task::spawn_blocking;

use crate::clock::UnixTime;
use crate::metrics::Metrics;
use crate::proxy::SharedState;
use crate::reload::ReloadHandle;

use super::access::permits;
use super::problem::{Answer, answer, denied, json, method_not_allowed, not_found, problem};
use super::status::Status;

/// A worker that has not beaten for this long is stuck.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a request body.
const BODY_LIMIT: usize = 4096;

const PLAIN: &str = "text/plain; charset=utf-8";

const ENDPOINTS: &str = "\
portcullis

GET  /livez               whether the process works
GET  /readyz              whether it can serve; ?verbose lists what was looked at
GET  /healthz             the same as /readyz
GET  /status              what is in force, as JSON
GET  /metrics             for Prometheus
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
            "/reload" => Some(Self::Reload),
            _ => None,
        }
    }

    /// Its methods, as `Allow` lists them.
    const fn allow(self) -> &'static str {
        match self {
            Self::Root | Self::Livez | Self::Readyz | Self::Status | Self::Metrics => "GET, HEAD",
            Self::Reload => "POST",
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
    problem: Option<&'static str>,
}

fn checks(state: &AdminState) -> Vec<Check> {
    let draining = state.shared.draining.load(Ordering::Relaxed);
    let snapshot = state.shared.snapshot.load();
    let issuers = snapshot.issuers.iter();
    std::iter::once(Check {
        name: "serving".to_owned(),
        problem: draining.then_some("draining"),
    })
    .chain(issuers.map(|issuer| Check {
        name: format!("keys of issuer {}", issuer.name),
        problem: issuer.keys.is_empty().then_some("no usable key"),
    }))
    .collect()
}

/// `verbose` lists everything that was looked at; otherwise only what is wrong.
fn readyz(checks: &[Check], verbose: bool) -> Answer {
    let ready = checks.iter().all(|check| check.problem.is_none());
    let mut text = String::new();
    for check in checks {
        // Writing into a String cannot fail.
        let _ = match check.problem {
            Some(problem) => writeln!(text, "[-] {}: {problem}", check.name),
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
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return problem(StatusCode::BAD_REQUEST, "The body could not be read.");
    };
    let Some(options) = ReloadOptions::parse(&body.to_bytes()) else {
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

impl ReloadOptions {
    /// Nothing, or a JSON object.
    fn parse(body: &[u8]) -> Option<Self> {
        if body.trim_ascii().is_empty() {
            return Some(Self::default());
        }
        // An array would do for a struct, too.
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).ok()?;
        serde_json::from_slice(body).ok()
    }
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
