//! A local issuer on a store of its own, for the tests of its endpoints.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::{Clock, UnixTime};
use crate::config::{self, Environment, StoreUrl};
use crate::jwt::{Algorithm, KeySet, SigningKey};
use crate::keys::{LoadedKeys, RemoteKeySets};
use crate::metrics::{Metrics, SessionMetrics};
use crate::passwords::{Cost, Password, PasswordHash, hash};
use crate::revocation::{
    Revocation, RevocationKind, RevocationSet, RevocationTarget, RevocationWriter,
};
use crate::secret::Secret;
use crate::snapshot::{Endpoint, Fixtures, Snapshot};
use crate::store::{
    Actor, AuditFilter, Grants, Means, NewClient, NewUser, Session, SessionFilter, Store,
    StoreHandle, UserName,
};

use super::Asked;
use super::answer_time::AnswerTimes;
use super::attempts::Attempts;
use super::back_channel::Logouts;
use super::hashing::Hashing;
use super::refusals::Refusals;
use super::respond::Answer;
use super::service::{Ready, Secrets, Service};
use super::{CatchUp, KeyRing, Sealer};

pub(super) const ORIGIN: &str = "https://localhost:8443";
pub(super) const ALICE: &str = "correct horse";
pub(super) const SECRET: &str = "a secret:of %this+client";

/// A local issuer with nothing but what it needs.
pub(super) const PLAIN: &str = r#"
[server]
listen = "127.0.0.1:0"

[local_issuer]
issuer = "https://localhost:8443/auth"
audience = "demo"

[[routes]]
name = "api"
path = "/"
upstream = "http://127.0.0.1:1"
"#;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[local_issuer]
issuer = "https://localhost:8443/auth"
audience = "demo"
password_grant = true
cookies = true
page = true
[[routes]]
name = "api"
path = "/"
upstream = "http://127.0.0.1:1"
"#;

/// An issuer with the users alice (scopes `read write`, role `admin`) and bob, the confidential client `backend` (scopes
/// `jobs read`) and the public one `app`.
pub(super) struct World {
    pub(super) service: Arc<Service>,
    pub(super) store: Store,
    /// Gone when the test ends.
    state: TempDir,
}

/// What was answered.
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) release: Option<Duration>,
}

/// The tokens of an answer.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) session: Uuid,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(CONFIG).await
    }

    /// With something of the configuration replaced.
    pub(super) async fn but(from: &str, to: &str) -> Self {
        assert!(CONFIG.contains(from), "{from}");
        Self::with(&CONFIG.replace(from, to)).await
    }

    async fn with(text: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(state.path().join("store.db")))
            .await
            .unwrap();
        let metrics = Metrics::new(1, &[]);
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let snapshot = snapshot(text, &state, &metrics, &key);
        let revocations = Arc::new(ArcSwap::from_pointee(RevocationSet::empty()));
        let ring = Arc::new(KeyRing::new());
        let jwk = key.public_jwk().unwrap();
        let set = serde_json::json!({ "keys": [jwk] }).to_string();
        ring.put(Some(Arc::new(key)), Bytes::from(set), Instant::now());
        let service = Arc::new(Service {
            store: StoreHandle::of(store.clone()),
            catch_up: catch_up(&store, &revocations),
            snapshot,
            revocations,
            clock: Clock::System,
            hashing: Hashing::new(4, 64, Arc::clone(&metrics)),
            metrics,
            secrets: Some(Secrets {
                ring,
                sealer: Arc::new(Sealer::new(&Secret::new(vec![7; 32])).unwrap()),
            }),
            attempts: Mutex::new(Attempts::new()),
            times: Mutex::new(AnswerTimes::default()),
            refusals: Mutex::new(Refusals::default()),
            logouts: Logouts::new(),
            began: Instant::now(),
        });
        let world = Self {
            service,
            store,
            state,
        };
        world.add_user("alice", Some(own_hash(ALICE))).await;
        world.add_user("bob", Some(own_hash("hunter2"))).await;
        world
            .add_client("backend", Some(SECRET), &["jobs", "read"])
            .await;
        world.add_client("app", None, &[]).await;
        world
    }

    pub(super) async fn add_user(&self, name: &str, password: Option<PasswordHash>) {
        let mut claims = Map::new();
        claims.insert("team".to_owned(), "blue".into());
        let grants = Grants::new(["admin"], ["read", "write"], claims).unwrap();
        let user = NewUser::new(self::name(name), password).with_grants(grants);
        self.store.add_user(&user, &operator()).await.unwrap();
    }

    pub(super) async fn add_client(&self, id: &str, secret: Option<&str>, scopes: &[&str]) {
        let digest = secret.map(|secret| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
            digest.as_ref().try_into().unwrap()
        });
        let client = NewClient::new(id, digest, scopes.iter().copied()).unwrap();
        self.store.add_client(&client, &operator()).await.unwrap();
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, asked: Asked) -> Told {
        let Ready { answer, release } =
            Arc::clone(&self.service).ready(asked, Instant::now()).await;
        Told { answer, release }
    }

    /// Sends a form.
    pub(super) async fn post(&self, path: &str, form: &str) -> Told {
        self.send(post(path, form)).await
    }

    /// Signs alice in from an address that has nothing to do with what a test does.
    pub(super) async fn sign_in(&self) -> Pair {
        self.sign_in_as("alice", ALICE).await
    }

    pub(super) async fn sign_in_as(&self, name: &str, password: &str) -> Pair {
        let form = format!("username={name}&password={password}");
        self.post("/auth/login", &form).await.pair()
    }

    /// Refreshes, as the gateway's own client.
    pub(super) async fn refresh(&self, token: &str) -> Told {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        self.post("/auth/token", &form).await
    }

    /// Asks for the sessions with a token: 200 as long as it is good.
    pub(super) async fn status_of(&self, access: &str) -> u16 {
        let asked = get("/auth/sessions").bearer(access);
        self.send(asked).await.status()
    }

    pub(super) async fn session(&self, id: Uuid) -> Session {
        self.store.session(id).await.unwrap().unwrap()
    }

    pub(super) async fn live_sessions(&self) -> usize {
        let filter = SessionFilter {
            live_only: true,
            ..SessionFilter::default()
        };
        self.store.sessions(&filter, None, 100).await.unwrap().len()
    }

    /// The actions of the trail, the latest first.
    pub(super) async fn trail(&self) -> Vec<String> {
        let events = self.store.audit(&AuditFilter::default(), 100).await;
        let events = events.unwrap().into_iter();
        events.map(|event| event.action.into()).collect()
    }

    /// Writes something into the row of a user that no program of ours would write.
    pub(super) async fn spoil_password(&self, user: &str, hash: &str) {
        let file = self.state.path().join("store.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        let update = sqlx::query("UPDATE users SET password = $1 WHERE name_key = $2");
        let done = update.bind(hash).bind(user).execute(&mut connection).await;
        assert_eq!(done.unwrap().rows_affected(), 1);
    }

    /// How many passwords were hashed.
    pub(super) fn hashed(&self) -> u64 {
        self.service.hashing.runs()
    }

    pub(super) fn metrics(&self) -> &SessionMetrics {
        self.service.metrics.sessions()
    }
}

impl Told {
    pub(super) fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.answer.body())
            .unwrap_or_else(|_| panic!("{} {:?}", self.status(), self.answer.body()))
    }

    /// The status, and the error code.
    pub(super) fn error(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status(), code)
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let value = self.answer.headers().get(name)?;
        Some(value.to_str().unwrap())
    }

    pub(super) fn cookies(&self) -> Vec<&str> {
        let lines = self.answer.headers().get_all("set-cookie").iter();
        lines.map(|line| line.to_str().unwrap()).collect()
    }

    pub(super) fn pair(&self) -> Pair {
        assert_eq!(self.status(), 200, "{:?}", self.answer.body());
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Pair {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session").parse().unwrap(),
        }
    }
}

impl Asked {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn from(mut self, address: &str) -> Self {
        self.client = address.parse().unwrap();
        self
    }

    /// Basic credentials as RFC 6749 §2.3.1 has them.
    pub(super) fn basic(mut self, id: &str, secret: &str) -> Self {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
        let value = HeaderValue::try_from(format!("Basic {pair}")).unwrap();
        self.headers.insert(AUTHORIZATION, value);
        self
    }
}

/// A request from 192.0.2.1.
pub(super) fn asked(method: &Method, path: &str, content_type: &str, body: &str) -> Asked {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        let value = HeaderValue::from_str(content_type).unwrap();
        headers.insert(CONTENT_TYPE, value);
    }
    Asked {
        endpoint: Endpoint::Issuer,
        method: method.clone(),
        path: path.into(),
        query: None,
        headers,
        client: IpAddr::from([192, 0, 2, 1]),
        secure: true,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(super) fn get(path: &str) -> Asked {
    asked(&Method::GET, path, "", "")
}

pub(super) fn post(path: &str, form: &str) -> Asked {
    let form_type = "application/x-www-form-urlencoded";
    asked(&Method::POST, path, form_type, form)
}

pub(super) fn post_json(path: &str, body: &Value) -> Asked {
    asked(&Method::POST, path, "application/json", &body.to_string())
}

pub(super) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(super) fn operator() -> Actor {
    Actor {
        means: Means::CommandLine,
        who: "tests".to_owned(),
    }
}

/// A hash as we make it.
pub(super) fn own_hash(password: &str) -> PasswordHash {
    let password = Password::new(password.as_bytes().to_vec()).unwrap();
    hash(&password, Cost::DEFAULT, [3; 16]).unwrap()
}

/// The claims of a token, unverified.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(payload).unwrap()).unwrap()
}

/// A snapshot of this configuration in which the local issuer has that key.
fn snapshot(
    text: &str,
    state: &TempDir,
    metrics: &Arc<Metrics>,
    key: &SigningKey,
) -> Arc<ArcSwap<Snapshot>> {
    let file = state.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let variables = [(
        "STATE_DIRECTORY".to_owned(),
        state.path().display().to_string(),
    )];
    let config = config::load(&file, &Environment(variables.into())).unwrap();
    let index = config.local_issuer.as_ref().unwrap().issuer;
    let algorithms = config.issuers[index].policy.algorithms;
    let fixtures = Fixtures {
        metrics: Arc::clone(metrics),
        tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
        clock: Clock::System,
        keys: Arc::new(RemoteKeySets::new(state.path(), Clock::System)),
    };
    let snapshot = Snapshot::build(config, None, &fixtures).unwrap();
    let (keys, skipped) = KeySet::new(vec![key.verifying_key().unwrap()], algorithms);
    assert!(skipped.is_empty());
    let loaded = LoadedKeys {
        keys,
        skipped,
        local: Arc::default(),
    };
    Arc::new(ArcSwap::from_pointee(
        snapshot.with_issuer_keys(index, loaded),
    ))
}

/// Reads all revocations of the store and puts them in force.
fn catch_up(store: &Store, sets: &Arc<ArcSwap<RevocationSet>>) -> CatchUp {
    let (store, sets) = (store.clone(), Arc::clone(sets));
    CatchUp::new(move || {
        let (store, sets) = (store.clone(), Arc::clone(&sets));
        Box::pin(async move {
            let mut writer = RevocationWriter::new().unwrap();
            for row in store.revocations_after(0, 10_000).await.unwrap() {
                let kind = RevocationKind::from_name(&row.kind).unwrap();
                writer.add(&Revocation {
                    issuer: &row.issuer,
                    target: RevocationTarget::new(kind, &row.value),
                    before: row.before.map(UnixTime::from_seconds),
                    until: row.until.map(UnixTime::from_seconds),
                });
            }
            sets.store(writer.publish());
        })
    })
}
