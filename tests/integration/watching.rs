//! What an operator sees: probes, status, metrics; and that clients can neither hide it nor fill it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::harness::tokens::{claims_with, keys, mint_with};
use super::harness::{GatewayBuilder, Request, TestGateway, Upstream, alice, h2, mint};

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream)
        .route("/", "")
        .route("/open", "auth = \"none\"")
        .tls()
        .start()
}

/// The names and labels of all samples.
fn series(gateway: &TestGateway) -> BTreeSet<String> {
    let text = gateway.admin("/metrics").text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

/// Requests of every kind in which a client says something of its own making, `number` times over.
fn storm(gateway: &TestGateway, number: usize) {
    let key = &keys().stranger;
    let of = |claims: Value| mint_with(key, &format!("typ{number}"), &claims_with(claims));
    let subject = mint(&claims_with(json!({ "sub": format!("user-{number}") })));
    let requests = [
        Request::new(&format!("METHOD{number}"), "/open"),
        Request::new(&format!("METHOD{number}"), "/x"),
        Request::get("/open").field("Host", format!("host-{number}.test")),
        Request::get(&format!("/open/{number}?{number}")),
        Request::get("/x").token(&of(json!({ "iss": format!("https://{number}.test") }))),
        Request::get("/x").token(&of(json!({ "aud": number }))),
        Request::get("/x").token(&format!("a{number}.b.c")),
        Request::get("/x").token(&subject),
        Request::get("/open").field(&format!("X-{number}"), number.to_string()),
        Request::get("/open").field("X-Request-Id", number.to_string()),
    ];
    for request in &requests {
        gateway.send(request);
    }
    h2::send(gateway, &requests[number % requests.len()]);
}

#[test]
fn nothing_that_a_client_says_becomes_a_label() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    // Each kind once over both protocols: a series is shown from its first request on.
    for number in 0..10 {
        storm(&gateway, number);
    }
    let before = series(&gateway);
    for number in 10..60 {
        storm(&gateway, number);
    }
    let after = series(&gateway);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(before.iter().any(|name| name.contains("method=\"_OTHER\"")));
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    gateway.send(&Request::get("/open"));
    gateway.send(&Request::get("/x"));
    let text = gateway.admin("/metrics").text();
    let mut families: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(seen.insert(format!("# {name}")), "{name} has two types");
            families.push((name.to_owned(), kind.to_owned()));
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(
                !help.is_empty() && seen.insert(format!("? {name}")),
                "{name}"
            );
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(sample.to_owned()), "twice: {sample}");
            let name = sample.split('{').next().expect("a name");
            let (family, kind) = families.last().expect("a type before its samples");
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total", ""],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info", ""],
                _ => &[""],
            };
            let own = |suffix: &&str| format!("{family}{suffix}") == name;
            assert!(suffixes.iter().any(own), "{line} in {family}");
            if kind == "counter" {
                assert!(name.ends_with("_total"), "{name}");
            }
        }
    }
    for name in families.iter().map(|family| &family.0) {
        assert!(seen.contains(&format!("? {name}")), "{name} has no help");
        for unit in ["milliseconds", "minutes", "kilobytes", "percent"] {
            assert!(!name.contains(unit), "{name} is not in base units");
        }
    }
}

#[test]
fn readyz_lists_what_it_looked_at_and_status_what_is_in_force() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let ready = gateway.admin("/readyz?verbose").text();
    assert!(ready.contains("[+] serving: ok"), "{ready}");
    assert!(ready.contains("[+] keys of issuer corp: ok"), "{ready}");
    assert_eq!(gateway.admin("/livez").text(), "ok\n");

    let status = gateway.admin("/status").json();
    for (pointer, expected) in [
        ("/version", json!(env!("CARGO_PKG_VERSION"))),
        ("/generation", json!(1)),
        ("/issuers/0/name", json!("corp")),
        ("/issuers/0/keys/1/algorithms/0", json!("ES256")),
        ("/certificates/0/names/0", json!("localhost")),
        ("/last_reload", Value::Null),
        ("/draining", json!(false)),
    ] {
        assert_eq!(
            status.pointer(pointer),
            Some(&expected),
            "{pointer} in {status:#}"
        );
    }
    for pointer in [
        "/config/hash",
        "/issuers/0/keys/0/kid",
        "/issuers/0/keys/0/loaded",
        "/certificates/0/expires",
        "/started",
    ] {
        let value = status.pointer(pointer).and_then(Value::as_str);
        assert!(
            value.is_some_and(|text| !text.is_empty()),
            "{pointer} in {status:#}"
        );
    }
    assert!(gateway.reload().error.is_none());
    let status = gateway.admin("/status").json();
    assert!(status["last_reload"].is_object(), "{status:#}");
}

#[test]
fn the_operator_is_answered_while_the_workers_have_more_to_do_than_they_can() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = mint_with(&keys().rs256, "at+jwt", &claims_with(json!({})));
    let ended = AtomicBool::new(false);
    let looked = thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let mut connection = gateway.connect();
                while !ended.load(Ordering::Relaxed) {
                    connection.request(&Request::get("/x").token(&token));
                    connection.request(&Request::get("/x").token(&alice()));
                }
            });
        }
        let looked = (0..40)
            .flat_map(|_| ["/livez", "/readyz", "/status", "/metrics"])
            .filter(|path| gateway.admin(path).status == 200)
            .count();
        ended.store(true, Ordering::Relaxed);
        looked
    });
    assert_eq!(looked, 160);
}
