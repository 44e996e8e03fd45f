//! What is counted of a key: its good tokens while it is in force, and who still names it afterwards.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use portcullis::clock::UnixTime;
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::jwt::Algorithm;
use portcullis::metrics::{KeyCounts, KeyInForce, WorkerId};
use portcullis::snapshot::name_of;
use serde_json::{Value, json};
use support::{Fixture, NOW, ROUTES, claims_with, get, head};

struct Gate {
    fixture: Fixture,
    memories: [WorkerMemory; 2],
}

impl Gate {
    fn new() -> Self {
        let gate = Self {
            fixture: Fixture::new(&[Algorithm::EdDsa, Algorithm::Es256], ROUTES),
            memories: [
                WorkerMemory::of_worker(WorkerId(0), 1 << 20),
                WorkerMemory::of_worker(WorkerId(0), 0),
            ],
        };
        gate.publish();
        gate
    }

    /// As the reloader does it when a snapshot is in force.
    fn publish(&self) {
        let issuer = &self.fixture.snapshot.issuers[0];
        let keys = issuer.keys.iter().map(|key| KeyInForce {
            name: name_of(key),
            algorithms: Box::default(),
            source: None,
            first_seen: NOW.seconds(),
        });
        let uses = self.fixture.metrics.key_uses();
        uses.publish(&[("test", keys.collect())], NOW.seconds());
    }

    fn token(&self, claims: &Value) -> String {
        self.fixture.sign(Algorithm::EdDsa, &claims_with(claims))
    }

    /// Why a token is refused so many seconds from now: once by a worker that knows it again, once by one that does not.
    fn ask(&mut self, after: i64, token: &str) -> Option<Reason> {
        let now = UnixTime::from_seconds(NOW.seconds() + after);
        let [remembers, forgets] = &mut self.memories;
        let ask = |memory: &mut WorkerMemory| {
            let mut head = head(get("/orders").header("authorization", format!("Bearer {token}")));
            let decided = self.fixture.decide_at(now, memory, &mut head);
            decided.err().map(|rejection| rejection.reason)
        };
        let reasons = [ask(remembers), ask(forgets)];
        assert_eq!(reasons[0], reasons[1]);
        reasons[0]
    }

    fn counts(&self, algorithm: Algorithm) -> KeyCounts {
        let jwk = self.fixture.public_jwk(algorithm).expect("public");
        let all = self.fixture.metrics.key_uses().all();
        let mut keys = all.iter().flat_map(|(_, keys)| keys);
        let named = |kid: Option<&str>| kid == jwk["kid"].as_str();
        keys.find(|key| named(key.kid.as_deref()))
            .expect("known")
            .counts
    }
}

#[test]
fn good_tokens_count_for_their_key_each_time_they_come() {
    let mut gate = Gate::new();
    let now = NOW.seconds();
    let (long, short) = (
        gate.token(&json!({ "exp": now + 900, "iat": now - 100 })),
        gate.token(&json!({ "exp": now + 600, "iat": now - 10 })),
    );
    for (after, token) in [(0, &long), (1, &short), (2, &short), (3, &long)] {
        assert_eq!(gate.ask(after, token), None);
    }
    let counts = KeyCounts {
        tokens: 8,
        last_token: Some(now + 3),
        newest_expiry: Some(now + 900),
        longest_lifetime: Some(1000),
        ..KeyCounts::default()
    };
    assert_eq!(gate.counts(Algorithm::EdDsa), counts);
    assert_eq!(gate.counts(Algorithm::Es256), KeyCounts::default());
}

#[test]
fn what_is_not_good_counts_for_no_key() {
    let mut gate = Gate::new();
    let now = NOW.seconds();
    let good = gate.token(&json!({}));
    let (input, _) = good.rsplit_once('.').expect("three parts");
    let forged = format!("{input}.{}", "A".repeat(86));
    for (token, reason) in [
        (forged, Reason::BadSignature),
        (gate.token(&json!({ "exp": now - 100 })), Reason::Expired),
        (
            gate.token(&json!({ "aud": "other", "exp": now + 9999 })),
            Reason::WrongAudience,
        ),
    ] {
        assert_eq!(gate.ask(0, &token), Some(reason));
    }
    assert_eq!(gate.counts(Algorithm::EdDsa), KeyCounts::default());
    // A known one that has expired meanwhile is not good any more either.
    assert_eq!(gate.ask(0, &good), None);
    let before = gate.counts(Algorithm::EdDsa);
    assert_eq!(gate.ask(9999, &good), Some(Reason::Expired));
    assert_eq!(gate.counts(Algorithm::EdDsa), before);
}

#[test]
fn a_token_that_may_not_do_this_is_good_all_the_same() {
    let mut gate = Gate::new();
    let token = gate.token(&json!({ "scope": "other" }));
    assert_eq!(gate.ask(0, &token), Some(Reason::InsufficientScope));
    assert_eq!(gate.counts(Algorithm::EdDsa).tokens, 2);
}

#[test]
fn who_only_tries_a_decision_out_counts_nothing() {
    let mut gate = Gate::new();
    gate.memories = [WorkerMemory::new(1 << 20), WorkerMemory::new(0)];
    let token = gate.token(&json!({}));
    assert_eq!(gate.ask(0, &token), None);
    gate.fixture.keep_keys(|key| key.serves(Algorithm::Es256));
    gate.publish();
    assert_eq!(gate.ask(0, &token), Some(Reason::UnknownKey));
    assert_eq!(gate.counts(Algorithm::EdDsa), KeyCounts::default());
}

#[test]
fn a_removed_key_counts_who_names_it_and_never_a_good_token() {
    let mut gate = Gate::new();
    let now = NOW.seconds();
    let token = gate.token(&json!({}));
    assert_eq!(gate.ask(0, &token), None);
    let before = gate.counts(Algorithm::EdDsa);
    gate.fixture.keep_keys(|key| key.serves(Algorithm::Es256));
    gate.publish();
    for after in [5, 6] {
        assert_eq!(gate.ask(after, &token), Some(Reason::UnknownKey));
    }
    let after = KeyCounts {
        presented: 4,
        last_presented: Some(now + 6),
        ..before
    };
    assert_eq!(gate.counts(Algorithm::EdDsa), after);
    // Expired, it would be refused whatever the key.
    assert_eq!(gate.ask(9999, &token), Some(Reason::UnknownKey));
    assert_eq!(gate.counts(Algorithm::EdDsa), after);
    // Without any key, too; and in force again, it goes on where it was.
    gate.fixture.keep_keys(|_| false);
    gate.publish();
    assert_eq!(gate.ask(7, &token), Some(Reason::KeysUnavailable));
    assert_eq!(gate.counts(Algorithm::EdDsa).presented, 6);
    gate.fixture.keep_keys(|_| true);
    gate.publish();
    assert_eq!(gate.ask(8, &token), None);
    let counts = gate.counts(Algorithm::EdDsa);
    assert_eq!((counts.tokens, counts.presented), (4, 6));
}

#[test]
fn a_token_that_was_known_before_counts_for_its_key_in_the_next_snapshot_too() {
    let mut gate = Gate::new();
    let token = gate.token(&json!({}));
    assert_eq!(gate.ask(0, &token), None);
    // The key moves up: the same number is another key's now.
    gate.fixture.keep_keys(|key| key.serves(Algorithm::EdDsa));
    gate.publish();
    assert_eq!(gate.ask(1, &token), None);
    gate.fixture.keep_keys(|_| true);
    gate.publish();
    assert_eq!(gate.ask(2, &token), None);
    assert_eq!(gate.counts(Algorithm::EdDsa).tokens, 6);
    assert_eq!(gate.counts(Algorithm::Es256), KeyCounts::default());
}
