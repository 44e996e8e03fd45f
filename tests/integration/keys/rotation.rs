//! Rotation: a new key works after the fetch that its first token causes, a removed one nowhere after the next refresh.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider, ok, set_of};
use super::super::harness::{Connection, TestGateway, Upstream};
use super::{
    GAP, INTERVAL, World, admitted, iss, key, outcome, outcome_of, token, token_as, unknown,
    wait_for,
};

const WORKERS: usize = 3;

/// Many connections: every worker has some.
fn connections(gateway: &TestGateway) -> Vec<Connection> {
    (0..8 * WORKERS)
        .map(|_| Connection::open(gateway.address()))
        .collect()
}

#[test]
fn a_new_key_is_refused_until_the_fetch_after_its_first_miss_and_never_again() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new()
        .workers(WORKERS)
        .jwks("corp", &provider)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.publish(&[key("a"), key("b")]);
    let mut all = connections(&gateway);
    let (a, b) = (token("corp", "a"), token("corp", "b"));
    // Within the gap nothing is fetched; and the miss is not forgotten.
    for connection in &mut all {
        assert_eq!(outcome_of(connection, "corp", &b), unknown());
        assert_eq!(outcome_of(connection, "corp", &a), admitted());
    }
    assert_eq!(provider.fetches(JWKS), 1);
    gateway.advance(GAP);
    wait_until("the fetch that the miss asked for", || {
        provider.fetches(JWKS) == 2
    });
    wait_for(&gateway, "corp", "b");
    for connection in &mut all {
        assert_eq!(outcome_of(connection, "corp", &b), admitted());
        assert_eq!(outcome_of(connection, "corp", &a), admitted());
    }
    // Past the gap a miss is fetched for at once.
    provider.publish(&[key("a"), key("b"), key("c")]);
    gateway.advance(GAP);
    assert_eq!(outcome(&gateway, "corp", "c"), unknown());
    wait_for(&gateway, "corp", "c");
    assert_eq!(provider.fetches(JWKS), 3);
    let c = token("corp", "c");
    for connection in &mut all {
        assert_eq!(outcome_of(connection, "corp", &c), admitted());
    }
}

#[test]
fn under_load_a_rotation_refuses_no_valid_token_once_it_was_seen() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new()
        .workers(WORKERS)
        .jwks("corp", &provider)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    gateway.advance(GAP);
    let (a, b) = (token("corp", "a"), token("corp", "b"));
    let (seen, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let (old, new) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 * WORKERS {
            scope.spawn(|| {
                let mut connection = Connection::open(gateway.address());
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(outcome_of(&mut connection, "corp", &a), admitted());
                    old.fetch_add(1, Ordering::Relaxed);
                    let must = seen.load(Ordering::SeqCst);
                    let found = outcome_of(&mut connection, "corp", &b);
                    if found == admitted() {
                        // From now on, whoever asks and wherever.
                        seen.store(true, Ordering::SeqCst);
                        new.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!((found, must), (unknown(), false));
                    }
                }
            });
        }
        wait_until("traffic", || old.load(Ordering::Relaxed) > 100);
        provider.publish(&[key("a"), key("b")]);
        gateway.advance(GAP);
        wait_until("traffic of the new key", || {
            new.load(Ordering::Relaxed) > 500
        });
        done.store(true, Ordering::SeqCst);
    });
    assert!(provider.fetches(JWKS) <= 3, "{}", provider.fetches(JWKS));
}

#[test]
fn swapping_sets_under_load_never_refuses_a_key_that_stays() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = World::new()
        .workers(WORKERS)
        .jwks("corp", &provider)
        .start(&upstream);
    wait_for(&gateway, "corp", "b");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 * WORKERS {
            scope.spawn(|| {
                let b = token("corp", "b");
                let mut connection = Connection::open(gateway.address());
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(outcome_of(&mut connection, "corp", &b), admitted());
                }
            });
        }
        for turn in 0..8 {
            let (there, gone) = if turn % 2 == 0 {
                ("c", "a")
            } else {
                ("a", "c")
            };
            provider.publish(&[key(there), key("b")]);
            gateway.advance(GAP);
            wait_for(&gateway, "corp", there);
            assert_eq!(outcome(&gateway, "corp", gone), unknown(), "turn {turn}");
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(provider.fetches(JWKS) <= 9, "one a gap");
}

#[test]
fn a_removed_key_works_nowhere_after_the_next_refresh() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = World::new()
        .workers(WORKERS)
        .jwks("corp", &provider)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    let mut all = connections(&gateway);
    let (a, b) = (token("corp", "a"), token("corp", "b"));
    // Three times, so that each worker has it in its cache.
    for _ in 0..3 {
        for connection in &mut all {
            assert_eq!(outcome_of(connection, "corp", &a), admitted());
            assert_eq!(outcome_of(connection, "corp", &b), admitted());
        }
    }
    wait_until("they are there", || {
        gateway.metric("portcullis_token_cache_requests_total", "hit") > 0.5
    });
    provider.publish(&[key("b")]);
    gateway.advance(INTERVAL);
    wait_until("a is gone", || outcome(&gateway, "corp", "a") == unknown());
    for connection in &mut all {
        assert_eq!(outcome_of(connection, "corp", &a), unknown());
        assert_eq!(outcome_of(connection, "corp", &b), admitted());
    }
}

#[test]
fn a_key_that_changes_under_its_kid_is_another_key() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    let mut other = key("c").public_jwk().expect("a public half");
    other["kid"] = "a".into();
    let set = json!({ "keys": [other, key("b").public_jwk()] });
    provider.serve(JWKS, vec![ok("", &set.to_string())]);
    gateway.advance(INTERVAL);
    wait_until("the old a is gone", || {
        outcome(&gateway, "corp", "a") == (401, "bad_signature".to_owned())
    });
    assert_eq!(outcome(&gateway, "corp", "b"), admitted());
}

#[test]
fn the_same_kid_at_two_issuers_is_two_keys() {
    let upstream = Upstream::start();
    let mut twin = key("b").public_jwk().expect("a public half");
    twin["kid"] = "a".into();
    let (red, blue) = (Provider::start(&[key("a")]), Provider::start(&[]));
    let set = json!({ "keys": [twin] }).to_string();
    blue.serve(JWKS, vec![ok("", &set)]);
    // Both behind one provider as well: the URL makes the difference.
    red.serve("/green", vec![ok("", &set)]);
    let green = format!("{{ jwks_url = {:?} }}", red.url("/green"));
    let gateway = World::new()
        .jwks("red", &red)
        .jwks("blue", &blue)
        .issuer("green", &green)
        .start(&upstream);
    wait_for(&gateway, "red", "a");
    let by = |issuer: &str, kid: &str| {
        let jwk = key(kid).to_pem();
        let again = portcullis::jwt::SigningKey::from_pem(jwk.expose(), key(kid).algorithm());
        token_as(&iss(issuer), &again.expect("a key").with_kid("a"))
    };
    let bad = (401, "bad_signature".to_owned());
    let wrong = (401, "wrong_issuer".to_owned());
    let check = || {
        for (route, token, expected) in [
            ("red", by("red", "a"), admitted()),
            ("blue", by("blue", "b"), admitted()),
            ("green", by("green", "b"), admitted()),
            ("red", by("red", "b"), bad.clone()),
            ("blue", by("blue", "a"), bad.clone()),
            ("green", by("green", "a"), bad.clone()),
            ("red", by("blue", "b"), wrong.clone()),
            ("blue", by("red", "a"), wrong.clone()),
        ] {
            let found = outcome_of(&mut gateway.connect(), route, &token);
            assert_eq!(found, expected, "{route}");
        }
    };
    check();
    gateway.advance(INTERVAL);
    wait_until("all are fetched again", || {
        red.fetches(JWKS) + red.fetches("/green") + blue.fetches(JWKS) >= 6
    });
    check();
    // What the red issuer's provider publishes is never a key of the others.
    red.publish(&[key("a"), key("c")]);
    gateway.advance(INTERVAL);
    wait_for(&gateway, "red", "c");
    assert_eq!(outcome(&gateway, "blue", "c"), unknown());
    assert_eq!(outcome(&gateway, "green", "c"), unknown());
}

#[test]
fn several_sources_of_one_issuer_serve_together() {
    let upstream = Upstream::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("emergency.json");
    std::fs::write(&file, set_of(&[key("e")])).expect("written");
    let (first, second) = (Provider::start(&[key("a")]), Provider::start(&[key("b")]));
    let keys = format!(
        "[{{ jwks_url = {:?} }}, {{ jwks_url = {:?} }}, {{ jwks_file = {:?} }}]",
        first.url(JWKS),
        second.url(JWKS),
        file.display().to_string()
    );
    let gateway = World::new()
        .issuer("corp", &keys)
        .start_in(&upstream, directory);
    for kid in ["a", "b", "e"] {
        wait_for(&gateway, "corp", kid);
    }
    first.kill();
    second.publish(&[key("b"), key("c")]);
    gateway.advance(INTERVAL);
    wait_for(&gateway, "corp", "c");
    for kid in ["a", "b", "e"] {
        assert_eq!(outcome(&gateway, "corp", kid), admitted(), "{kid}");
    }
    // An unknown kid asks both, and what the one says takes nothing from the other.
    second.publish(&[key("d")]);
    first.publish(&[key("a"), key("f")]);
    first.revive();
    gateway.advance(super::BACK_OFF);
    wait_for(&gateway, "corp", "f");
    wait_for(&gateway, "corp", "d");
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    assert_eq!(outcome(&gateway, "corp", "e"), admitted());
}

#[test]
fn a_local_key_serves_while_the_provider_was_never_there() {
    let upstream = Upstream::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("emergency.json");
    std::fs::write(&file, set_of(&[key("e")])).expect("written");
    let provider = Provider::start(&[key("a")]);
    provider.kill();
    let keys = format!(
        "[{{ jwks_url = {:?} }}, {{ jwks_file = {:?} }}]",
        provider.url(JWKS),
        file.display().to_string()
    );
    let gateway = World::new()
        .issuer("corp", &keys)
        .start_in(&upstream, directory);
    assert_eq!(outcome(&gateway, "corp", "e"), admitted());
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    provider.revive();
    gateway.advance(super::BACK_OFF);
    wait_for(&gateway, "corp", "a");
    assert_eq!(outcome(&gateway, "corp", "e"), admitted());
}
