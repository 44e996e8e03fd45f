//! Remote keys: rotation, outages, and a provider that fails in every way we know of.
//!
//! The clock of a gateway stands still until a test moves it: a refresh, a gap or a back-off comes when the test says so,
//! and what was fetched can be counted.

mod contents;
mod disk;
mod egress;
mod faults;
mod flood;
mod hanging;
mod metadata;
mod outage;
mod reloads;
mod report;
mod rotation;
mod starting;
mod system_clock;

use std::fmt::Write as _;
use std::sync::OnceLock;

use portcullis::jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::process::wait_until;
use super::harness::provider::{JWKS, Provider};
use super::harness::tokens::{NOW, mint_with};
use super::harness::{Connection, Request, TestGateway, Upstream};

/// `interval` of every issuer here unless a test says else, in seconds.
const INTERVAL: i64 = 300;

/// `unknown_kid_gap`, in seconds.
const GAP: i64 = 15;

/// `stale_for`, in seconds.
const STALE_FOR: i64 = 24 * 3600;

/// The longest back-off, in seconds: a minute, and a fifth more.
const BACK_OFF: i64 = 72;

/// Keys of the providers, by their kid.
fn key(kid: &str) -> &'static SigningKey {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let make = |kid| {
            let key = SigningKey::generate(Algorithm::EdDsa).expect("a key");
            key.with_kid(kid)
        };
        ["a", "b", "c", "d", "e", "f"].map(make).into()
    });
    keys.iter()
        .find(|key| key.kid() == kid)
        .expect("one of the keys")
}

/// Makes a gateway with an issuer `NAME` for each route `/NAME`, and a public route `/open`.
struct World {
    workers: usize,
    issuers: String,
    routes: String,
}

impl World {
    fn new() -> Self {
        Self {
            workers: 1,
            issuers: String::new(),
            routes: String::new(),
        }
    }

    fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// An issuer whose keys come from `/jwks` of a provider.
    fn jwks(self, name: &str, provider: &Provider) -> Self {
        let url = provider.url(JWKS);
        self.issuer(name, &format!("{{ jwks_url = {url:?} }}"))
    }

    /// An issuer with that value of `keys`.
    fn issuer(self, name: &str, keys: &str) -> Self {
        self.issuer_as(name, &iss(name), keys)
    }

    /// The same, with that `iss`.
    fn issuer_as(self, name: &str, iss: &str, keys: &str) -> Self {
        let refresh = format!(
            "[issuers.refresh]\ninterval = \"{INTERVAL}s\"\nunknown_kid_gap = \"{GAP}s\"\nstale_for = \"{STALE_FOR}s\"\n"
        );
        self.issuer_with(name, iss, keys, &refresh)
    }

    /// The same, with further settings.
    fn issuer_with(mut self, name: &str, iss: &str, keys: &str, settings: &str) -> Self {
        let _ = writeln!(
            self.issuers,
            "[[issuers]]\nname = \"{name}\"\nissuer = \"{iss}\"\naudiences = [\"api\"]\n\
             algorithms = [\"EdDSA\"]\nkeys = {keys}\n{settings}"
        );
        let _ = writeln!(
            self.routes,
            "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nupstream = \"main\"\nissuers = [\"{name}\"]"
        );
        self
    }

    fn text(&self, upstream: &Upstream) -> String {
        let Self {
            workers,
            issuers,
            routes,
        } = self;
        let url = upstream.url();
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = {workers}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
             [[upstreams]]\nname = \"main\"\nurls = [\"{url}\"]\n{issuers}\n{routes}\n\
             [[routes]]\nname = \"open\"\npath = \"/open\"\nupstream = \"main\"\nauth = \"none\"\n"
        )
    }

    fn start(&self, upstream: &Upstream) -> TestGateway {
        self.start_in(upstream, tempfile::tempdir().expect("a directory"))
    }

    fn start_in(&self, upstream: &Upstream, directory: TempDir) -> TestGateway {
        TestGateway::start(&self.text(upstream), directory, false)
    }
}

/// `iss` of an issuer of that name.
fn iss(name: &str) -> String {
    format!("https://{name}.test")
}

/// A token of an issuer that is good for a month.
fn token(issuer: &str, kid: &str) -> String {
    token_as(&iss(issuer), key(kid))
}

/// The same for an issuer with that `iss`, by any key.
fn token_as(iss: &str, key: &SigningKey) -> String {
    let claims = json!({
        "iss": iss, "aud": "api", "sub": "alice", "iat": NOW - 60, "exp": NOW + 30 * 24 * 3600,
    });
    mint_with(key, "at+jwt", &claims)
}

/// The status with which the route of an issuer answers a token of that kid, and the reason of a refusal.
fn outcome(gateway: &TestGateway, issuer: &str, kid: &str) -> (u16, String) {
    outcome_of(&mut gateway.connect(), issuer, &token(issuer, kid))
}

/// The same for any token.
fn outcome_of(connection: &mut Connection, issuer: &str, token: &str) -> (u16, String) {
    let reply = connection.request(&Request::get(&format!("/{issuer}")).token(token));
    let reason = if reply.status == 200 {
        String::new()
    } else {
        reply.reason()
    };
    (reply.status, reason)
}

fn admitted() -> (u16, String) {
    (200, String::new())
}

fn unknown() -> (u16, String) {
    (401, "unknown_key".to_owned())
}

fn unavailable() -> (u16, String) {
    (503, "keys_unavailable".to_owned())
}

/// Waits until tokens of that kid are admitted.
fn wait_for(gateway: &TestGateway, issuer: &str, kid: &str) {
    wait_until(&format!("{issuer} admits {kid}"), || {
        outcome(gateway, issuer, kid) == admitted()
    });
}

/// Sends a request many times over one connection, a hundred at once, and says how each was answered.
fn many(connection: &mut Connection, count: usize, request: impl Fn(usize) -> Request) -> Vec<u16> {
    let mut statuses = Vec::with_capacity(count);
    for begin in (0..count).step_by(100) {
        let end = count.min(begin + 100);
        let bytes: Vec<u8> = (begin..end)
            .flat_map(|number| request(number).bytes())
            .collect();
        connection.send(&bytes);
        for _ in begin..end {
            statuses.push(connection.status());
        }
    }
    statuses
}

/// Sends a token that many times, and says how each was answered.
fn flood(gateway: &TestGateway, issuer: &str, token: &str, count: usize) -> Vec<u16> {
    let request = Request::get(&format!("/{issuer}")).token(token);
    many(&mut gateway.connect(), count, |_| request.clone())
}

/// How many fetches of an issuer have ended in that way: `new`, `same`, `not_modified` or `failed`; all for nothing.
fn fetched(gateway: &TestGateway, issuer: &str, outcome: &str) -> f64 {
    fetched_of(&gateway.admin("/metrics").text(), issuer, outcome)
}

/// The same of metrics that were read.
fn fetched_of(metrics: &str, issuer: &str, outcome: &str) -> f64 {
    let issuer = format!("issuer=\"{issuer}\"");
    let of_outcome = format!("outcome=\"{outcome}\"");
    let samples = metrics.lines().filter(|line| {
        line.starts_with("portcullis_key_fetches_total")
            && line.contains(&issuer)
            && (outcome.is_empty() || line.contains(&of_outcome))
    });
    samples
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Waits until that many fetches of an issuer have ended in that way.
fn wait_for_fetches(gateway: &TestGateway, issuer: &str, outcome: &str, count: f64) {
    wait_until(&format!("{issuer}: {count} fetches {outcome}"), || {
        fetched(gateway, issuer, outcome) >= count
    });
}

/// What the key report says of the first source of an issuer.
fn source(gateway: &TestGateway, issuer: &str) -> Value {
    source_of(&gateway.admin("/keys").json(), issuer).clone()
}

/// The same of a report that was read.
fn source_of<'r>(report: &'r Value, issuer: &str) -> &'r Value {
    let issuers = report["issuers"].as_array().expect("a list");
    let found = issuers.iter().find(|found| found["name"] == issuer);
    let sources = &found.expect("an issuer")["sources"];
    sources.get(0).expect("a source")
}

/// Why the last fetch of an issuer's first source failed; nothing if it did not.
fn last_error(gateway: &TestGateway, issuer: &str) -> String {
    let error = &source(gateway, issuer)["last_error"];
    error.as_str().unwrap_or_default().to_owned()
}
