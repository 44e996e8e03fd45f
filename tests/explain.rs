//! What `explain` says is what the gateway does: the same verdict for ten thousand tokens that were tampered with, and for
//! requests of every kind, whether or not a worker remembers.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::explain::{Explanation, KeyFacts, KeyOrigin, Outcome, Question, Verdict, explain};
use portcullis::gate::WorkerMemory;
use portcullis::jwt::{Algorithm, VerifyingKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Fixture, NOW, claims_with, get, head};

const ROUTES: &str = r#"
[server.limits]
bad_signatures_per_client = "off"
bad_signatures_per_worker = "off"
token_bytes = "2KiB"

[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Roles" = "realm_access.roles"

[[routes]]
name = "orders"
path = "/orders"
methods = ["GET", "POST"]
upstream = "http://127.0.0.1:9"
scopes = ["orders:read"]
claims = { tenant = { equals = "acme" } }

[[routes]]
name = "maybe"
path = "/maybe"
upstream = "http://127.0.0.1:9"
auth = "optional"
any_scope = ["orders:write", "orders:admin"]

[[routes]]
name = "open"
path = "/open"
upstream = "http://127.0.0.1:9"
auth = "none"
"#;

const PATHS: [&str; 8] = [
    "/orders",
    "/orders/1",
    "/Orders",
    "/maybe",
    "/open",
    "/nowhere",
    "/orders/%2e%2e/open",
    "/orders;x/1",
];

const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "TRACE"];

/// What happens to a token between its issuer and us.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    /// A byte becomes another.
    Byte(prop::sample::Index, u8),
    /// The rest is lost.
    Cut(prop::sample::Index),
    /// Something is put in.
    Insert(prop::sample::Index, u8),
    /// Two parts change places.
    Swap(u8),
    /// A part is that of another token.
    Part(u8),
    /// The header says something else.
    Header(&'static str, Value),
    /// The claims say something else, and the signature is the old one.
    Claims(Value),
}

fn any_claims() -> impl Strategy<Value = Value> {
    let changes = vec![
        json!({}),
        json!({ "exp": NOW.seconds() - 31 }),
        json!({ "exp": NOW.seconds() - 29 }),
        json!({ "exp": null }),
        json!({ "exp": "soon" }),
        json!({ "nbf": NOW.seconds() + 31 }),
        json!({ "iat": NOW.seconds() + 31 }),
        json!({ "iss": "https://else.test" }),
        json!({ "iss": null }),
        json!({ "aud": "else" }),
        json!({ "aud": ["api", "else"] }),
        json!({ "aud": null }),
        json!({ "scope": "" }),
        json!({ "scope": "orders:write" }),
        json!({ "tenant": "else" }),
        json!({ "tenant": null }),
        json!({ "cnf": {} }),
        json!({ "events": {} }),
        json!({ "sub": "x".repeat(1600) }),
    ];
    proptest::sample::select(changes)
}

fn any_change() -> impl Strategy<Value = Change> {
    let headers = vec![
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("kid", json!("else")),
        ("kid", Value::Null),
        ("typ", json!("JWT")),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("jwk", json!({})),
    ];
    prop_oneof![
        3 => Just(Change::Nothing),
        3 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, to)| Change::Byte(at, to)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, it)| Change::Insert(at, it)),
        1 => any::<u8>().prop_map(Change::Swap),
        1 => any::<u8>().prop_map(Change::Part),
        2 => proptest::sample::select(headers).prop_map(|(name, value)| Change::Header(name, value)),
        1 => any_claims().prop_map(Change::Claims),
    ]
}

/// The token after it.
fn changed(fixture: &Fixture, token: &str, change: &Change) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    match change {
        Change::Nothing => return token.to_owned(),
        Change::Byte(at, to) => {
            let at = at.index(bytes.len());
            bytes[at] = visible(*to);
            return String::from_utf8(bytes).expect("ASCII");
        }
        Change::Cut(at) => return token[..at.index(token.len())].to_owned(),
        Change::Insert(at, it) => {
            bytes.insert(at.index(bytes.len()), visible(*it));
            return String::from_utf8(bytes).expect("ASCII");
        }
        Change::Swap(first) => parts.swap(usize::from(first % 3), usize::from((first / 3) % 3)),
        Change::Part(part) => {
            let other = fixture.sign(Algorithm::Es256, &claims_with(&json!({ "sub": "bob" })));
            let part = usize::from(part % 3);
            let other = other.split('.').nth(part).expect("three parts");
            other.clone_into(&mut parts[part]);
        }
        Change::Header(name, value) => {
            let mut header = decoded(&parts[0]);
            header[*name] = value.clone();
            parts[0] = URL_SAFE_NO_PAD.encode(header.to_string());
        }
        Change::Claims(changes) => {
            parts[1] = URL_SAFE_NO_PAD.encode(claims_with(changes).to_string());
        }
    }
    parts.join(".")
}

/// A byte that a field value may have.
fn visible(byte: u8) -> u8 {
    b'!' + byte % 94
}

fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("our own token");
    serde_json::from_slice(&bytes).expect("our own token")
}

struct NoFacts;

impl KeyFacts for NoFacts {
    fn origin(&self, _issuer: &str, _key: &VerifyingKey) -> KeyOrigin {
        KeyOrigin::default()
    }
}

fn explained(fixture: &Fixture, method: &str, path: &str, token: Option<&str>) -> Explanation {
    let url = format!("https://api.test{path}");
    let who = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), NOW);
    let question = Question::new(method, &url, &[], token, who).expect("a request");
    explain(&fixture.snapshot, &fixture.revocations, &NoFacts, &question)
}

/// Route and claim headers, or status, reason and detail.
type Judged = Result<(String, Vec<(String, String)>), (u16, String, String)>;

/// What the gateway does, in the words of an explanation.
fn decided(
    fixture: &Fixture,
    memory: &mut WorkerMemory,
    (method, path, token): (&str, &str, Option<&str>),
) -> Judged {
    let mut request = get(path).method(method);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut head = head(request);
    match fixture.decide_at(NOW, memory, &mut head) {
        Ok(admission) => {
            let fields = head.parts.headers.iter();
            let fields = fields.filter(|(name, _)| name.as_str().starts_with("x-auth-"));
            let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
            let fields = fields.map(|(name, value)| (name.to_string(), text(value)));
            Ok((admission.route().name.to_string(), fields.collect()))
        }
        Err(rejection) => Err((
            rejection.reason.status().as_u16(),
            rejection.reason.name().to_owned(),
            rejection.detail.to_string(),
        )),
    }
}

/// The explanation, in the same words.
fn said(explained: &Explanation) -> Judged {
    match explained.verdict.clone() {
        Verdict::Admitted { route, .. } => {
            let fields = explained.answer.fields.iter();
            let fields = fields
                .filter(|(name, _)| name.starts_with("x-auth-"))
                .cloned();
            Ok((route, fields.collect()))
        }
        Verdict::Refused {
            status,
            reason,
            detail,
        } => Err((status, reason, detail)),
        Verdict::OwnEndpoint => panic!("there is none"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// 40 × 250 requests: 10,000.
    #[test]
    fn what_is_explained_is_what_is_done(
        requests in proptest::collection::vec(
            (any_claims(), any_change(), proptest::option::weighted(0.95, any::<bool>()), 0..PATHS.len(), 0..METHODS.len()),
            250,
        ),
    ) {
        let fixture = Fixture::new(&[Algorithm::EdDsa, Algorithm::Es256], ROUTES);
        let mut forgetful = WorkerMemory::new(0);
        let mut remembering = WorkerMemory::new(1 << 20);
        for (claims, change, edwards, path, method) in &requests {
            let token = edwards.map(|edwards| {
                let algorithm = if edwards { Algorithm::EdDsa } else { Algorithm::Es256 };
                changed(&fixture, &fixture.sign(algorithm, &claims_with(claims)), change)
            });
            // Most requests are those that a token decides on.
            let method = METHODS[if *method > 1 && *path > 1 { *method } else { 0 }];
            let asked = (method, PATHS[*path], token.as_deref());
            let done = decided(&fixture, &mut forgetful, asked);
            prop_assert_eq!(&decided(&fixture, &mut remembering, asked), &done);
            let explained = explained(&fixture, asked.0, asked.1, asked.2);
            prop_assert_eq!(&said(&explained), &done, "{:?}", asked);
            steps_fit_the_verdict(&explained)?;
            never_shows(&explained, asked.2)?;
        }
    }
}

/// One step refuses, exactly if the request is refused; none after it passed.
fn steps_fit_the_verdict(explained: &Explanation) -> Result<(), TestCaseError> {
    let outcomes: Vec<Outcome> = explained.steps.iter().map(|step| step.outcome).collect();
    let refused = outcomes.iter().position(|it| *it == Outcome::Refused);
    prop_assert_eq!(refused.is_some(), !explained.verdict.is_admitted());
    if let Some(refused) = refused {
        let rest = outcomes.get(refused + 1..).unwrap_or_default();
        prop_assert!(
            rest.iter().all(|it| *it == Outcome::NotReached),
            "{:?}",
            outcomes
        );
        prop_assert!(
            !outcomes[..refused].contains(&Outcome::NotReached),
            "{:?}",
            outcomes
        );
    } else {
        prop_assert!(!outcomes.contains(&Outcome::NotReached), "{:?}", outcomes);
    }
    Ok(())
}

/// Neither the token nor its signature stands anywhere.
fn never_shows(explained: &Explanation, token: Option<&str>) -> Result<(), TestCaseError> {
    let Some(token) = token else { return Ok(()) };
    let text = serde_json::to_string(explained).expect("JSON");
    let parts = token.split('.').filter(|part| part.len() > 16);
    for part in parts {
        prop_assert!(!text.contains(part), "{}", text);
    }
    Ok(())
}

#[test]
fn explaining_leaves_no_trace() {
    let fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let own = |text: String| {
        let lines = text.lines().filter(|line| line.starts_with("portcullis_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = own(fixture.metrics.encode());
    let token = fixture.sign(Algorithm::EdDsa, &claims_with(&json!({})));
    for path in PATHS {
        explained(&fixture, "GET", path, Some(&token));
        explained(&fixture, "GET", path, Some("not.a.token"));
    }
    assert_eq!(own(fixture.metrics.encode()), before);
}
