//! How often a decision allocates: counted, and held down. A change that needs more has to raise a number here.

#[expect(dead_code, reason = "each binary uses a part of it")]
mod support;

use portcullis::gate::WorkerMemory;
use portcullis::jwt::Algorithm;
use portcullis::keys::KeyRequester;
use portcullis::metrics::WorkerId;
use serde_json::json;
use support::{Fixture, ROUTES, claims_with, get, head};

/// Allocations of one decision, after a first one has warmed up what is lazy.
fn count(fixture: &Fixture, request: impl Fn() -> http::request::Builder) -> u64 {
    // Of a worker that has its keys, and remembers no tokens.
    let mut memory = WorkerMemory::new(0);
    let mut warm = head(request());
    drop(fixture.decide_with(&mut memory, &mut warm));
    let mut counted = head(request());
    let info = allocation_counter::measure(|| {
        // Dropped inside, where the proxy drops it too; freeing is not counted.
        drop(fixture.decide_with(&mut memory, &mut counted));
    });
    info.count_total
}

#[test]
fn a_public_request_allocates_only_what_the_new_fields_need() {
    let fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let count = count(&fixture, || get("/open/1"));
    assert!(count <= PUBLIC, "{count} allocations, {PUBLIC} are allowed");
}

#[test]
fn a_refusal_without_a_token_allocates_nothing() {
    let fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let count = count(&fixture, || get("/orders/1"));
    assert_eq!(count, 0);
}

#[test]
fn a_verified_token_allocates_a_few_times_whatever_it_says() {
    let fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let token = format!(
        "Bearer {}",
        fixture.sign(Algorithm::EdDsa, &claims_with(&json!({})))
    );
    let count = count(&fixture, || {
        get("/orders/1").header("authorization", &token)
    });
    assert!(
        count <= VERIFIED,
        "{count} allocations, {VERIFIED} are allowed"
    );
}

#[test]
fn a_cached_token_allocates_no_more_than_a_public_request() {
    let fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let token = format!(
        "Bearer {}",
        fixture.sign(Algorithm::EdDsa, &claims_with(&json!({})))
    );
    let mut memory = WorkerMemory::of_worker(WorkerId(0), 1 << 20);
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut head = head(get("/orders/1").header("authorization", &token));
        // As on a connection that has served a request: its map comes back for the next one.
        head.parts.headers.reserve(16);
        let info = allocation_counter::measure(|| {
            drop(
                fixture
                    .decide_with(&mut memory, &mut head)
                    .expect("a good token"),
            );
        });
        counts.push(info.count_total);
    }
    assert_eq!(memory.take_counts().hits, 2);
    assert!(
        counts[1..].iter().all(|count| *count <= PUBLIC),
        "{counts:?} allocations, {PUBLIC} are allowed"
    );
}

#[test]
fn an_unknown_key_allocates_nothing_once_it_was_asked_for() {
    let mut fixture = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let (requester, _requests) = KeyRequester::channel(fixture.metrics.keys("test"));
    fixture.snapshot.key_requesters = vec![Some(requester)];
    let other = Fixture::new(&[Algorithm::EdDsa], ROUTES);
    let token = other.sign(Algorithm::EdDsa, &claims_with(&json!({})));
    let request = || head(get("/orders/1").header("authorization", format!("Bearer {token}")));
    let count = |memory: &mut WorkerMemory| {
        let mut head = request();
        let info = allocation_counter::measure(|| drop(fixture.decide_with(memory, &mut head)));
        info.count_total
    };
    let (mut asks, mut silent) = (
        WorkerMemory::of_worker(WorkerId(0), 0),
        WorkerMemory::new(0),
    );
    let first = [count(&mut asks), count(&mut silent)];
    assert!(first[0] > first[1], "it asks: {first:?}");
    assert_eq!(count(&mut asks), count(&mut silent));
}

#[test]
fn asking_for_keys_allocates_nothing_while_enough_wait() {
    let metrics = portcullis::metrics::Metrics::new(1, &[]);
    let (requester, mut requests) = KeyRequester::channel(metrics.keys("corp"));
    let ask = || requester.unknown_kid(Some("a key that nobody has"));
    for _ in 0..16 {
        ask();
    }
    let info = allocation_counter::measure(|| {
        for _ in 0..1000 {
            ask();
        }
    });
    assert_eq!(info.count_total, 0);
    assert_eq!(
        std::iter::from_fn(|| requests.try_next()).count(),
        16,
        "the others were dropped"
    );
}

/// The value of `X-Forwarded-For`, and what `Host` and `X-Forwarded-Host` need to share one.
const PUBLIC: u64 = 2;

/// The text of the claims and the list of what is in it, what is remembered, and the fields of a public
/// request and three claims (jsonwebtoken's `decode` alone takes 65 for the like).
const VERIFIED: u64 = 12;
