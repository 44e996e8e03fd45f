//! A provider that fails from the start: what needs no key of it is served, and it heals by itself.

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::{Request, TestGateway, Upstream};
use super::faults::{ELSEWHERE, Row, rows};
use super::{
    BACK_OFF, World, admitted, fetched_of, flood, key, outcome, source_of, token, unavailable,
    wait_for,
};

/// What clients get of an issuer that never had a key.
fn refuses(gateway: &TestGateway, row: &Row) {
    let name = row.fault.name;
    let request = Request::get(&format!("/{name}"));
    let refused = gateway.send(&request.clone().token(&token(name, "a")));
    let found = (refused.status, refused.reason());
    assert_eq!(found, unavailable(), "{name}");
    let after = refused.field("retry-after").unwrap_or_default();
    let after: u32 = after.parse().unwrap_or_default();
    assert!(after > 0, "{name}: {refused:?}");
    assert!(refused.field("www-authenticate").is_none(), "{name}");
    let statuses = flood(gateway, name, &token(name, "a"), 100);
    assert!(statuses.iter().all(|status| *status == 503), "{name}");
    let status = gateway.send(&request).status;
    assert_eq!(status, 401, "{name}: no token is no key's fault");
    assert!(row.provider.fetches(JWKS) <= 1, "{name}");
    assert_eq!(row.provider.fetches(ELSEWHERE), 0, "{name}");
}

/// What the operator reads.
fn are_named(gateway: &TestGateway, rows: &[Row]) {
    let mut left: Vec<&str> = rows.iter().map(|row| row.fault.name).collect();
    wait_until("each has failed", || {
        let metrics = gateway.admin("/metrics").text();
        left.retain(|name| fetched_of(&metrics, name, "failed") < 1.0);
        left.is_empty()
    });
    let report = gateway.admin("/keys").json();
    let ready = gateway.admin("/readyz").text();
    for row in rows {
        let name = row.fault.name;
        let source = source_of(&report, name);
        assert_eq!(source["state"], "never fetched", "{name}");
        let error = source["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(row.fault.says), "{name}: {error:?}");
        let issuer = format!("issuer {name}: ");
        let line = ready.lines().find(|line| line.contains(&issuer));
        let named = line.unwrap_or_default().contains(row.fault.says);
        assert!(named, "{name}: {line:?}");
    }
}

#[test]
fn a_provider_that_fails_at_the_start_takes_nothing_else_with_it() {
    let upstream = Upstream::start();
    let rows = rows();
    let healthy = Provider::start(&[key("a")]);
    let mut world = World::new().workers(2).jwks("healthy", &healthy);
    for row in &rows {
        (row.fault.cause)(&row.provider);
        world = world.jwks(row.fault.name, &row.provider);
    }
    let gateway = world.start(&upstream);
    assert_eq!(gateway.send(&Request::get("/open")).status, 200);
    assert_eq!(outcome(&gateway, "healthy", "a"), admitted());
    let ready = gateway.admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(!ready.text().contains("healthy"), "{}", ready.text());
    for row in &rows {
        refuses(&gateway, row);
    }
    are_named(&gateway, &rows);
    for row in &rows {
        row.provider.publish(&[key("a")]);
        row.provider.revive();
    }
    gateway.advance(BACK_OFF);
    for row in &rows {
        wait_for(&gateway, row.fault.name, "a");
        assert!(row.provider.fetches(JWKS) <= 2, "{}", row.fault.name);
    }
    let ready = gateway.admin("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text());
}
