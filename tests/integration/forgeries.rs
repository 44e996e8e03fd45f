//! A flood of forged tokens under a known key: who sends it is refused unseen, and everybody else is served.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::harness::process::wait_until;
use super::harness::tokens::{NOW, claims_with, keys};
use super::harness::{
    Connection, GatewayBuilder, Reply, Request, TestGateway, Upstream, alice, mint,
};

/// What a client may have checked at once, with a rate of 4.
const BURST: usize = 20;

fn gateway(upstream: &Upstream) -> GatewayBuilder {
    GatewayBuilder::new(upstream)
        .route("/", "")
        .limits("bad_signatures_per_client = 4")
}

/// A token that was signed, and never sent before.
fn fresh(number: usize) -> String {
    mint(&claims_with(json!({ "jti": format!("good-{number}") })))
}

/// One that only its signature tells from a good one.
fn forged(number: usize) -> String {
    let mut claims = claims_with(json!({ "jti": format!("forged-{number}") }));
    claims["sub"] = "root".into();
    let header = json!({ "alg": "EdDSA", "kid": keys().eddsa.kid() });
    let parts = [header.to_string(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    format!("{}.{}.{signature}", parts[0], parts[1])
}

fn asking(token: &str) -> Request {
    Request::get("/x").token(token)
}

/// The loopback address 127.0.0.`last`.
fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn from(gateway: &TestGateway, last: u8) -> Connection {
    Connection::open_from(local(last), gateway.address())
}

/// How the first of `count` forged tokens are refused until one is refused unseen; all after that must be as well.
fn looked_at(
    connection: &mut Connection,
    count: usize,
    dress: impl Fn(usize, Request) -> Request,
) -> usize {
    let reasons: Vec<String> = (0..count)
        .map(|number| connection.request(&dress(number, asking(&forged(number)))))
        .map(|reply| reply.reason())
        .collect();
    let (seen, unseen) =
        reasons.split_at(reasons.partition_point(|reason| reason == "bad_signature"));
    assert!(
        unseen.iter().all(|reason| reason == "too_many_bad_tokens"),
        "{unseen:?}"
    );
    seen.len()
}

fn assert_too_many(reply: &Reply) {
    assert_eq!(reply.status, 429);
    assert_eq!(reply.reason(), "too_many_bad_tokens");
    assert_eq!(reply.all("retry-after"), ["5"]);
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    assert_eq!(reply.all("content-type"), ["application/problem+json"]);
    assert_eq!(reply.field("www-authenticate"), None);
}

#[test]
fn a_flood_from_one_address_is_refused_and_the_others_are_served() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).start();
    let (mut forger, mut other) = (from(&gateway, 3), from(&gateway, 2));
    // Both sign in before it begins.
    assert_eq!(forger.request(&asking(&alice())).status, 200);
    assert_eq!(looked_at(&mut forger, 60, |_, request| request), BURST);

    let reply = forger.request(&asking(&forged(0)));
    assert_too_many(&reply);
    let line = gateway.log_of(&reply);
    assert_eq!(line["reason"], "too_many_bad_tokens");
    assert!(!line.to_string().contains("root"), "unverified: {line}");
    for number in 0..10 {
        assert_eq!(other.request(&asking(&fresh(number))).status, 200);
    }
    // From the forger's own address what was verified before passes, and what needs no check is answered as ever.
    assert_eq!(forger.request(&asking(&alice())).status, 200);
    assert_too_many(&forger.request(&asking(&fresh(100))));
    let expired = mint(&claims_with(json!({ "exp": NOW - 60 })));
    assert_eq!(forger.request(&asking(&expired)).reason(), "expired");
    let missing = forger.request(&Request::get("/x"));
    assert_eq!(missing.reason(), "missing_token");

    // The counter knows of no check that was not made: Alice, the ten, the burst.
    let checks = |result: &str| {
        let labels = format!("result=\"{result}\"");
        gateway.metric("portcullis_signature_checks_total", &labels)
    };
    wait_until("the checks are counted", || {
        checks("success") > 10.5 && checks("failure") > 19.5
    });
    assert!(checks("success") < 11.5 && checks("failure") < 20.5);

    gateway.advance(1);
    assert_eq!(looked_at(&mut forger, 10, |_, request| request), 4);
    gateway.advance(5);
    assert_eq!(forger.request(&asking(&fresh(101))).status, 200);
    assert_eq!(looked_at(&mut forger, 60, |_, request| request), BURST);
}

#[test]
fn behind_a_trusted_proxy_the_client_is_who_it_says() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream)
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .start();
    let mut proxy = gateway.connect();
    let on_behalf = |address: &str| {
        let address = address.to_owned();
        move |_: usize, request: Request| request.field("X-Forwarded-For", address.clone())
    };
    let forger = on_behalf("198.51.100.9, 192.0.2.1");
    assert_eq!(looked_at(&mut proxy, 40, &forger), BURST);
    assert_eq!(looked_at(&mut proxy, 1, on_behalf("192.0.2.1")), 0);
    // Another client, and the proxy on its own account, over the same connection.
    for (number, address) in [(0, "192.0.2.2"), (1, "198.51.100.9"), (2, "2001:db8::1")] {
        let request = on_behalf(address)(0, asking(&fresh(number)));
        assert_eq!(proxy.request(&request).status, 200, "{address}");
    }
    assert_eq!(proxy.request(&asking(&fresh(3))).status, 200);

    // Who is no proxy cannot pass for someone else each time.
    let mut pretender = from(&gateway, 3);
    let other_each_time = |number: usize, request: Request| {
        request.field("X-Forwarded-For", format!("203.0.113.{number}"))
    };
    assert_eq!(looked_at(&mut pretender, 40, other_each_time), BURST);
}

#[test]
fn an_ipv6_client_is_its_network() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream)
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .start();
    let mut proxy = gateway.connect();
    let another_each_time = |number: usize, request: Request| {
        request.field("X-Forwarded-For", format!("2001:db8::{number:x}"))
    };
    assert_eq!(looked_at(&mut proxy, 40, another_each_time), BURST);
    let next = asking(&fresh(0)).field("X-Forwarded-For", "2001:db8:0:1::1");
    assert_eq!(proxy.request(&next).status, 200);
}

#[test]
fn over_the_workers_limit_only_those_are_refused_that_failed_lately() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream)
        .limits("bad_signatures_per_worker = 10")
        .start();
    // One wrong token, as anyone may have one.
    let mut unlucky = from(&gateway, 9);
    assert_eq!(looked_at(&mut unlucky, 1, |_, request| request), 1);
    let mut seen = 0;
    for last in 10..30 {
        seen += looked_at(&mut from(&gateway, last), 5, |_, request| request);
    }
    // With the one before, the first two addresses make up the worker's ten; then each new one has its first.
    assert_eq!(seen, 9 + 18);
    let reply = unlucky.request(&asking(&fresh(0)));
    assert_eq!(reply.reason(), "too_many_bad_tokens");
    assert_eq!(from(&gateway, 2).request(&asking(&fresh(1))).status, 200);
    gateway.advance(1);
    assert_eq!(unlucky.request(&asking(&fresh(2))).status, 200);
}

#[test]
fn a_reload_changes_the_limits() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream).start();
    let mut forger = gateway.connect();
    assert_eq!(looked_at(&mut forger, 40, |_, request| request), BURST);
    let limit = |from: &'static str, to: &'static str| {
        gateway.change_config(|text| {
            let key = |value| format!("bad_signatures_per_client = {value}");
            text.replace(&key(from), &key(to))
        });
        gateway.reload();
    };
    limit("4", "\"off\"");
    assert_eq!(looked_at(&mut forger, 100, |_, request| request), 100);
    limit("\"off\"", "2");
    gateway.advance(100);
    assert_eq!(looked_at(&mut forger, 40, |_, request| request), 10);
}
