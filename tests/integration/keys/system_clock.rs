//! A process of its own on the system's clock: nobody moves the time.

use rustix::process::Signal;
use serde_json::json;

use super::super::harness::process::{Launch, Process, wait_until};
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::tokens::mint_with;
use super::super::harness::{Request, Upstream};
use super::{World, iss, key};

/// A token that is good now.
fn request(kid: &str) -> Request {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": iss("corp"), "aud": "api", "sub": "alice", "iat": now - 60, "exp": now + 600,
    });
    Request::get("/corp").token(&mint_with(key(kid), "at+jwt", &claims))
}

#[test]
fn keys_rotate_by_themselves_and_no_faster_than_the_gap() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let keys = format!("{{ jwks_url = {:?} }}", provider.url(JWKS));
    let refresh =
        "[issuers.refresh]\ninterval = \"1h\"\nunknown_kid_gap = \"2s\"\nstale_for = \"2h\"\n";
    let text = World::new()
        .workers(2)
        .issuer_with("corp", &iss("corp"), &keys, refresh)
        .text(&upstream);
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = Process::start(&text, directory, Launch::default());
    let status = |kid: &str| gateway.send(&request(kid)).status;
    wait_until("a", || status("a") == 200);
    // Nobody has the key for a while; then the provider has it.
    wait_until("fetches for nothing", || {
        assert_eq!(status("b"), 401);
        provider.fetches(JWKS) == 2
    });
    provider.publish(&[key("a"), key("b")]);
    wait_until("b", || status("b") == 200);
    assert_eq!(provider.fetches(JWKS), 3);
    // A reload asks as well, and waits for the gap as well.
    provider.publish(&[key("b"), key("c")]);
    gateway.signal(Signal::HUP);
    wait_until("the fetch of the reload", || provider.fetches(JWKS) == 4);
    wait_until("c", || status("c") == 200);
    assert_eq!(status("a"), 401);
    let asked = provider.asked(JWKS);
    for pair in asked.windows(2) {
        let between = pair[1].at - pair[0].at;
        // Between two requests, not between two beginnings: a busy machine brings them a little closer together.
        assert!(between.as_millis() > 1000, "{between:?}");
    }
}
