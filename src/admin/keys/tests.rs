use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::routes::tests::{ask, state_of};
use crate::config::Keys;
use crate::jwt::Algorithm;
use crate::keys::{KeyRequest, KeyRequester, KeyRequests, KeySourceStatuses, SourceState};
use crate::metrics::{KeyInForce, WorkerId};
use crate::reload::testing::{config, issuer, issuer_with_keys, snapshot};
use crate::snapshot::name_of;

use super::*;

/// When the state of the tests says that it is.
const NOW: i64 = 1_700_000_090;

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(NOW + seconds)
}

/// A source that fails, and was last tried two seconds ago.
fn failing(issuer: &str) -> SourceStatus {
    SourceStatus {
        issuer: issuer.into(),
        kind: "discovery",
        source: "https://login.example/metadata".into(),
        url: "https://login.example/keys".into(),
        state: SourceState::Stale,
        last_attempt: Some(at(-2)),
        last_success: Some(at(-600)),
        next_attempt: Some(at(8)),
        serves_until: Some(at(3000)),
        last_error: Some("https://login.example/keys: connection refused".into()),
        failures: 3,
        fetches: 5,
        keys: 2,
        warnings: vec![SourceWarning {
            text: "the sets alternate".into(),
            since: at(-60),
        }],
        unknown_kids: vec!["k9".into()],
    }
}

/// `corp` with the keys `a` and `b` and a remote source; `local` without either.
fn state() -> (AdminState, KeyRequests) {
    let mut config = config();
    let keys = || Keys::Generate(Algorithm::EdDsa);
    config.issuers = vec![issuer("corp", keys()), issuer("local", keys())];
    let mut snapshot = snapshot(1, config);
    snapshot.issuers = vec![
        issuer_with_keys("corp", &["a", "b"]),
        issuer_with_keys("local", &[]),
    ];
    let metrics = crate::metrics::Metrics::new(1, &[]);
    let (requester, requests) = KeyRequester::channel(metrics.keys("corp"));
    snapshot.key_requesters = vec![Some(requester), None];
    let mut state = state_of(snapshot, 0);
    state.key_sources = Arc::new(KeySourceStatuses::of_test(vec![failing("corp")]));
    (state, requests)
}

/// The keys of `corp` with these names are in force from that second on.
fn publish(state: &AdminState, kids: &[&str], second: i64) {
    let issuer = issuer_with_keys("corp", kids);
    let keys = issuer.keys.iter().map(|key| KeyInForce {
        name: name_of(key),
        algorithms: ["HS256"].into(),
        source: Some("https://login.example/keys".into()),
        first_seen: NOW - 1000,
    });
    let uses = state.metrics.key_uses();
    uses.publish(&[("corp", keys.collect())], NOW + second);
}

fn time(second: i64) -> Value {
    at(second).to_string().into()
}

#[tokio::test]
async fn the_report_says_of_each_key_what_became_of_its_tokens() {
    let (state, _requests) = state();
    publish(&state, &["a", "b", "c"], -80);
    let issuer = issuer_with_keys("corp", &["a", "c"]);
    let uses = state
        .metrics
        .key_uses()
        .of("corp", issuer.keys.iter().map(name_of));
    let tally = |key: usize| uses.in_force[key].tally(WorkerId(0)).unwrap();
    tally(0).verified(Some(NOW + 500), Some(600));
    tally(0).accepted(NOW - 5);
    tally(1).presented(NOW - 4);
    publish(&state, &["a", "b"], -50);
    let seen = ask(&state, "GET", "/keys", "").await.json();
    assert_eq!(seen["observed_since"], "2023-11-14T22:13:20Z");
    let corp = &seen["issuers"][0];
    assert_eq!(corp["name"], "corp");
    assert_eq!(corp["issuer"], "https://issuer.example");
    let expected = json!({
        "kid": "a",
        "thumbprint": corp["keys"][0]["thumbprint"],
        "algorithms": ["HS256"],
        "source": "https://login.example/keys",
        "in_force": true,
        "first_seen": time(-1000),
        "last_seen": time(0),
        "observed_since": time(-80),
        "tokens": 1,
        "last_token": time(-5),
        "newest_expiry": time(500),
        "presented_after_removal": 0,
        "last_presented": null,
        "verdict": format!("in use until {}", at(530)),
        "verdict_code": "in_use",
    });
    assert_eq!(corp["keys"][0], expected);
    assert_eq!(corp["keys"][0]["thumbprint"].as_str().unwrap().len(), 43);
    assert_eq!(corp["keys"][1]["verdict"], "new and never used");
    let gone = &corp["keys"][2];
    let verdict = format!("gone, still presented (once, at {})", at(-4));
    assert_eq!(
        (&gone["kid"], &gone["verdict"]),
        (&json!("c"), &json!(verdict))
    );
    assert_eq!(
        (&gone["in_force"], &gone["last_seen"]),
        (&json!(false), &time(-50))
    );
    let local = &seen["issuers"][1];
    assert_eq!(
        (&local["keys"], &local["sources"]),
        (&json!([]), &json!([]))
    );
    // The same in the status, beside what it had before.
    let status = ask(&state, "GET", "/status", "").await.json();
    let status = &status["issuers"][0];
    assert_eq!(
        (&status["key_report"], &status["sources"]),
        (&corp["keys"], &corp["sources"])
    );
    assert_eq!(status["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_report_says_how_each_source_is() {
    let (state, _requests) = state();
    let seen = ask(&state, "GET", "/keys", "").await.json();
    let expected = json!([{
        "issuer": "corp",
        "kind": "discovery",
        "source": "https://login.example/metadata",
        "url": "https://login.example/keys",
        "state": "stale",
        "keys": 2,
        "last_attempt": time(-2),
        "last_success": time(-600),
        "next_attempt": time(8),
        "serves_until": time(3000),
        "last_error": "https://login.example/keys: connection refused",
        "failures": 3,
        "fetches": 5,
        "warnings": [{ "text": "the sets alternate", "since": time(-60) }],
        "unknown_kids": ["k9"],
    }]);
    assert_eq!(seen["issuers"][0]["sources"], expected);
}

#[tokio::test]
async fn a_refresh_says_who_is_asked_and_when() {
    let (state, mut requests) = state();
    let expected = json!({
        "issuers": ["corp"],
        "sources": [{
            "issuer": "corp",
            "source": "https://login.example/metadata",
            "fetched_at": time(8),
        }],
    });
    for body in ["", "{}", "{\"issuer\": \"corp\"}", "{\"issuer\": null}"] {
        let seen = ask(&state, "POST", "/keys/refresh", body).await;
        assert_eq!(
            (seen.status, seen.json()),
            (200, expected.clone()),
            "{body}"
        );
        assert_eq!(requests.try_next(), Some(KeyRequest::Refresh));
        assert_eq!(requests.try_next(), None);
    }
    for (body, status, detail) in [
        (
            "{\"issuer\": \"x\"}",
            404,
            json!("no issuer is named \"x\""),
        ),
        (
            "{\"issuer\": \"local\"}",
            422,
            json!("the keys of issuer \"local\" are not fetched: a reload reads them again"),
        ),
        ("{\"issuers\": \"corp\"}", 400, Value::Null),
        ("{\"issuer\": 1}", 400, Value::Null),
        ("[\"corp\"]", 400, Value::Null),
        ("corp", 400, Value::Null),
    ] {
        let seen = ask(&state, "POST", "/keys/refresh", body).await;
        assert_eq!(
            (seen.status, &seen.json()["detail"]),
            (status, &detail),
            "{body}"
        );
        assert_eq!(requests.try_next(), None);
    }
}

#[tokio::test]
async fn what_is_asked_for_is_fetched_when_the_gap_is_over_or_it_is_due() {
    let (mut state, _requests) = state();
    let gap = Duration::from_secs(10);
    for (last, next, expected) in [
        (None, None, 0),
        (Some(-9), None, 1),
        (Some(-10), None, 0),
        (Some(-1000), Some(60), 0),
        (Some(-2), Some(60), 8),
        // It is due sooner, or overdue.
        (Some(-2), Some(3), 3),
        (Some(-2), Some(-1), 0),
    ] {
        let mut status = failing("corp");
        status.last_attempt = last.map(at);
        status.next_attempt = next.map(at);
        state.key_sources = Arc::new(KeySourceStatuses::of_test(vec![status]));
        let snapshot = state.shared.snapshot.load();
        let mut issuer = snapshot.config.issuers[0].clone();
        issuer.refresh.unknown_kid_gap = gap;
        let found = sources(&state, &issuer);
        assert_eq!(found[0].fetched_at, at(expected).to_string(), "{last:?}");
    }
}

#[tokio::test]
async fn readyz_says_why_there_is_no_key_and_when_there_may_be_one() {
    let (mut state, _requests) = state();
    state.key_sources = Arc::new(KeySourceStatuses::of_test(vec![failing("local")]));
    let seen = ask(&state, "GET", "/readyz", "").await;
    assert_eq!(seen.status, 503);
    let expected = "[-] keys of issuer local: no usable key: https://login.example/keys: connection refused \
                    (next attempt in 8 s)\nnot ready\n";
    assert_eq!(seen.body, expected);
}

#[test]
fn each_source_has_its_own_reason() {
    let now = at(0);
    let mut first = failing("corp");
    first.last_error = Some("a\nb".into());
    first.next_attempt = Some(at(-3));
    let mut second = failing("corp");
    second.last_error = None;
    second.next_attempt = None;
    let mut third = second.clone();
    third.last_attempt = None;
    assert_eq!(no_usable_key(&[], now), "no usable key");
    assert_eq!(
        no_usable_key(&[first, second, third], now),
        "no usable key: a b (next attempt in 0 s); being fetched; not fetched yet"
    );
}
