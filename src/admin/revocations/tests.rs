use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::admin::routes::AdminState;
use crate::admin::routes::tests::{Seen, ask, state_of};
use crate::clock::Clock;
use crate::config::{Keys, Place, StoreConfig, StoreUrl};
use crate::jwt::{Algorithm, ClaimsSet};
use crate::metrics::Metrics;
use crate::reload::testing::{config, issuer, issuer_with_keys, snapshot};
use crate::revocation::{RevocationSet, TokenFacts};
use crate::revocation_feed::{self, FeedParts};

/// An admin listener with a store of its own, or one that is away.
struct World {
    state: AdminState,
    sets: Arc<ArcSwap<RevocationSet>>,
    seconds: Arc<std::sync::atomic::AtomicI64>,
    _directory: TempDir,
}

impl World {
    async fn new(fail: StoreFailure, is_there: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config();
        config
            .issuers
            .push(issuer("corp", Keys::Generate(Algorithm::EdDsa)));
        let mut snapshot = snapshot(1, config);
        snapshot.issuers.push(issuer_with_keys("corp", &["k"]));
        let mut state = state_of(snapshot, 0);
        let (clock, seconds) = Clock::manual(state.shared.clock.now());
        let file = if is_there { "a.db" } else { "no/directory/\0" };
        let config = StoreConfig {
            place: Place::default(),
            url: StoreUrl::Sqlite(directory.path().join(file)),
            fail,
            stale_for: Duration::from_mins(10),
        };
        let store = StoreHandle::open(config.url.clone());
        let sets = Arc::new(ArcSwap::from_pointee(RevocationSet::empty()));
        let feed = revocation_feed::start(FeedParts {
            store: store.clone(),
            sets: Arc::clone(&sets),
            clock,
            state_directory: directory.path().to_owned(),
            config: &config,
            metrics: Metrics::new(1, &[]),
        });
        if is_there {
            assert!(feed.first_load(Duration::from_mins(1)).await);
        } else {
            assert!(!feed.catch_up().await);
        }
        state.revocations = Some(StoredRevocations { store, feed });
        Self {
            state,
            sets,
            seconds,
            _directory: directory,
        }
    }

    async fn ask(&self, method: &str, target: &str, body: &str) -> Seen {
        ask(&self.state, method, target, body).await
    }

    fn refuses(&self, json: &str) -> bool {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
        let claims = ClaimsSet::parse(encoded.as_bytes()).unwrap();
        let facts = TokenFacts {
            issuer: "https://issuer.example",
            kid: None,
            claims: &claims,
        };
        self.sets.load().check(&facts, None).is_err()
    }
}

#[tokio::test]
async fn what_is_revoked_is_in_force_when_it_is_answered() {
    let world = World::new(StoreFailure::Closed, true).await;
    let token = r#"{"sub":"alice"}"#;
    assert!(!world.refuses(token));
    let answer = world
        .ask("POST", "/revocations", r#"{"sub":"alice"}"#)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.json();
    assert_eq!(said["kind"], "sub");
    assert_eq!(said["in_force"], true);
    assert!(said["number"].is_i64());
    assert!(world.refuses(token));
    let shown = world.ask("GET", "/revocations", "").await.json();
    assert_eq!(shown["state"], "current");
    assert_eq!(shown["revocations"], 1);
    assert_eq!(shown["origin"], "store");
    assert_eq!(
        world.ask("GET", "/status", "").await.json()["revocations"],
        shown
    );
    for was_there in [true, false] {
        let body = r#"{"sub":"alice","remove":true}"#;
        let answer = world.ask("POST", "/revocations", body).await;
        assert_eq!(answer.json()["removed"], was_there);
        assert!(!world.refuses(token));
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_told() {
    let world = World::new(StoreFailure::Closed, true).await;
    let long = json!({ "sub": "x".repeat(1025) }).to_string();
    for (body, detail) in [
        ("", "JSON object"),
        ("{}", "exactly one of"),
        (r#"{"iss":"a","sub":"b"}"#, "no member"),
        (r#"{"issuer":"nobody","sub":"b"}"#, "no issuer"),
        (&long, ""),
    ] {
        let answer = world.ask("POST", "/revocations", body).await;
        assert_eq!(answer.status, 400, "{body}");
        let said: Value = answer.json();
        let told = said["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
    let shown = world.ask("GET", "/revocations", "").await.json();
    assert_eq!(shown["revocations"], 0);
}

#[tokio::test]
async fn readiness_hangs_on_the_list_unless_it_fails_open() {
    for (fail, status, mark) in [
        (
            StoreFailure::Closed,
            503,
            "[-] revocations: the list was not loaded yet",
        ),
        (
            StoreFailure::Open,
            200,
            "[!] revocations: the list was not loaded yet",
        ),
    ] {
        let world = World::new(fail, false).await;
        let answer = world.ask("GET", "/readyz", "").await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(mark), "{}", answer.body);
        let answer = world
            .ask("POST", "/revocations", r#"{"sub":"alice"}"#)
            .await;
        assert_eq!(answer.status, 503);
        let shown = world.ask("GET", "/revocations", "").await.json();
        assert_eq!(shown["state"], "loading");
    }
    let world = World::new(StoreFailure::Closed, true).await;
    let answer = world.ask("GET", "/readyz?verbose", "").await;
    assert!(
        answer.body.contains("[+] revocations: ok"),
        "{}",
        answer.body
    );
    assert_eq!(answer.status, 200);
    drop(world.seconds);
}
