//! Configurations, tokens and requests to decide on with and without a memory.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;

use http::{HeaderMap, Request};
use portcullis::clock::{Clock, UnixTime};
use portcullis::config::{self, Environment};
use portcullis::gate::{Head, Observer, Peer, Reason, Rejection, WorkerMemory, decide};
use portcullis::jwt::{Algorithm, SigningKey, TokenObserver, VerifiedToken};
use portcullis::metrics::Metrics;
use portcullis::revocation::RevocationSet;
use portcullis::snapshot::{Fixtures, Snapshot};
use serde_json::{Value, json};
use tempfile::TempDir;

/// When everything begins.
pub(crate) const START: i64 = 1_800_000_000;

/// `iss` of the two issuers, and one that nobody knows.
pub(crate) const ISSUERS: [&str; 3] = ["https://a.test", "https://b.test", "https://c.test"];

/// The paths that are asked for: of one issuer each, of both, with other claim headers, optional, without a token.
pub(crate) const PATHS: [&str; 10] = [
    "/a", "/b", "/both", "/set0", "/set1", "/set2", "/set3", "/set4", "/maybe", "/open",
];

/// Private keys that issuers share and swap.
pub(crate) static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let key = |_| SigningKey::generate(Algorithm::EdDsa).expect("a key");
    (0..4).map(key).collect()
});

/// A key in an issuer's set, under a name that need not be its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) key: usize,
    pub(crate) kid: Option<u8>,
}

/// What changes in a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) keys: [Vec<Published>; 2],
    pub(crate) audience: [u8; 2],
    pub(crate) leeway: u8,
    pub(crate) max_lifetime: bool,
    /// The claim that `X-Auth-Who` carries.
    pub(crate) header: u8,
    /// Failed signature checks of a client in a second.
    pub(crate) budget: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        let own = |key: u8| Published {
            key: usize::from(key),
            kid: Some(key),
        };
        Self {
            keys: [vec![own(0), own(1)], vec![own(2)]],
            audience: [0, 0],
            leeway: 30,
            max_lifetime: false,
            header: 0,
            budget: None,
        }
    }
}

/// Where snapshots are made.
pub(crate) struct Workshop {
    directory: TempDir,
    fixtures: Fixtures,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            fixtures: Fixtures {
                metrics: Metrics::new(1, Reason::NAMES),
                tickets: rustls::crypto::aws_lc_rs::Ticketer::new().expect("randomness"),
                clock: Clock::manual(UnixTime::from_seconds(START)).0,
                keys: std::sync::Arc::default(),
            },
        }
    }

    pub(crate) fn build(&self, setup: &Setup, previous: Option<&Snapshot>) -> Snapshot {
        let directory = self.directory.path();
        for (name, keys) in ["a", "b"].iter().zip(&setup.keys) {
            let keys: Vec<Value> = keys.iter().map(published).collect();
            let file = directory.join(format!("{name}.json"));
            fs::write(file, json!({ "keys": keys }).to_string()).expect("a file");
        }
        let config = config::parse(
            &text(setup),
            Path::new("test.toml"),
            directory,
            &Environment::default(),
        );
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        Snapshot::build(config, previous, &self.fixtures)
            .unwrap_or_else(|errors| panic!("{errors}"))
    }
}

/// A key as a JWK.
pub(crate) fn published(published: &Published) -> Value {
    let mut jwk = KEYS[published.key].public_jwk().expect("a public key");
    let members = jwk.as_object_mut().expect("an object");
    members.remove("kid");
    if let Some(kid) = published.kid {
        members.insert("kid".to_owned(), format!("k{kid}").into());
    }
    jwk
}

fn text(setup: &Setup) -> String {
    let claim = ["sub", "jti"][usize::from(setup.header % 2)];
    let budget = match setup.budget {
        Some(budget) => budget.to_string(),
        None => "\"off\"".to_owned(),
    };
    let mut text = format!(
        "[claim_headers]\n\"X-Auth-Who\" = \"{claim}\"\n\
         [server.limits]\nbad_signatures_per_client = {budget}\nbad_signatures_per_worker = \"off\"\n"
    );
    let lifetime = if setup.max_lifetime {
        "max_lifetime = \"2h\"\n"
    } else {
        ""
    };
    for (index, name) in ["a", "b"].iter().enumerate() {
        let _ = write!(
            text,
            "[[issuers]]\nname = \"{name}\"\nissuer = \"{}\"\naudiences = [\"aud{}\"]\nalgorithms = [\"EdDSA\"]\n\
             leeway = \"{}s\"\n{lifetime}keys = {{ jwks_file = \"{name}.json\" }}\n",
            ISSUERS[index], setup.audience[index], setup.leeway,
        );
    }
    for path in PATHS {
        let settings = match path {
            "/a" => "issuers = [\"a\"]\nscopes = [\"read\"]\n".to_owned(),
            "/b" => "issuers = [\"b\"]\n".to_owned(),
            "/maybe" => "issuers = [\"a\", \"b\"]\nauth = \"optional\"\n".to_owned(),
            "/open" => "auth = \"none\"\n".to_owned(),
            "/both" => "issuers = [\"a\", \"b\"]\n".to_owned(),
            set => format!(
                "issuers = [\"a\", \"b\"]\nclaim_headers = {{ \"X-Auth-{}\" = \"roles\" }}\n",
                &set[1..]
            ),
        };
        let _ = write!(
            text,
            "[[routes]]\nname = \"{}\"\npath = \"{path}\"\nupstream = \"http://127.0.0.1:9\"\n{settings}",
            &path[1..]
        );
    }
    text
}

/// What a token says, and how it is signed.
#[derive(Clone, Debug)]
pub(crate) struct TokenSpec {
    pub(crate) issuer: usize,
    pub(crate) key: usize,
    pub(crate) kid: u8,
    pub(crate) audience: u8,
    pub(crate) expires: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) issued_at: Option<i64>,
    pub(crate) subject: u8,
    pub(crate) scope: bool,
    /// Changed after it was signed.
    pub(crate) forged: bool,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            issuer: 0,
            key: 0,
            kid: 0,
            audience: 0,
            expires: 3600,
            not_before: None,
            issued_at: Some(-10),
            subject: 0,
            scope: true,
            forged: false,
        }
    }
}

impl TokenSpec {
    pub(crate) fn sign(&self) -> String {
        let mut claims = json!({
            "iss": ISSUERS[self.issuer], "aud": format!("aud{}", self.audience), "exp": START + self.expires,
            "sub": format!("user{}", self.subject), "jti": "4f1c", "roles": ["ops", "viewer, admin"],
            "scope": if self.scope { "read write" } else { "write" },
        });
        for (name, value) in [("nbf", self.not_before), ("iat", self.issued_at)] {
            if let Some(value) = value {
                claims[name] = (START + value).into();
            }
        }
        let key = SigningKey::from_pem(KEYS[self.key].to_pem().expose(), Algorithm::EdDsa);
        let key = key.expect("a key").with_kid(&format!("k{}", self.kid));
        let token = key.sign("at+jwt", &claims).expect("a signature");
        if !self.forged {
            return token;
        }
        let (input, signature) = token.rsplit_once('.').expect("three parts");
        let other = if signature.starts_with('A') { "B" } else { "A" };
        format!("{input}.{other}{}", &signature[1..])
    }
}

/// All that can be seen of a decision.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) result: Result<(String, Option<UnixTime>), Rejection>,
    pub(crate) fields: HeaderMap,
    observed: Vec<(usize, Option<String>)>,
}

impl Outcome {
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.result.as_ref().err().map(|rejection| rejection.reason)
    }
}

#[derive(Default)]
struct Notes(Vec<(usize, Option<String>)>);

impl TokenObserver for Notes {}

impl Observer for Notes {
    fn token(&mut self, issuer: usize, token: &VerifiedToken) {
        let subject = token.claims().text("sub").map(str::to_owned);
        self.0.push((issuer, subject));
    }
}

/// Decides on `GET path` with a token, `after` seconds from the start, when nothing is revoked.
pub(crate) fn ask(
    snapshot: &Snapshot,
    memory: &mut WorkerMemory,
    path: &str,
    token: &str,
    after: i64,
) -> Outcome {
    ask_with(
        &RevocationSet::empty(),
        snapshot,
        memory,
        path,
        token,
        after,
    )
}

/// The same with revocations.
pub(crate) fn ask_with(
    revocations: &RevocationSet,
    snapshot: &Snapshot,
    memory: &mut WorkerMemory,
    path: &str,
    token: &str,
    after: i64,
) -> Outcome {
    let request = Request::builder()
        .uri(path)
        .header("host", "api.test")
        .header("x-auth-who", "root")
        .header("authorization", format!("Bearer {token}"));
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let mut head = Head {
        parts,
        peer: Peer {
            address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 40_000)),
            secure: true,
        },
    };
    let mut notes = Notes::default();
    let now = UnixTime::from_seconds(START + after);
    let decision = decide(snapshot, revocations, memory, &mut head, now, &mut notes);
    Outcome {
        result: decision.map(|admission| (admission.route().name.to_string(), admission.expires())),
        fields: head.parts.headers,
        observed: notes.0,
    }
}
