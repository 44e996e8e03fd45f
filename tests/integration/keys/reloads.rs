//! Reloads and remote keys: what changes in gateway.toml, and what is asked for.

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Part, Provider, ok, set_of};
use super::super::harness::{TestGateway, Upstream};
use super::{
    GAP, World, admitted, iss, key, outcome, token, unavailable, unknown, wait_for,
    wait_for_fetches,
};

fn reload(gateway: &TestGateway, from: &str, to: &str) {
    gateway.change_config(|text| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    });
    let report = gateway.reload();
    assert!(report.error.is_none(), "{report:?}");
}

#[test]
fn another_url_never_serves_the_keys_of_the_old_one() {
    let upstream = Upstream::start();
    let (old, new) = (Provider::start(&[key("a")]), Provider::start(&[key("b")]));
    new.kill();
    let gateway = World::new().jwks("corp", &old).start(&upstream);
    wait_for(&gateway, "corp", "a");
    reload(&gateway, &old.url(JWKS), &new.url(JWKS));
    assert_eq!(outcome(&gateway, "corp", "a"), unavailable());
    assert_eq!(gateway.admin("/readyz").status, 503);
    new.revive();
    gateway.advance(super::BACK_OFF);
    wait_for(&gateway, "corp", "b");
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    assert_eq!(old.fetches(JWKS), 1);
    // And back: fetched anew.
    old.publish(&[key("c")]);
    reload(&gateway, &new.url(JWKS), &old.url(JWKS));
    wait_for(&gateway, "corp", "c");
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
}

#[test]
fn another_iss_never_serves_the_keys_of_the_old_one() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.kill();
    reload(&gateway, &iss("corp"), &iss("new"));
    let token = token("new", "a");
    let now = super::outcome_of(&mut gateway.connect(), "corp", &token);
    assert_eq!(now, unavailable());
}

#[test]
fn a_reload_that_was_asked_for_refreshes_once_a_gap() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.publish(&[key("b")]);
    for _ in 0..10 {
        assert!(gateway.reload().error.is_none());
        assert_eq!(gateway.admin_post("/reload").status, 200);
    }
    assert_eq!(
        outcome(&gateway, "corp", "a"),
        admitted(),
        "it keeps its keys"
    );
    assert_eq!(provider.fetches(JWKS), 1, "within the gap");
    gateway.advance(GAP);
    wait_until("they asked for it", || provider.fetches(JWKS) == 2);
    wait_for(&gateway, "corp", "b");
    provider.publish(&[key("c")]);
    gateway.advance(GAP);
    assert_eq!(gateway.admin_post("/reload").status, 200);
    wait_for(&gateway, "corp", "c");
    provider.publish(&[key("d")]);
    gateway.advance(GAP);
    assert!(gateway.reload().error.is_none());
    wait_for(&gateway, "corp", "d");
    assert_eq!(provider.fetches(JWKS), 4);
}

#[test]
fn a_dry_run_fetches_nothing() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    gateway.advance(GAP);
    assert_eq!(gateway.admin_post("/reload?dry_run=true").status, 200);
    // What would follow is seen after something that certainly follows.
    provider.publish(&[key("b")]);
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
    wait_for(&gateway, "corp", "b");
    assert_eq!(provider.fetches(JWKS), 2);
}

#[test]
fn a_reload_during_a_fetch_that_hangs_waits_for_nothing_and_loses_nothing() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.serve(JWKS, vec![Part::Hold, ok("", &set_of(&[key("b")]))]);
    gateway.advance(super::INTERVAL);
    wait_until("the fetch hangs", || provider.held() == 1);
    reload(&gateway, "path = \"/open\"", "path = \"/opened\"");
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    assert_eq!((provider.held(), provider.fetches(JWKS)), (1, 2));
    provider.release();
    wait_for(&gateway, "corp", "b");
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    // The configuration that was read meanwhile is in force.
    let open = super::super::harness::Request::get("/opened");
    assert_eq!(gateway.send(&open).status, 200);
}

#[test]
fn what_an_old_url_answers_after_the_reload_is_no_key() {
    let upstream = Upstream::start();
    let (old, new) = (Provider::start(&[key("a")]), Provider::start(&[key("b")]));
    let gateway = World::new().jwks("corp", &old).start(&upstream);
    wait_for(&gateway, "corp", "a");
    old.serve(JWKS, vec![Part::Hold, ok("", &set_of(&[key("c")]))]);
    gateway.advance(super::INTERVAL);
    wait_until("the fetch hangs", || old.held() == 1);
    reload(&gateway, &old.url(JWKS), &new.url(JWKS));
    old.release();
    wait_for(&gateway, "corp", "b");
    wait_until("nothing is held", || old.held() == 0);
    gateway.advance(GAP);
    assert_eq!(outcome(&gateway, "corp", "c"), unknown());
    wait_until("the new one is asked", || new.fetches(JWKS) == 2);
    assert_eq!(outcome(&gateway, "corp", "c"), unknown());
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
}

#[test]
fn an_issuer_that_a_reload_brings_gets_its_keys_and_one_that_goes_is_left_alone() {
    let upstream = Upstream::start();
    let (first, second) = (Provider::start(&[key("a")]), Provider::start(&[key("b")]));
    let world = World::new().jwks("first", &first);
    let gateway = world.start(&upstream);
    wait_for(&gateway, "first", "a");
    let both = World::new()
        .jwks("first", &first)
        .jwks("second", &second)
        .text(&upstream);
    gateway.change_config(|_| both);
    assert!(gateway.reload().error.is_none());
    wait_for(&gateway, "second", "b");
    assert_eq!(outcome(&gateway, "first", "a"), admitted());
    let only = World::new().jwks("second", &second).text(&upstream);
    gateway.change_config(|_| only);
    assert!(gateway.reload().error.is_none());
    let fetches = first.fetches(JWKS);
    for turn in 2..=4_u8 {
        gateway.advance(super::INTERVAL);
        wait_for_fetches(&gateway, "second", "", f64::from(turn));
    }
    assert!(
        first.fetches(JWKS) <= fetches + 1,
        "nobody asks it any more"
    );
    assert_eq!(outcome(&gateway, "second", "b"), admitted());
}

#[test]
fn another_interval_counts_from_the_reload_on() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    reload(&gateway, "interval = \"300s\"", "interval = \"60s\"");
    gateway.advance(60);
    wait_until("a refresh", || provider.fetches(JWKS) >= 2);
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
}
