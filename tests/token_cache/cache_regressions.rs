//! Bugs that caches of others had, and those that ours could have.

use portcullis::gate::{Reason, WorkerMemory};
use portcullis::revocation::{Revocation, RevocationTarget, RevocationWriter};
use portcullis::snapshot::Snapshot;

use crate::world::{ISSUERS, PATHS, Published, Setup, TokenSpec, Workshop, ask, ask_with};

/// A worker with room for everything, and what it decides on.
struct Worker {
    workshop: Workshop,
    snapshot: Snapshot,
    memory: WorkerMemory,
    after: i64,
}

impl Worker {
    fn new() -> Self {
        let workshop = Workshop::new();
        Self {
            snapshot: workshop.build(&Setup::default(), None),
            workshop,
            memory: WorkerMemory::new(1 << 20),
            after: 0,
        }
    }

    fn reload(&mut self, setup: &Setup) {
        self.snapshot = self.workshop.build(setup, Some(&self.snapshot));
    }

    fn reason(&mut self, path: &str, token: &str) -> Option<Reason> {
        ask(&self.snapshot, &mut self.memory, path, token, self.after).reason()
    }

    fn field(&mut self, path: &str, token: &str, name: &str) -> Option<String> {
        let outcome = ask(&self.snapshot, &mut self.memory, path, token, self.after);
        let value = outcome.fields.get(name)?;
        Some(value.to_str().expect("text").to_owned())
    }

    /// Hits and misses since the last call.
    fn counts(&mut self) -> (u64, u64) {
        let counts = self.memory.take_counts();
        (counts.hits, counts.misses)
    }
}

#[test]
fn a_second_request_is_a_hit_on_every_route() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    for path in PATHS {
        let _ = worker.reason(path, &token);
    }
    // One route reads no token, and another does not admit it, which is seen on a hit too.
    assert_eq!(worker.counts(), (8, 1));
}

#[test]
fn a_hit_does_not_open_a_route_of_another_issuer_or_scope() {
    let mut worker = Worker::new();
    let (a, narrow) = (
        TokenSpec::default(),
        TokenSpec {
            scope: false,
            ..TokenSpec::default()
        },
    );
    let b = TokenSpec {
        issuer: 1,
        key: 2,
        kid: 2,
        ..TokenSpec::default()
    };
    let [a, b, narrow] = [a, b, narrow].map(|spec| spec.sign());
    for token in [&a, &b, &narrow] {
        assert_eq!(worker.reason("/both", token), None);
    }
    let _ = worker.counts();
    assert_eq!(worker.reason("/a", &a), None);
    assert_eq!(worker.reason("/b", &a), Some(Reason::WrongIssuer));
    assert_eq!(worker.reason("/a", &b), Some(Reason::WrongIssuer));
    assert_eq!(
        worker.reason("/a", &narrow),
        Some(Reason::InsufficientScope)
    );
    assert_eq!(
        worker.counts(),
        (4, 0),
        "and all of it was known from the cache"
    );
}

#[test]
fn a_cached_token_expires_to_the_second() {
    let mut worker = Worker::new();
    let token = TokenSpec {
        expires: 100,
        ..TokenSpec::default()
    }
    .sign();
    assert_eq!(worker.reason("/a", &token), None);
    worker.after = 129;
    assert_eq!(worker.reason("/a", &token), None, "leeway is 30 s");
    worker.after = 130;
    assert_eq!(worker.reason("/a", &token), Some(Reason::Expired));
    assert_eq!(worker.counts(), (2, 1));
}

#[test]
fn a_clock_that_is_set_back_makes_a_cached_token_early() {
    for spec in [
        TokenSpec {
            issued_at: Some(0),
            ..TokenSpec::default()
        },
        TokenSpec {
            issued_at: None,
            not_before: Some(0),
            ..TokenSpec::default()
        },
    ] {
        let mut worker = Worker::new();
        let token = spec.sign();
        assert_eq!(worker.reason("/a", &token), None);
        worker.after = -30;
        assert_eq!(worker.reason("/a", &token), None);
        worker.after = -31;
        assert_eq!(worker.reason("/a", &token), Some(Reason::NotYetValid));
        assert_eq!(worker.counts(), (2, 1));
    }
}

#[test]
fn workers_and_policies_share_no_cached_token() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    assert_eq!(worker.reason("/a", &token), None);
    // The same issuer under another policy is another verifier.
    let other = Setup {
        audience: [1, 0],
        ..Setup::default()
    };
    worker.reload(&other);
    assert_eq!(worker.reason("/a", &token), Some(Reason::WrongAudience));
    assert_eq!(worker.counts(), (0, 2));
    // What was found under it does not come back with the first one, but is looked for.
    worker.reload(&Setup::default());
    assert_eq!(worker.reason("/a", &token), None);
    assert_eq!(worker.counts(), (0, 1));
    let strict = Setup {
        max_lifetime: true,
        ..Setup::default()
    };
    let long = TokenSpec {
        expires: 10_000,
        ..TokenSpec::default()
    }
    .sign();
    assert_eq!(worker.reason("/a", &long), None);
    worker.reload(&strict);
    assert_eq!(worker.reason("/a", &long), Some(Reason::LifetimeTooLong));
}

#[test]
fn a_removed_key_ends_its_cached_tokens_at_once() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    let other = TokenSpec {
        key: 1,
        kid: 1,
        ..TokenSpec::default()
    }
    .sign();
    assert_eq!(worker.reason("/a", &token), None);
    assert_eq!(worker.reason("/a", &other), None);
    let mut setup = Setup::default();
    setup.keys[0].remove(0);
    worker.reload(&setup);
    assert_eq!(worker.reason("/a", &token), Some(Reason::UnknownKey));
    assert_eq!(worker.reason("/a", &other), None);
    assert_eq!(worker.counts(), (1, 3), "a key that stays keeps its tokens");
    worker.reload(&Setup::default());
    assert_eq!(worker.reason("/a", &token), None, "and it may come back");
}

#[test]
fn another_key_under_the_same_kid_ends_cached_tokens() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    assert_eq!(worker.reason("/a", &token), None);
    let mut setup = Setup::default();
    setup.keys[0][0].key = 3;
    worker.reload(&setup);
    assert_eq!(worker.reason("/a", &token), Some(Reason::BadSignature));
    // The key itself is back, under a name that the token does not have.
    setup.keys[0].push(Published {
        key: 0,
        kid: Some(2),
    });
    worker.reload(&setup);
    assert_eq!(worker.reason("/a", &token), Some(Reason::BadSignature));
}

#[test]
fn a_kid_that_comes_between_ends_cached_tokens_of_a_key_without_one() {
    let mut worker = Worker::new();
    let mut setup = Setup::default();
    setup.keys[0] = vec![Published { key: 0, kid: None }];
    worker.reload(&setup);
    let token = TokenSpec {
        kid: 1,
        ..TokenSpec::default()
    }
    .sign();
    assert_eq!(
        worker.reason("/a", &token),
        None,
        "the only key fits any kid"
    );
    setup.keys[0].push(Published {
        key: 1,
        kid: Some(1),
    });
    worker.reload(&setup);
    assert_eq!(worker.reason("/a", &token), Some(Reason::BadSignature));
}

#[test]
fn a_reload_that_changes_nothing_keeps_the_cache() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    assert_eq!(worker.reason("/a", &token), None);
    for _ in 0..3 {
        worker.reload(&Setup::default());
        assert_eq!(worker.reason("/a", &token), None);
    }
    // Not even if it is built from nothing: policies and keys are compared, not their addresses.
    worker.snapshot = worker.workshop.build(&Setup::default(), None);
    assert_eq!(worker.reason("/a", &token), None);
    assert_eq!(worker.counts(), (4, 1));
}

#[test]
fn a_forged_token_is_never_cached_nor_what_resembles_a_cached_one() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    let forged = TokenSpec {
        forged: true,
        ..TokenSpec::default()
    }
    .sign();
    for _ in 0..2 {
        assert_eq!(worker.reason("/a", &forged), Some(Reason::BadSignature));
    }
    assert_eq!(worker.reason("/a", &token), None);
    // The signature of a cached token under other claims: the same end, and so the same hash.
    let (_, signature) = token.rsplit_once('.').expect("three parts");
    let root = TokenSpec {
        subject: 1,
        ..TokenSpec::default()
    }
    .sign();
    let (input, _) = root.rsplit_once('.').expect("three parts");
    let spliced = format!("{input}.{signature}");
    assert_eq!(worker.reason("/a", &spliced), Some(Reason::BadSignature));
    assert_eq!(worker.counts(), (0, 4));
}

#[test]
fn cached_claim_headers_are_those_of_the_route_and_of_the_configuration() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    for _ in 0..3 {
        for path in ["/a", "/set0", "/set1", "/set2", "/set3", "/set4"] {
            assert_eq!(
                worker.field(path, &token, "x-auth-who").as_deref(),
                Some("user0")
            );
            for set in 0..5 {
                let roles = worker.field(path, &token, &format!("x-auth-set{set}"));
                let own = path == format!("/set{set}");
                assert_eq!(
                    roles.as_deref(),
                    own.then_some("ops,viewer%2C admin"),
                    "{path}"
                );
            }
        }
    }
    worker.reload(&Setup {
        header: 1,
        ..Setup::default()
    });
    let _ = worker.counts();
    for path in ["/a", "/set0"] {
        assert_eq!(
            worker.field(path, &token, "x-auth-who").as_deref(),
            Some("4f1c")
        );
    }
    assert_eq!(
        worker.counts(),
        (2, 0),
        "the claims are the same, the fields new"
    );
}

#[test]
fn keys_that_are_gone_are_dropped_without_a_request() {
    let mut worker = Worker::new();
    let tokens = [0, 1].map(|key| {
        TokenSpec {
            key: key.into(),
            kid: key,
            ..TokenSpec::default()
        }
        .sign()
    });
    for token in &tokens {
        assert_eq!(worker.reason("/a", token), None);
    }
    assert_eq!(worker.memory.prepared_keys(), 2);
    let mut setup = Setup::default();
    setup.keys[0].remove(0);
    worker.reload(&setup);
    worker.memory.settle(&worker.snapshot);
    assert_eq!(worker.memory.prepared_keys(), 1);
}

#[test]
fn a_revocation_ends_a_cached_token_and_its_removal_brings_it_back() {
    let mut worker = Worker::new();
    let token = TokenSpec::default().sign();
    let mut writer = RevocationWriter::new().expect("randomness");
    let revocation = Revocation {
        issuer: ISSUERS[0],
        target: RevocationTarget::Sub("user0"),
        before: None,
        until: None,
    };
    let mut reason = |writer: &RevocationWriter| {
        let Worker {
            snapshot, memory, ..
        } = &mut worker;
        let revocations = writer.publish();
        let outcome = ask_with(&revocations, snapshot, memory, "/a", &token, 0);
        (outcome.reason(), memory.take_counts().hits)
    };
    assert_eq!(reason(&writer), (None, 0));
    writer.add(&revocation);
    assert_eq!(reason(&writer), (Some(Reason::Revoked), 1));
    assert_eq!(
        reason(&writer),
        (Some(Reason::Revoked), 1),
        "again, and no crypto"
    );
    writer.remove(revocation.issuer, revocation.target);
    assert_eq!(reason(&writer), (None, 1));
    writer.add(&revocation);
    assert_eq!(reason(&writer), (Some(Reason::Revoked), 1));
    let mut anew = WorkerMemory::new(1 << 20);
    let revocations = writer.publish();
    for hits in [0, 1] {
        let outcome = ask_with(&revocations, &worker.snapshot, &mut anew, "/a", &token, 0);
        assert_eq!(outcome.reason(), Some(Reason::Revoked));
        assert_eq!(
            anew.take_counts().hits,
            hits,
            "cached although it was never admitted"
        );
    }
}
