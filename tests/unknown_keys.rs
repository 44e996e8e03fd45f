//! A token whose key is not known asks for newer keys, and is refused as ever.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::clock::UnixTime;
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::jwt::Algorithm;
use portcullis::keys::{KeyRequest, KeyRequester, KeyRequests};
use portcullis::metrics::WorkerId;
use serde_json::{Value, json};
use support::{Fixture, NOW, ROUTES, claims_with, get, head};

/// One issuer whose keys can be asked for, and a worker that does.
struct Gate {
    fixture: Fixture,
    requests: KeyRequests,
    memory: WorkerMemory,
}

impl Gate {
    fn new() -> Self {
        let mut fixture = Fixture::new(&[Algorithm::EdDsa, Algorithm::Es256], ROUTES);
        let (requester, requests) = KeyRequester::channel(fixture.metrics.keys("test"));
        fixture.snapshot.key_requesters = vec![Some(requester)];
        Self {
            fixture,
            requests,
            memory: WorkerMemory::of_worker(WorkerId(0), 1 << 20),
        }
    }

    /// Why a token is refused at `now`, and for what keys it asks.
    fn ask_at(&mut self, now: UnixTime, token: &str) -> (Option<Reason>, Vec<KeyRequest>) {
        let mut head = head(get("/orders").header("authorization", format!("Bearer {token}")));
        let decided = self.fixture.decide_at(now, &mut self.memory, &mut head);
        let asked = std::iter::from_fn(|| self.requests.try_next()).collect();
        (decided.err().map(|rejection| rejection.reason), asked)
    }

    /// The same now.
    fn ask(&mut self, token: &str) -> (Option<Reason>, Vec<KeyRequest>) {
        self.ask_at(NOW, token)
    }

    /// A token with a signature that nobody made. `null` removes a member of its header or claims.
    fn forged(&self, header: &Value, claims: &Value, signature: &[u8]) -> String {
        let key = self.fixture.public_jwk(Algorithm::EdDsa).expect("public");
        let mut all = json!({ "alg": "EdDSA", "kid": key["kid"], "typ": "at+jwt" });
        for (name, value) in header.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let members = all.as_object_mut().expect("an object");
        members.retain(|_, value| !value.is_null());
        let parts = [all.to_string(), claims_with(claims).to_string()];
        let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{}.{}.{signature}", parts[0], parts[1])
    }
}

fn named(kid: &str) -> Vec<KeyRequest> {
    vec![KeyRequest::Unknown(Some(kid.into()))]
}

fn unnamed() -> Vec<KeyRequest> {
    vec![KeyRequest::Unknown(None)]
}

/// A token, why it is refused, and which key it asks for.
type Row = (String, Reason, Vec<KeyRequest>);

/// Tokens that a newer key may verify.
fn asking(gate: &Gate) -> Vec<Row> {
    let unknown = |kid: &str, signature: &[u8]| {
        let token = gate.forged(&json!({ "kid": kid }), &json!({}), signature);
        (token, Reason::UnknownKey, named(kid))
    };
    // Which key it means is a guess, and so is whether it is the one we have.
    let nameless = gate.forged(&json!({ "kid": null }), &json!({}), &[7; 64]);
    vec![
        unknown("new", &[7; 64]),
        unknown("newer", &[]),
        (nameless, Reason::BadSignature, unnamed()),
    ]
}

/// Tokens that newer keys would not help.
fn silent(gate: &Gate) -> Vec<Row> {
    let new = json!({ "kid": "new" });
    let rsa = json!({ "kid": "new", "alg": "RS256" });
    let critical = json!({ "kid": "new", "crit": ["x"] });
    let ended = json!({ "exp": NOW.seconds() - 3600 });
    let early = json!({ "nbf": NOW.seconds() + 3600 });
    let other = json!({ "iss": "https://other.test" });
    let odd = json!({ "exp": "soon" });
    let nothing = json!({});
    let row = |header: &Value, claims: &Value, length: usize, reason: Reason| {
        let token = gate.forged(header, claims, &[7; 64][..length]);
        (token, reason, vec![])
    };
    vec![
        row(&new, &ended, 64, Reason::UnknownKey),
        row(&new, &early, 64, Reason::UnknownKey),
        row(&new, &other, 64, Reason::WrongIssuer),
        row(&rsa, &nothing, 64, Reason::UnsupportedAlgorithm),
        row(&critical, &nothing, 64, Reason::CriticalHeader),
        row(&new, &odd, 64, Reason::Malformed),
        row(&nothing, &nothing, 64, Reason::BadSignature),
        row(&nothing, &nothing, 63, Reason::BadSignature),
    ]
}

/// All of them.
fn table(gate: &Gate) -> Vec<Row> {
    [asking(gate), silent(gate)].concat()
}

#[test]
fn what_a_newer_key_may_verify_asks_for_it_and_the_answer_is_the_same() {
    let mut silent = WorkerMemory::new(1 << 20);
    for row in 0..table(&Gate::new()).len() {
        let mut gate = Gate::new();
        let (token, reason, asked) = table(&gate).swap_remove(row);
        assert_eq!(gate.ask(&token), (Some(reason), asked), "{token}");
        std::mem::swap(&mut gate.memory, &mut silent);
        assert_eq!(gate.ask(&token), (Some(reason), vec![]), "of no worker");
        std::mem::swap(&mut gate.memory, &mut silent);
        gate.fixture.snapshot.key_requesters = vec![None];
        assert_eq!(gate.ask(&token), (Some(reason), vec![]), "local keys only");
    }
}

#[test]
fn a_signature_without_a_kid_and_of_another_length_asks_too() {
    let mut gate = Gate::new();
    let token = gate.forged(&json!({ "kid": null }), &json!({}), &[7; 63]);
    assert_eq!(gate.ask(&token), (Some(Reason::BadSignature), unnamed()));
}

#[test]
fn a_key_without_a_name_may_not_be_the_one_that_a_token_names() {
    let mut gate = Gate::new();
    let policy = &gate.fixture.snapshot.issuers[0].policy;
    let key = portcullis::jwt::SigningKey::generate(Algorithm::EdDsa).expect("a key");
    let mut jwk = key.public_jwk().expect("public");
    jwk.as_object_mut().expect("an object").remove("kid");
    let set = json!({ "keys": [jwk] }).to_string();
    let set = portcullis::jwt::parse_jwk_set(set.as_bytes()).expect("a set");
    let (keys, _) = portcullis::jwt::KeySet::new(set.keys, policy.algorithms);
    gate.fixture.snapshot.issuers = vec![std::sync::Arc::new(portcullis::jwt::Issuer {
        name: "test".into(),
        policy: policy.clone(),
        keys,
    })];
    for kid in ["first", "second"] {
        let token = gate.forged(&json!({ "kid": kid }), &json!({}), &[7; 64]);
        assert_eq!(gate.ask(&token), (Some(Reason::BadSignature), named(kid)));
    }
}

#[test]
fn an_issuer_without_keys_is_asked_for_them_and_never_says_401() {
    let mut gate = Gate::new();
    let good = gate
        .fixture
        .sign(Algorithm::EdDsa, &claims_with(&json!({})));
    gate.fixture.keep_keys(|_| false);
    let (reason, asked) = gate.ask(&good);
    assert_eq!(reason, Some(Reason::KeysUnavailable));
    assert_eq!(asked.len(), 1);
    assert_eq!(gate.ask(&good), (Some(Reason::KeysUnavailable), vec![]));
}

#[test]
fn one_name_is_asked_for_once_in_a_gap() {
    let mut gate = Gate::new();
    let gap = gate.fixture.snapshot.config.issuers[0]
        .refresh
        .unknown_kid_gap;
    let tokens = ["a", "b"].map(|kid| gate.forged(&json!({ "kid": kid }), &json!({}), &[7; 64]));
    for (after, asks) in [
        (Duration::ZERO, 1),
        (Duration::ZERO, 0),
        (Duration::from_secs(gap.as_secs() - 1), 0),
        (gap, 1),
    ] {
        for token in &tokens {
            for count in [asks, 0, 0] {
                let (reason, asked) = gate.ask_at(NOW.plus(after), token);
                assert_eq!((reason, asked.len()), (Some(Reason::UnknownKey), count));
            }
        }
    }
}

#[test]
fn a_flood_of_names_nobody_reads_waits_for_nobody() {
    let mut gate = Gate::new();
    for number in 0..1000 {
        let kid = number.to_string();
        let token = gate.forged(&json!({ "kid": kid }), &json!({}), &[7; 64]);
        let mut head = head(get("/orders").header("authorization", format!("Bearer {token}")));
        let decided = gate.fixture.decide_with(&mut gate.memory, &mut head);
        assert_eq!(decided.err().map(|no| no.reason), Some(Reason::UnknownKey));
    }
    let counts = gate.memory.take_counts();
    assert_eq!((counts.good_signatures, counts.bad_signatures), (0, 0));
    let waiting = std::iter::from_fn(|| gate.requests.try_next()).count();
    assert!((1..100).contains(&waiting), "{waiting}");
}
