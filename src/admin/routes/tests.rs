use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;

use crate::clock::Clock;
use crate::config::{AdminAccess, Config};
use crate::issuer::IssuerHandle;
use crate::jwt::{KeyError, SkippedKey};
use crate::reload::testing::{config, handle, issuer_with_keys, snapshot};
use crate::revocation::RevocationSet;
use crate::secret::Secret;
use crate::snapshot::Snapshot;

use super::*;

/// What an endpoint answered.
pub(in crate::admin) struct Seen {
    pub(in crate::admin) status: u16,
    headers: http::HeaderMap,
    pub(in crate::admin) body: String,
}

impl Seen {
    pub(in crate::admin) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(in crate::admin) fn state(config: Config, silence: u64) -> AdminState {
    state_of(snapshot(1, config), silence)
}

pub(in crate::admin) fn state_of(snapshot: Snapshot, silence: u64) -> AdminState {
    let started = UnixTime::from_seconds(1_700_000_000);
    let publisher = Arc::new(ArcSwap::from_pointee(snapshot));
    AdminState {
        reload: handle(Arc::clone(&publisher)),
        shared: Arc::new(SharedState {
            revocations: Arc::new(ArcSwap::from_pointee(RevocationSet::empty())),
            snapshot: publisher,
            issuer: IssuerHandle::channel().0,
            clock: Clock::manual(started.plus(Duration::from_secs(90))).0,
            draining: AtomicBool::new(false),
            connections: AtomicUsize::new(5),
        }),
        metrics: Metrics::new(1, &[]),
        key_sources: Arc::default(),
        revocations: None,
        local_issuer: None,
        silence: Box::new(move || Duration::from_secs(silence)),
        started,
    }
}

/// A request with everything that the access rules want.
pub(in crate::admin) async fn ask(
    state: &AdminState,
    method: &str,
    target: &str,
    body: &str,
) -> Seen {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost:8081")
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.to_owned()))
        .unwrap();
    see(respond(state, "127.0.0.1:8081".parse().unwrap(), request).await).await
}

async fn see(answer: Answer) -> Seen {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(head.headers["cache-control"], "no-store");
    assert_eq!(head.headers["x-content-type-options"], "nosniff");
    Seen {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn every_endpoint_answers_its_own_methods() {
    let state = state(config(), 0);
    for (method, target, status) in [
        ("GET", "/", 200),
        ("GET", "/livez", 200),
        ("HEAD", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/healthz", 200),
        ("GET", "/status", 200),
        ("GET", "/keys", 200),
        ("HEAD", "/keys", 200),
        ("POST", "/keys", 405),
        ("POST", "/keys/refresh", 200),
        ("GET", "/keys/refresh", 405),
        ("GET", "/keys/", 404),
        ("GET", "/metrics", 200),
        ("GET", "/revocations", 404),
        ("POST", "/revocations", 404),
        ("DELETE", "/revocations", 405),
        ("POST", "/reload", 200),
        ("GET", "/reload", 405),
        ("POST", "/status", 405),
        ("DELETE", "/livez", 405),
        ("OPTIONS", "/reload", 405),
        ("GET", "/livez/", 404),
        ("GET", "/LIVEZ", 404),
        ("GET", "//livez", 404),
        ("GET", "/nothing", 404),
    ] {
        let seen = ask(&state, method, target, "").await;
        assert_eq!(seen.status, status, "{method} {target}");
        if status >= 400 {
            assert_eq!(seen.headers["content-type"], "application/problem+json");
            assert_eq!(seen.json()["status"], status);
        }
        assert_eq!(seen.headers.contains_key("allow"), status == 405);
    }
    let seen = ask(&state, "GET", "/reload", "").await;
    assert_eq!(seen.headers["allow"], "POST");
}

#[tokio::test]
async fn the_list_names_every_endpoint() {
    let seen = ask(&state(config(), 0), "GET", "/", "").await;
    for path in [
        "/livez",
        "/readyz",
        "/healthz",
        "/status",
        "/metrics",
        "/keys",
        "/keys/refresh",
        "/reload",
    ] {
        assert!(seen.body.contains(path) && Endpoint::of(path).is_some());
    }
}

#[tokio::test]
async fn a_worker_that_is_silent_for_ten_seconds_is_dead() {
    for (silence, status) in [(0, 200), (9, 200), (10, 503), (60, 503)] {
        let seen = ask(&state(config(), silence), "GET", "/livez", "").await;
        assert_eq!(seen.status, status, "{silence}");
    }
}

#[tokio::test]
async fn a_draining_process_is_alive_and_not_ready() {
    let state = state(config(), 0);
    assert_eq!(ask(&state, "GET", "/readyz", "").await.body, "ok\n");
    let seen = ask(&state, "GET", "/readyz?verbose", "").await;
    assert_eq!(seen.body, "[+] serving: ok\nok\n");
    state.shared.draining.store(true, Ordering::Relaxed);
    let seen = ask(&state, "GET", "/readyz", "").await;
    assert_eq!(seen.status, 503);
    assert_eq!(seen.body, "[-] serving: draining\nnot ready\n");
    assert_eq!(ask(&state, "GET", "/livez", "").await.status, 200);
}

#[tokio::test]
async fn status_shows_what_is_in_force() {
    let mut config = config();
    config.file = Some("/etc/portcullis/gateway.toml".into());
    config.hash = "abcd".into();
    let seen = ask(&state(config, 3), "GET", "/status", "").await;
    let expected = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": 1,
        "config": { "file": "/etc/portcullis/gateway.toml", "hash": "abcd" },
        "started": "2023-11-14T22:13:20Z",
        "uptime_seconds": 90,
        "draining": false,
        "connections": 5,
        "worker_silence_seconds": 3,
        "routes": 0,
        "issuers": [],
        "certificates": [],
        "upstreams": [],
        "store": null,
        "local_issuer": null,
        "revocations": null,
        "last_reload": null,
    });
    assert_eq!(seen.json(), expected);
    assert_eq!(seen.headers["content-type"], "application/json");
}

#[tokio::test]
async fn status_names_keys_and_what_was_left_out_but_no_secret() {
    let mut snapshot = snapshot(1, config());
    snapshot.issuers = vec![issuer_with_keys("corp", &["a", "b"])];
    snapshot.skipped_keys = vec![vec![SkippedKey {
        source: Some("keys.json".into()),
        index: 4,
        kid: None,
        error: KeyError::RsaSize { bits: 1024 },
    }]];
    let seen = ask(&state_of(snapshot, 0), "GET", "/status", "").await;
    let issuer = &seen.json()["issuers"][0];
    assert_eq!(issuer["name"], "corp");
    assert_eq!(issuer["issuer"], "https://issuer.example");
    assert_eq!(issuer["algorithms"], serde_json::json!(["HS256"]));
    let key = &issuer["keys"][1];
    assert_eq!(key["kid"], "b");
    assert_eq!(key["algorithms"], serde_json::json!(["HS256"]));
    assert_eq!(key["loaded"], "2023-11-14T22:13:20Z");
    assert_eq!(key["thumbprint"].as_str().unwrap().len(), 43);
    let expected = serde_json::json!([{
        "source": "keys.json",
        "index": 4,
        "kid": null,
        "error": "RSA key of 1024 bits: at least 2048 and at most 8192 are needed",
        "of_other_use": false,
    }]);
    assert_eq!(issuer["skipped"], expected);
    assert!(!seen.body.contains(&format!("{:>32}", "b")));
}

#[tokio::test]
async fn an_issuer_that_lost_its_keys_is_named() {
    let mut snapshot = snapshot(1, config());
    snapshot.issuers = vec![issuer_with_keys("a", &["k"]), issuer_with_keys("b", &[])];
    let seen = ask(&state_of(snapshot, 0), "GET", "/readyz", "").await;
    assert_eq!(seen.status, 503);
    assert_eq!(
        seen.body,
        "[-] keys of issuer b: no usable key\nnot ready\n"
    );
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let seen = ask(&state(config(), 0), "GET", "/metrics", "").await;
    assert_eq!(seen.headers["content-type"], Metrics::CONTENT_TYPE);
    assert!(seen.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_reload_says_what_it_did() {
    let state = state(config(), 0);
    let seen = ask(&state, "POST", "/reload?dry_run=true", "{}").await;
    assert_eq!((seen.status, &seen.json()["applied"]), (200, &false.into()));
    let seen = ask(&state, "POST", "/reload", "").await;
    assert_eq!((seen.status, &seen.json()["generation"]), (200, &2.into()));
    let status = ask(&state, "GET", "/status", "").await.json();
    assert_eq!(status["last_reload"], seen.json());
    assert_eq!(status["generation"], 2);
}

#[tokio::test]
async fn a_reload_that_fails_is_no_success() {
    let mut config = config();
    config.server.realm = "bad".into();
    let state = state(config, 0);
    let seen = ask(&state, "POST", "/reload", "").await;
    assert_eq!(seen.status, 422);
    assert_eq!(seen.json()["error"], "the realm is bad");
    assert_eq!(seen.json()["applied"], false);
}

#[tokio::test]
async fn the_body_of_a_reload_says_nothing_else() {
    let state = state(config(), 0);
    let long = " ".repeat(BODY_LIMIT + 1);
    for (body, status, generation) in [
        ("", 200, 2),
        ("{}", 200, 3),
        (" {\n} ", 200, 4),
        ("{\"dry_run\":false}", 200, 5),
        ("{\"dry_run\":true}", 200, 5),
        ("{\"dry_run\":1}", 400, 5),
        ("{\"dry_runs\":true}", 400, 5),
        ("[true]", 400, 5),
        ("[]", 400, 5),
        ("{} x", 400, 5),
        ("dry_run", 400, 5),
        (&long, 400, 5),
    ] {
        let seen = ask(&state, "POST", "/reload", body).await;
        assert_eq!(seen.status, status, "{:?}", body.get(..20));
        let found = state.shared.snapshot.load().generation;
        assert_eq!(found, generation, "{body:?}");
    }
    // One of the two places suffices.
    let body = "{\"dry_run\":false}";
    ask(&state, "POST", "/reload?dry_run=true", body).await;
    assert_eq!(state.shared.snapshot.load().generation, 5);
}

#[tokio::test]
async fn who_may_not_ask_learns_nothing_and_changes_nothing() {
    let state = state(config(), 0);
    let own = "127.0.0.1:8081".parse().unwrap();
    for (target, name, value, status) in [
        ("/reload", "host", "evil.example", 403),
        ("/reload", "origin", "http://evil.example", 403),
        ("/reload", "content-type", "text/plain", 415),
        ("/keys/refresh", "origin", "http://evil.example", 403),
        ("/keys/refresh", "content-type", "text/plain", 415),
    ] {
        let mut request = Request::post(target)
            .body(Full::<Bytes>::default())
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("host", "localhost".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        let seen = see(respond(&state, own, request).await).await;
        assert_eq!(seen.status, status, "{target} {name}");
        assert!(!seen.body.contains("generation") && !seen.body.contains("issuers"));
    }
    assert_eq!(state.shared.snapshot.load().generation, 1);
    // Not even which endpoints there are.
    let request = Request::get("/nothing").header("host", "evil.example");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    assert_eq!(respond(&state, own, request).await.status(), 403);
}

#[tokio::test]
async fn the_token_is_the_one_in_force() {
    let mut config = config();
    config.admin.access = AdminAccess::Token(Secret::new(b"old".to_vec()));
    let state = state(config.clone(), 0);
    let own = "127.0.0.1:8081".parse().unwrap();
    for (in_force, presented, status) in [
        ("old", "old", 200),
        ("new", "old", 401),
        ("new", "new", 200),
    ] {
        config.admin.access = AdminAccess::Token(Secret::new(in_force.into()));
        let next = snapshot(2, config.clone());
        state.shared.snapshot.store(Arc::new(next));
        let request = Request::get("/livez")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {presented}"))
            .body(Full::<Bytes>::default())
            .unwrap();
        let seen = see(respond(&state, own, request).await).await;
        assert_eq!(seen.status, status, "{presented} for {in_force}");
        assert_eq!(seen.headers.contains_key("www-authenticate"), status == 401);
    }
}

#[test]
fn a_flag_is_there_or_true() {
    for (query, expected) in [
        ("", false),
        ("verbose", true),
        ("verbose=", true),
        ("verbose=1", true),
        ("a=b&verbose=true", true),
        ("verbose=false", false),
        ("verbose=0", false),
        ("verbosely", false),
        ("Verbose", false),
    ] {
        assert_eq!(flag(query, "verbose"), expected, "{query:?}");
    }
}
