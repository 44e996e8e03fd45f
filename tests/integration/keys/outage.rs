//! A provider that fails after a good start: nobody notices but the operator.

use std::thread;

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::{Request, TestGateway, Upstream};
use super::faults::{ELSEWHERE, Row, rows};
use super::{
    BACK_OFF, GAP, INTERVAL, STALE_FOR, World, admitted, fetched_of, flood, key, last_error,
    outcome, source, source_of, token, unavailable, unknown, wait_for,
};

/// A gateway with an issuer for each row, which has its keys.
fn start(rows: &[Row], upstream: &Upstream) -> TestGateway {
    let world = rows.iter().fold(World::new().workers(2), |world, row| {
        world.jwks(row.fault.name, &row.provider)
    });
    let gateway = world.start(upstream);
    for row in rows {
        wait_for(&gateway, row.fault.name, "a");
        let fetches = row.provider.fetches(JWKS);
        assert_eq!(fetches, 1, "{}: at the start", row.fault.name);
    }
    gateway
}

/// Waits until that many fetches of each row have failed.
fn wait_for_failures(gateway: &TestGateway, rows: &[Row], count: f64) {
    let mut left: Vec<&str> = rows.iter().map(|row| row.fault.name).collect();
    wait_until(&format!("{count} failures of each"), || {
        let metrics = gateway.admin("/metrics").text();
        left.retain(|name| fetched_of(&metrics, name, "failed") < count);
        left.is_empty()
    });
}

/// Known keys are admitted, unknown ones refused, and so many of these cause no fetch beyond `fetches` in all.
fn serves(row: &Row, gateway: &TestGateway, misses: usize, fetches: usize) {
    let name = row.fault.name;
    assert_eq!(outcome(gateway, name, "a"), admitted(), "{name}");
    assert_eq!(outcome(gateway, name, "b"), unknown(), "{name}");
    let statuses = flood(gateway, name, &token(name, "b"), misses);
    assert!(statuses.iter().all(|status| *status == 401), "{name}");
    let known = flood(gateway, name, &token(name, "a"), 20);
    assert!(known.iter().all(|status| *status == 200), "{name}");
    assert!(row.provider.fetches(JWKS) <= fetches, "{name}: one a gap");
    assert_eq!(row.provider.fetches(ELSEWHERE), 0, "{name}: no redirect");
}

/// Every row at once, a few at a time.
fn all_serve(gateway: &TestGateway, rows: &[Row], misses: usize, fetches: usize) {
    thread::scope(|scope| {
        for rows in rows.chunks(rows.len().div_ceil(4)) {
            scope.spawn(move || {
                for row in rows {
                    serves(row, gateway, misses, fetches);
                }
            });
        }
    });
    // Now that they have all asked: nobody did twice.
    let report = gateway.admin("/keys").json();
    for row in rows {
        let name = row.fault.name;
        let source = source_of(&report, name);
        let error = source["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(row.fault.says), "{name}: {error:?}");
        assert_eq!(source["state"], "stale", "{name}");
        assert!(row.provider.fetches(JWKS) <= fetches, "{name}: one a gap");
    }
    assert_eq!(gateway.admin("/readyz").status, 200, "old keys serve");
}

#[test]
fn a_provider_that_fails_costs_no_request_and_heals() {
    let upstream = Upstream::start();
    let rows = rows();
    let gateway = start(&rows, &upstream);
    for row in &rows {
        (row.fault.cause)(&row.provider);
    }
    // The refresh fails; what unknown kids ask for must wait for the gap.
    gateway.advance(INTERVAL);
    wait_for_failures(&gateway, &rows, 1.0);
    all_serve(&gateway, &rows, 20, 2);
    // The gap is over: one more, however many ask, and whatever the back-off wants.
    gateway.advance(GAP);
    wait_for_failures(&gateway, &rows, 2.0);
    all_serve(&gateway, &rows, 1000, 3);
    for row in &rows {
        row.provider.publish(&[key("a"), key("b")]);
        row.provider.revive();
    }
    gateway.advance(BACK_OFF);
    for row in &rows {
        let name = row.fault.name;
        wait_for(&gateway, name, "b");
        assert_eq!(outcome(&gateway, name, "a"), admitted(), "{name}");
        assert!(row.provider.fetches(JWKS) <= 4, "{name}");
    }
    let report = gateway.admin("/keys").json();
    for row in &rows {
        let source = source_of(&report, row.fault.name);
        assert_eq!(source["state"], "fresh", "{source}");
        assert!(source["last_error"].is_null(), "{source}");
    }
}

#[test]
fn an_hour_of_outage_refuses_nobody_and_a_day_says_503() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let other = Provider::start(&[key("a")]);
    let world = World::new().jwks("corp", &provider).jwks("other", &other);
    let gateway = world.start(&upstream);
    wait_for(&gateway, "corp", "a");
    wait_for(&gateway, "other", "a");
    provider.kill();
    for minute in 0..60 {
        gateway.advance(60);
        let all = flood(&gateway, "corp", &token("corp", "a"), 20);
        assert!(all.iter().all(|status| *status == 200), "minute {minute}");
    }
    wait_until("the refresher has seen the hour", || {
        last_error(&gateway, "corp").contains("connect")
    });
    assert_eq!(gateway.admin("/readyz").status, 200);
    gateway.advance(STALE_FOR);
    wait_until("the keys are too old", || {
        outcome(&gateway, "corp", "a") == unavailable()
    });
    let refused = gateway.send(&Request::get("/corp").token(&token("corp", "a")));
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    // The keys of the other one are too old by the same clock, until they are fetched.
    wait_until("the other issuer has newer keys", || {
        let ready = gateway.admin("/readyz");
        assert_eq!(ready.status, 503, "{}", ready.text());
        assert!(ready.text().contains("issuer corp"), "{}", ready.text());
        !ready.text().contains("issuer other")
    });
    assert_eq!(source(&gateway, "corp")["state"], "expired");
    assert_eq!(gateway.send(&Request::get("/open")).status, 200);
    wait_for(&gateway, "other", "a");
    provider.revive();
    gateway.advance(BACK_OFF);
    wait_for(&gateway, "corp", "a");
    wait_until("all is well", || gateway.admin("/readyz").status == 200);
}

#[test]
fn failures_are_tried_again_after_one_second_and_then_ever_more_rarely() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.kill();
    gateway.advance(INTERVAL);
    for (failures, wait) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        // With a jitter of a fifth, in whole seconds.
        let (soonest, latest) = (wait * 4 / 5, wait * 6 / 5);
        let mut next = None;
        wait_until(&format!("failure {failures}"), || {
            let status = &source(&gateway, "corp");
            next = status["next_attempt"].as_str().map(str::to_owned);
            status["failures"] == failures && next.is_some()
        });
        let next: jiff::Timestamp = next.expect("looked at").parse().expect("a time");
        let after = next.as_second() - gateway.now();
        let range = soonest..=latest;
        assert!(
            range.contains(&after),
            "after failure {failures}: {after} s, not {range:?}"
        );
        assert_eq!(outcome(&gateway, "corp", "a"), admitted());
        gateway.advance(after + 1);
    }
}
