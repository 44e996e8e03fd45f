//! The key report over a rotation: who may go, and who is still asked for.

use serde_json::{Value, json};

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::tokens::mint_with;
use super::super::harness::{Reply, Request, TestGateway, Upstream};
use super::{GAP, World, admitted, iss, key, outcome_of, unknown, wait_for, wait_for_fetches};

/// The issuer's longest lifetime, in seconds.
const LIFETIME: i64 = 3600;

/// How long the tokens of this test live.
const SHORT: i64 = 600;

/// A token that is good from now on.
fn fresh(gateway: &TestGateway, kid: &str) -> String {
    let now = gateway.now();
    let claims = json!({
        "iss": iss("corp"), "aud": "api", "sub": "alice", "iat": now, "exp": now + SHORT,
    });
    mint_with(key(kid), "at+jwt", &claims)
}

fn use_key(gateway: &TestGateway, kid: &str) -> (u16, String) {
    outcome_of(&mut gateway.connect(), "corp", &fresh(gateway, kid))
}

/// What is said of a key.
fn row(gateway: &TestGateway, kid: &str) -> Value {
    let report = gateway.admin("/keys").json();
    let keys = report["issuers"][0]["keys"].as_array().expect("a list");
    let found = keys.iter().find(|key| key["kid"] == kid);
    found.unwrap_or_else(|| panic!("{kid} in {report}")).clone()
}

fn verdict(gateway: &TestGateway, kid: &str) -> String {
    let verdict = row(gateway, kid)["verdict_code"].clone();
    verdict.as_str().expect("a verdict").to_owned()
}

fn start(upstream: &Upstream, provider: &Provider) -> TestGateway {
    let keys = format!("{{ jwks_url = {:?} }}", provider.url(JWKS));
    let settings = "max_lifetime = \"1h\"\nleeway = \"0s\"\n";
    World::new()
        .issuer_with("corp", &iss("corp"), &keys, settings)
        .start(upstream)
}

#[test]
fn verdicts_over_a_rotation() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = start(&upstream, &provider);
    wait_for_fetches(&gateway, "corp", "new", 1.0);
    assert_eq!(verdict(&gateway, "a"), "new");
    for _ in 0..3 {
        assert_eq!(use_key(&gateway, "a"), admitted());
    }
    let a = row(&gateway, "a");
    assert_eq!(a["tokens"], 3);
    assert_eq!(a["verdict_code"], "in_use");
    let end = jiff::Timestamp::from_second(gateway.now() + SHORT).expect("a time");
    assert_eq!(a["verdict"], format!("in use until {end}"));
    assert_eq!(a["source"], provider.url(JWKS));
    assert_eq!(verdict(&gateway, "b"), "new");
    gateway.advance(SHORT + 1);
    assert_eq!(verdict(&gateway, "a"), "idle", "observed for ten minutes");
    assert_eq!(use_key(&gateway, "b"), admitted());
    gateway.advance(LIFETIME);
    assert_eq!(verdict(&gateway, "a"), "safe_to_retire");
    let counted = gateway.metric("portcullis_key_tokens_total", "kid=\"a\"");
    assert!((counted - 3.0).abs() < 0.5, "{counted}");
    // It goes; and then somebody still has a token of it.
    provider.publish(&[key("b"), key("c")]);
    gateway.advance(super::INTERVAL);
    wait_until("a is gone", || verdict(&gateway, "a") == "gone");
    assert_eq!(row(&gateway, "a")["in_force"], false);
    assert_eq!(verdict(&gateway, "c"), "new");
    assert_eq!(use_key(&gateway, "a"), unknown());
    assert_eq!(use_key(&gateway, "a"), unknown());
    let a = row(&gateway, "a");
    assert_eq!(a["presented_after_removal"], 2, "{a}");
    assert_eq!(a["verdict_code"], "still_presented");
    gateway.advance(LIFETIME + 1);
    assert_eq!(
        verdict(&gateway, "a"),
        "gone",
        "nobody for a whole lifetime"
    );
    // The same rows where everything else is.
    let status = gateway.admin("/status").json();
    let report = gateway.admin("/keys").json();
    let (of_status, of_report) = (&status["issuers"][0], &report["issuers"][0]);
    let kids = |of: &Value| -> Vec<String> {
        let keys = of["keys"].as_array().expect("a list").iter();
        keys.map(|key| key["kid"].to_string()).collect()
    };
    for kid in kids(of_status) {
        assert!(kids(of_report).contains(&kid), "{kid}");
    }
    assert_eq!(of_status["sources"], of_report["sources"]);
}

#[test]
fn what_came_before_a_restart_is_not_known_and_not_called_safe() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = start(&upstream, &provider);
    wait_for_fetches(&gateway, "corp", "new", 1.0);
    assert_eq!(use_key(&gateway, "a"), admitted());
    gateway.advance(60);
    let gateway = gateway.restart(|_| {});
    assert_eq!(verdict(&gateway, "a"), "new", "nothing of it was seen");
    let a = row(&gateway, "a");
    let first: jiff::Timestamp = a["first_seen"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("one");
    assert_eq!(first.as_second(), gateway.now() - 60, "it was kept");
    gateway.advance(LIFETIME / 2);
    assert_ne!(verdict(&gateway, "a"), "safe_to_retire");
}

fn refresh(gateway: &TestGateway, body: &str) -> Reply {
    let address = gateway.admin_address().expect("an admin listener");
    let request = Request::post("/keys/refresh", body)
        .field("Host", "localhost")
        .field("Content-Type", "application/json");
    super::Connection::open(address).unchecked(&request)
}

#[test]
fn an_operator_can_ask_for_newer_keys() {
    let upstream = Upstream::start();
    let (corp, other) = (Provider::start(&[key("a")]), Provider::start(&[key("a")]));
    let gateway = World::new()
        .jwks("corp", &corp)
        .jwks("other", &other)
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    wait_for(&gateway, "other", "a");
    corp.publish(&[key("b")]);
    for _ in 0..20 {
        assert_eq!(refresh(&gateway, "{\"issuer\": \"corp\"}").status, 200);
    }
    assert_eq!(corp.fetches(JWKS), 1, "within the gap");
    gateway.advance(GAP);
    wait_for(&gateway, "corp", "b");
    assert_eq!((corp.fetches(JWKS), other.fetches(JWKS)), (2, 1));
    corp.publish(&[key("c")]);
    other.publish(&[key("c")]);
    gateway.advance(GAP);
    assert_eq!(refresh(&gateway, "").status, 200);
    wait_for(&gateway, "corp", "c");
    wait_for(&gateway, "other", "c");
    assert_eq!(refresh(&gateway, "{\"issuer\": \"nobody\"}").status, 404);
    assert_eq!(refresh(&gateway, "nonsense").status, 400);
}
