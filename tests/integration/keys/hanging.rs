//! While a fetch hangs nobody waits for it.

use std::thread;

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Part, Provider, ok, set_of};
use super::super::harness::{Connection, Upstream};
use super::{INTERVAL, World, admitted, flood, key, outcome, token, unknown, wait_for};

#[test]
fn while_a_fetch_hangs_every_worker_answers_and_no_second_one_begins() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new()
        .workers(2)
        .jwks("corp", &provider)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    let both = set_of(&[key("a"), key("b")]);
    provider.serve(JWKS, vec![Part::Hold, ok("", &both)]);
    gateway.advance(INTERVAL);
    wait_until("the fetch hangs", || provider.held() == 1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let known = flood(&gateway, "corp", &token("corp", "a"), 100);
                assert!(known.iter().all(|status| *status == 200));
                let unknown = flood(&gateway, "corp", &token("corp", "b"), 100);
                assert!(unknown.iter().all(|status| *status == 401));
            });
        }
    });
    // All of that went through while the provider still held the one answer.
    assert_eq!((provider.held(), provider.fetches(JWKS)), (1, 2));
    provider.release();
    wait_for(&gateway, "corp", "b");
    assert_eq!(provider.fetches(JWKS), 2);
}

#[test]
fn a_fetch_that_hangs_is_given_up_and_the_next_one_succeeds() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    let connections = provider.connections();
    provider.serve(JWKS, vec![Part::Hold]);
    gateway.advance(INTERVAL);
    wait_until("the fetch hangs", || provider.held() == 1);
    wait_until("it is given up", || provider.held() == 0);
    assert_eq!(outcome(&gateway, "corp", "b"), unknown());
    provider.publish(&[key("a"), key("b")]);
    gateway.advance(2);
    wait_for(&gateway, "corp", "b");
    // The connection that hung is not used again.
    assert!(provider.connections() > connections);
}

#[test]
fn a_gateway_with_a_hanging_fetch_drains_at_once() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    provider.serve(JWKS, vec![Part::Hold]);
    gateway.advance(INTERVAL);
    wait_until("the fetch hangs", || provider.held() == 1);
    let mut connection = Connection::open(gateway.address());
    assert_eq!(
        super::outcome_of(&mut connection, "corp", &token("corp", "a")),
        admitted()
    );
    drop(connection);
    assert!(gateway.stop());
    wait_until("the fetch has ended with it", || provider.held() == 0);
}
