//! A snapshot made of text, keys made on the spot, and heads to decide on: no sockets, no clock.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, Request};
use portcullis::clock::{Clock, UnixTime};
use portcullis::config::{self, Environment};
use portcullis::gate::{
    Admission, Head, Peer, Reason, Rejection, Unobserved, WorkerMemory, decide,
};
use portcullis::jwt::{
    Algorithm, Issuer, KeyFamily, KeySet, SigningKey, VerifyingKey, parse_jwk_set,
};
use portcullis::metrics::Metrics;
use portcullis::revocation::RevocationSet;
use portcullis::secret::Secret;
use portcullis::snapshot::{Fixtures, Snapshot, SnapshotId};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2027-01-15: when every test decides.
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// `iss` of the tokens that are good.
pub(crate) const ISSUER: &str = "https://issuer.test";

/// What tokens are signed with that have no public key: long enough for every hash.
pub(crate) const SECRET: &str = "as long as the longest hash, and known to everybody who reads it";

/// What a decision is measured with: a route that asks for a scope, a public one, and three claim headers.
pub(crate) const ROUTES: &str = r#"
[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Scope" = "scope"
"X-Auth-Roles" = "realm_access.roles"

[[routes]]
name = "orders"
path = "/orders"
upstream = "http://127.0.0.1:9"
scopes = ["orders:read"]

[[routes]]
name = "open"
path = "/open"
upstream = "http://127.0.0.1:9"
auth = "none"
"#;

/// A configuration in force, and the keys that its issuer trusts.
pub(crate) struct Fixture {
    pub(crate) snapshot: Snapshot,
    /// What its decisions count.
    pub(crate) metrics: Arc<Metrics>,
    /// What is revoked: nothing, for ever, unless a test says otherwise.
    pub(crate) revocations: RevocationSet,
    keys: Vec<SigningKey>,
    _directory: TempDir,
}

impl Fixture {
    /// One issuer named `test` with a key for each of `algorithms`, and the routes of `rest`.
    pub(crate) fn new(algorithms: &[Algorithm], rest: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let keys: Vec<SigningKey> = algorithms
            .iter()
            .map(|algorithm| match algorithm.family() {
                KeyFamily::Hmac => SigningKey::from_secret(&Secret::new(SECRET.into()), *algorithm),
                KeyFamily::Rsa
                | KeyFamily::P256
                | KeyFamily::P384
                | KeyFamily::P521
                | KeyFamily::Ed25519 => SigningKey::generate(*algorithm),
            })
            .map(|key| key.expect("a key"))
            .collect();
        let text = format!("{}\n{rest}", issuer_table(&keys, directory.path()));
        let environment = Environment(
            [(
                "STATE_DIRECTORY".to_owned(),
                directory.path().display().to_string(),
            )]
            .into(),
        );
        let config = config::parse(
            &text,
            Path::new("test.toml"),
            directory.path(),
            &environment,
        )
        .unwrap_or_else(|errors| panic!("{errors}"));
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().expect("randomness"),
            clock: Clock::manual(NOW).0,
            keys: Arc::default(),
        };
        let snapshot =
            Snapshot::build(config, None, &fixtures).unwrap_or_else(|errors| panic!("{errors}"));
        Self {
            snapshot,
            metrics: fixtures.metrics,
            revocations: RevocationSet::empty(),
            keys,
            _directory: directory,
        }
    }

    /// Signs claims with the key of `algorithm`.
    pub(crate) fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        self.key(algorithm)
            .sign("at+jwt", claims)
            .expect("a signature")
    }

    /// The public key of `algorithm`; `None` for a secret.
    pub(crate) fn public_jwk(&self, algorithm: Algorithm) -> Option<Value> {
        self.key(algorithm).public_jwk()
    }

    fn key(&self, algorithm: Algorithm) -> &SigningKey {
        self.keys
            .iter()
            .find(|key| key.algorithm() == algorithm)
            .expect("a key of that algorithm")
    }

    /// Decides on a head at [`NOW`].
    pub(crate) fn decide(&self, head: &mut Head) -> Result<Admission, Rejection> {
        self.decide_with(&mut WorkerMemory::new(0), head)
    }

    /// The same, of a worker that remembers.
    pub(crate) fn decide_with(
        &self,
        memory: &mut WorkerMemory,
        head: &mut Head,
    ) -> Result<Admission, Rejection> {
        self.decide_at(NOW, memory, head)
    }

    /// The same, at another time.
    pub(crate) fn decide_at(
        &self,
        now: UnixTime,
        memory: &mut WorkerMemory,
        head: &mut Head,
    ) -> Result<Admission, Rejection> {
        decide(
            &self.snapshot,
            &self.revocations,
            memory,
            head,
            now,
            &mut Unobserved,
        )
    }

    /// Leaves its issuer these keys only, as a refresh does: another snapshot, whose key uses are shared with the last.
    pub(crate) fn keep_keys(&mut self, kept: impl Fn(&VerifyingKey) -> bool) {
        self.give_keys(0, kept);
    }

    /// The issuer of that index trusts these of the keys, and no others.
    pub(crate) fn give_keys(&mut self, index: usize, kept: impl Fn(&VerifyingKey) -> bool) {
        let snapshot = &mut self.snapshot;
        let issuer = &snapshot.issuers[index];
        let verifying = |key: &SigningKey| {
            let jwk = key.public_jwk()?;
            let set = parse_jwk_set(json!({ "keys": [jwk] }).to_string().as_bytes()).ok()?;
            set.keys.into_iter().next()
        };
        let keys = self
            .keys
            .iter()
            .filter_map(verifying)
            .filter(|key| kept(key));
        let (keys, _) = KeySet::new(keys.collect(), issuer.policy.algorithms);
        snapshot.issuers[index] = Arc::new(Issuer {
            name: Arc::clone(&issuer.name),
            policy: Arc::clone(&issuer.policy),
            keys,
        });
        snapshot.key_uses = snapshot.key_uses.with(&snapshot.issuers);
        snapshot.id = SnapshotId::fresh();
    }

    /// The fields that the upstream would get, or the refusal.
    pub(crate) fn fields(&self, request: http::request::Builder) -> Result<HeaderMap, Rejection> {
        let mut head = head(request);
        self.decide(&mut head).map(|_| head.parts.headers)
    }

    /// Why a request is refused.
    pub(crate) fn refusal(&self, request: http::request::Builder) -> Reason {
        self.fields(request).expect_err("a refusal").reason
    }
}

/// Good claims of user `alice`.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api", "sub": "alice", "exp": NOW.seconds() + 600, "iat": NOW.seconds() - 10,
        "jti": "4f1c2b7e", "scope": "orders:read orders:write", "tenant": "acme",
        "realm_access": { "roles": ["ops", "viewer"] },
    })
}

/// Good claims with some members replaced; `null` removes one.
pub(crate) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// `GET target` of host `api.test` over HTTP/1.1.
pub(crate) fn get(target: &str) -> http::request::Builder {
    Request::builder().uri(target).header("host", "api.test")
}

/// The head of a request that came from 192.0.2.7 over TLS.
pub(crate) fn head(request: http::request::Builder) -> Head {
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 40_000));
    Head {
        parts,
        peer: Peer {
            address,
            secure: true,
        },
    }
}

/// The issuer's table, and its keys in a file (or the secret itself).
fn issuer_table(keys: &[SigningKey], directory: &Path) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.algorithm().name()).collect();
    let public: Vec<Value> = keys.iter().filter_map(SigningKey::public_jwk).collect();
    let source = if public.is_empty() {
        format!("{{ secret = {SECRET:?} }}")
    } else {
        fs::write(
            directory.join("jwks.json"),
            json!({ "keys": public }).to_string(),
        )
        .expect("a file");
        "{ jwks_file = \"jwks.json\" }".to_owned()
    };
    format!(
        "[[issuers]]\nname = \"test\"\nissuer = \"{ISSUER}\"\naudiences = [\"api\"]\n\
         algorithms = {names:?}\nkeys = {source}\n"
    )
}
