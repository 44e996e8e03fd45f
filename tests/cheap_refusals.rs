//! What a refusal costs: only a well-formed token in time, of a known issuer and key, has its signature checked.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::jwt::Algorithm;
use serde_json::{Value, json};
use support::{Fixture, NOW, ROUTES, claims, claims_with, get, head};

/// A gateway with a cache, and what its one worker remembers.
struct Gate {
    fixture: Fixture,
    memory: WorkerMemory,
}

impl Gate {
    fn new() -> Self {
        Self {
            fixture: Fixture::new(&[Algorithm::EdDsa, Algorithm::Es256], ROUTES),
            memory: WorkerMemory::new(1 << 20),
        }
    }

    /// Why a token is refused, and how many signatures were good and wrong on the way.
    fn ask(&mut self, token: &str) -> (Option<Reason>, [u64; 2]) {
        let request = get("/orders").header("authorization", format!("Bearer {token}"));
        let decided = self
            .fixture
            .decide_with(&mut self.memory, &mut head(request));
        let counts = self.memory.take_counts();
        (
            decided.err().map(|rejection| rejection.reason),
            [counts.good_signatures, counts.bad_signatures],
        )
    }

    fn kid(&self) -> Value {
        let key = self.fixture.public_jwk(Algorithm::EdDsa);
        key.expect("a public key")["kid"].clone()
    }

    /// A token that nobody signed, with another header and claims than a good one.
    fn forged(&self, header: &Value, claims: &Value, signature: &[u8]) -> String {
        let mut all = json!({ "alg": "EdDSA", "kid": self.kid(), "typ": "at+jwt" });
        for (name, value) in header.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let parts = [all.to_string(), claims_with(claims).to_string()];
        let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
        format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            URL_SAFE_NO_PAD.encode(signature)
        )
    }

    /// What is refused before the signature.
    fn cheap(&self) -> Vec<(Reason, String)> {
        let nothing = json!({});
        let header = |header: Value| self.forged(&header, &nothing, &[7; 64]);
        let claims = |claims: Value| self.forged(&nothing, &claims, &[7; 64]);
        let signed = |claims: Value| self.fixture.sign(Algorithm::EdDsa, &claims_with(&claims));
        let odd_base64 = header(nothing.clone()).replacen('.', "=.", 1);
        let hour_ago = NOW.seconds() - 3600;
        let in_an_hour = NOW.seconds() + 3600;
        vec![
            (Reason::Malformed, "no-token".to_owned()),
            (Reason::Malformed, "a.b.c".to_owned()),
            (Reason::Malformed, odd_base64),
            (Reason::Malformed, claims(json!({ "exp": "soon" }))),
            (
                Reason::UnsupportedAlgorithm,
                header(json!({ "alg": "none" })),
            ),
            (
                Reason::UnsupportedAlgorithm,
                header(json!({ "alg": "HS256" })),
            ),
            (
                Reason::UnsupportedAlgorithm,
                header(json!({ "alg": "RS256" })),
            ),
            (
                Reason::CriticalHeader,
                header(json!({ "crit": ["b64"], "b64": false })),
            ),
            (Reason::UnknownKey, header(json!({ "kid": "unheard-of" }))),
            (Reason::UnknownKey, header(json!({ "alg": "ES256" }))),
            (
                Reason::WrongIssuer,
                claims(json!({ "iss": "https://other.test" })),
            ),
            (Reason::WrongIssuer, signed(json!({ "iss": null }))),
            (Reason::Expired, claims(json!({ "exp": hour_ago }))),
            (Reason::Expired, signed(json!({ "exp": hour_ago }))),
            (Reason::NotYetValid, claims(json!({ "nbf": in_an_hour }))),
            (Reason::NotYetValid, signed(json!({ "nbf": in_an_hour }))),
            // A signature that no key of that kind makes.
            (
                Reason::BadSignature,
                self.forged(&nothing, &nothing, &[7; 63]),
            ),
            (Reason::BadSignature, self.forged(&nothing, &nothing, &[])),
            (Reason::TokenTooLarge, "a".repeat(20_000)),
        ]
    }
}

#[test]
fn what_is_refused_early_costs_no_signature_check_and_no_budget() {
    let mut gate = Gate::new();
    for (reason, token) in gate.cheap() {
        // More often than a client may send wrong signatures.
        for _ in 0..200 {
            assert_eq!(gate.ask(&token), (Some(reason), [0, 0]), "{token}");
        }
    }
    // As long as a signature, and no base64url.
    let mut forged = gate.forged(&json!({}), &json!({}), &[7; 64]);
    forged.pop();
    forged.push('!');
    assert_eq!(gate.ask(&forged), (Some(Reason::Malformed), [0, 0]));
    let good = gate.fixture.sign(Algorithm::EdDsa, &claims());
    assert_eq!(gate.ask(&good), (None, [1, 0]));
}

#[test]
fn a_signature_is_checked_once_and_the_rest_comes_after_it() {
    let mut gate = Gate::new();
    let signed =
        |gate: &Gate, claims: &Value| gate.fixture.sign(Algorithm::Es256, &claims_with(claims));
    let good = signed(&gate, &json!({}));
    assert_eq!(gate.ask(&good), (None, [1, 0]));
    assert_eq!(gate.ask(&good), (None, [0, 0]), "it is known now");
    for (reason, changes) in [
        (Reason::WrongAudience, json!({ "aud": "other" })),
        (Reason::NotYetValid, json!({ "iat": NOW.seconds() + 3600 })),
        (Reason::SenderConstrained, json!({ "cnf": {} })),
    ] {
        let token = signed(&gate, &changes);
        assert_eq!(gate.ask(&token), (Some(reason), [1, 0]), "{reason}");
        let forged = gate.forged(&json!({}), &changes, &[7; 64]);
        let refused = (Some(Reason::BadSignature), [0, 1]);
        assert_eq!(gate.ask(&forged), refused, "{reason}");
    }
}

#[test]
fn over_the_budget_no_signature_is_checked() {
    let mut gate = Gate::new();
    let good = gate.fixture.sign(Algorithm::EdDsa, &claims());
    assert_eq!(gate.ask(&good), (None, [1, 0]));
    let forged = gate.forged(&json!({}), &json!({}), &[7; 64]);
    for _ in 0..100 {
        let refused = (Some(Reason::BadSignature), [0, 1]);
        assert_eq!(gate.ask(&forged), refused);
    }
    for (reason, token) in gate.cheap() {
        assert_eq!(gate.ask(&token), (Some(reason), [0, 0]), "as ever");
    }
    let other = gate.fixture.sign(Algorithm::Es256, &claims());
    for token in [&forged, &other] {
        let refused = (Some(Reason::TooManyBadTokens), [0, 0]);
        assert_eq!(gate.ask(token), refused);
    }
    assert_eq!(gate.ask(&good), (None, [0, 0]), "known");
}
