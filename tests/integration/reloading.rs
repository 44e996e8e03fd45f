//! Keys and configuration change while requests run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::harness::tokens::{claims, jwk_set, keys, mint_with};
use super::harness::{Connection, GatewayBuilder, Request, TestGateway, Upstream, alice};

fn gateway(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::new(upstream).route("/api", "").start()
}

/// The key set with the key that was a stranger's, and without the others.
fn other_keys() -> String {
    json!({ "keys": [keys().stranger.public_jwk()] }).to_string()
}

#[test]
fn a_replaced_key_file_takes_effect() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let strangers = mint_with(&keys().stranger, "at+jwt", &claims());
    let status = |token: &str| gateway.send(&Request::get("/api").token(token)).status;
    assert_eq!((status(&alice()), status(&strangers)), (200, 401));
    gateway.replace_keys(&other_keys());
    let report = gateway.reload();
    // The watcher may have been faster.
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!((status(&alice()), status(&strangers)), (401, 200));
}

#[test]
fn a_broken_key_file_keeps_what_is_in_force() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let before = gateway.reload().generation;
    for broken in ["", "{", "{\"keys\": 1}", "not JSON"] {
        gateway.replace_keys(broken);
        let report = gateway.reload();
        assert!(
            !report.applied && report.error.is_some(),
            "{broken:?}: {report:?}"
        );
        assert_eq!(report.generation, before);
        assert_eq!(
            gateway.send(&Request::get("/api").token(&alice())).status,
            200
        );
    }
}

#[test]
fn no_request_fails_because_of_a_reload() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let with_both = {
        let mut set: serde_json::Value = serde_json::from_str(&jwk_set()).expect("JSON");
        let all = set["keys"].as_array_mut().expect("keys");
        all.extend(keys().stranger.public_jwk());
        set.to_string()
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let token = alice();
                let mut connection = Connection::open(gateway.address());
                while !done.load(Ordering::Relaxed) {
                    let reply = connection.request(&Request::post("/api/echo", "x").token(&token));
                    assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
                }
            });
        }
        for turn in 0..20 {
            gateway.replace_keys(if turn % 2 == 0 { &with_both } else { "{" });
            gateway.reload();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn no_request_fails_because_upstreams_routes_and_limits_change() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::bare()
        .upstream("main", &upstream.url(), "max_idle = 64")
        .route("/api", "")
        .route("/more", "auth = \"none\"")
        .limits("streams = 100")
        .tls()
        .start();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let token = alice();
                let mut connection = gateway.connect();
                while !done.load(Ordering::Relaxed) {
                    // Nothing that could be sent a second time.
                    let reply = connection.request(&Request::post("/api/echo", "x").token(&token));
                    assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
                }
            });
        }
        for turn in 0..30 {
            gateway.change_config(|text| {
                let idle = text.replace("max_idle = 64", "max_idle = 65");
                let text = if idle == text {
                    text.replace("max_idle = 65", "max_idle = 64")
                } else {
                    idle
                };
                text.replace("/more", &format!("/more{turn}"))
                    .replace("streams = 100", "streams = 101")
            });
            let report = gateway.reload();
            assert!(report.error.is_none(), "{report:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(status(&gateway)["generation"].as_u64() > Some(30));
}

/// What `/status` says.
pub(crate) fn status(gateway: &TestGateway) -> serde_json::Value {
    let address = gateway.admin_address().expect("an admin listener");
    let request = Request::get("/status").field("Host", address.to_string());
    Connection::open(address).request(&request).json()
}
