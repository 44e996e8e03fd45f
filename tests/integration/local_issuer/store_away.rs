//! A store that cannot be reached: nothing is admitted before the list of revocations is loaded.

use serde_json::json;

use super::builder;
use crate::harness::local::{
    LOCAL, Local, PASSWORD, admitted, error, form, local_issuer, outcome, present,
};
use crate::harness::process::wait_until;
use crate::harness::tokens::{claims_with, keys, mint_with};
use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream, alice};

/// A gateway whose PostgreSQL is not there: nothing listens on that port.
fn without_store(upstream: &Upstream, settings: &str) -> TestGateway {
    let store = format!("[store]\nurl = \"postgres://nobody:secret@127.0.0.1:1/none\"\n{settings}");
    let key = format!("encryption_key = \"{}\"", "k".repeat(32));
    builder(upstream)
        .section(&store)
        .section(&local_issuer(&key))
        .at(present())
        .start()
}

fn external() -> String {
    let changes = json!({ "iat": present() - 60, "exp": present() + 600 });
    mint_with(&keys().eddsa, "at+jwt", &claims_with(changes))
}

#[test]
fn without_the_list_no_token_is_admitted() {
    let upstream = Upstream::start();
    let gateway = without_store(&upstream, "");
    let reply = gateway.send(&Request::get("/api").token(&external()));
    assert_eq!(outcome(&reply), (503, "revocation_unavailable".to_owned()));
    assert_eq!(reply.all("retry-after"), ["5"], "{reply:?}");
    // Who has no token or a bad one is told that.
    let reply = gateway.send(&Request::get("/api"));
    assert_eq!(outcome(&reply), (401, "missing_token".to_owned()));
    let reply = gateway.send(&Request::get("/api").token("a.b.c"));
    assert_eq!(outcome(&reply), (401, "malformed".to_owned()));
    let reply = gateway.send(&Request::get("/open"));
    assert_eq!(outcome(&reply), admitted(), "no token is asked for");
    assert_eq!(upstream.requests().len(), 1);
    let ready = gateway.admin("/readyz?verbose");
    assert_eq!(ready.status, 503, "{ready:?}");
    for said in ["[-] revocations: ", "[!] store: ", "[!] local issuer: "] {
        assert!(ready.text().contains(said), "{said} {ready:?}");
    }
    let status = gateway.admin("/status").json();
    assert!(status["store"]["failure"].is_string(), "{status:#}");
    let local = &status["local_issuer"];
    assert!(local["signing_key"].is_null(), "{local:#}");
    assert!(local["problem"].is_string(), "{local:#}");
    assert_eq!(gateway.admin("/livez").status, 200);
}

#[test]
fn an_operator_may_choose_to_admit_without_the_list() {
    let upstream = Upstream::start();
    let gateway = without_store(&upstream, "fail = \"open\"");
    let reply = gateway.send(&Request::get("/api").token(&external()));
    assert_eq!(outcome(&reply), admitted());
    let ready = gateway.admin("/readyz?verbose");
    let told = ready.text().contains("[!] revocations");
    assert!(
        told,
        "it is degraded, and not for that not ready: {ready:?}"
    );
}

#[test]
fn the_issuer_says_that_it_cannot_and_nobody_learns_why() {
    let upstream = Upstream::start();
    let gateway = without_store(&upstream, "");
    let login = form(
        "/auth/login",
        &[("username", "alice"), ("password", PASSWORD)],
    );
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "prt_x"),
        ("client_id", "portcullis"),
    ];
    for request in [login, form("/auth/token", &refresh)] {
        let reply = gateway.send(&request);
        assert!(matches!(reply.status, 400 | 503), "{reply:?}");
        if reply.status == 503 {
            assert_eq!(error(&reply).1, "temporarily_unavailable", "{reply:?}");
            assert_eq!(reply.all("retry-after").len(), 1, "{reply:?}");
        }
        for inside in ["postgres", "127.0.0.1", "secret", "refused"] {
            assert!(!reply.text().contains(inside), "{reply:?}");
        }
    }
    let metadata = gateway.send(&Request::get(
        "/.well-known/oauth-authorization-server/auth",
    ));
    assert_eq!(metadata.json()["issuer"], LOCAL, "{metadata:?}");
}

/// What an operator sees of one that is well.
#[test]
fn the_state_of_the_issuer_is_told() {
    let upstream = Upstream::start();
    let local = super::with_alice(&upstream);
    let token = local.sign_in("alice").access;
    let ready = local.gateway.admin("/readyz?verbose").text();
    for said in ["[+] store: ok", "[+] local issuer: ok"] {
        assert!(ready.contains(said), "{said} {ready}");
    }
    let status = local.gateway.admin("/status").json();
    let expected = json!({
        "signing_key": crate::harness::local::kid(&token),
        "algorithm": "EdDSA",
        "problem": null,
        "passwords": 0,
    });
    assert_eq!(status["local_issuer"], expected);
    assert_eq!(status["store"], json!({ "failure": null }));
}

/// The command line opens nothing that is sealed: it has the keys that the gateway keeps beside it.
#[test]
fn a_token_is_inspected_with_the_keys_that_the_gateway_keeps() {
    let upstream = Upstream::start();
    let local = super::with_alice(&upstream);
    let token = local.sign_in("alice").access;
    let kept = local.gateway.directory().join("state/key-sets");
    let inspect = || local.command(&["token", "inspect", &token], "");
    let (good, shown, _) = inspect();
    assert!(good && shown.contains("accepted"), "{shown}");
    assert!(
        shown.contains("with the keys that a gateway fetched"),
        "{shown}"
    );
    let (_, listed, _) = local.command(&["keys", "list", "--offline"], "");
    assert!(listed.contains("from the store: kept"), "{listed}");
    assert!(
        listed.contains(&crate::harness::local::kid(&token)),
        "{listed}"
    );

    std::fs::remove_dir_all(kept).expect("removed");
    let (good, shown, _) = inspect();
    assert!(
        !good && shown.contains("refused: keys_unavailable"),
        "{shown}"
    );
    let told = "without the keys of the store: none are kept in ";
    assert!(
        shown.contains(told) && shown.contains("inspect it where a gateway runs"),
        "{shown}"
    );
}

/// No store is asked for where nothing needs one.
#[test]
fn without_a_store_nothing_waits() {
    let upstream = Upstream::start();
    let gateway = GatewayBuilder::new(&upstream).route("/api", "").start();
    let reply = gateway.send(&Request::get("/api").token(&alice()));
    assert_eq!(outcome(&reply), admitted());
    assert!(!gateway.directory().join("state/portcullis.db").exists());
    let status = gateway.admin("/status").json();
    assert!(status["store"].is_null() && status["local_issuer"].is_null());
}

/// As long as the store answers, the list is as young as the last look at it, however little changes.
#[test]
fn a_list_that_does_not_change_does_not_become_too_old() {
    let upstream = Upstream::start();
    let builder = builder(&upstream).section("[store]\nstale_for = \"10s\"");
    let local = Local::start(builder);
    local.user("alice");
    let tokens = local.sign_in("alice");
    assert_eq!(local.call(&tokens.access), admitted());
    local.gateway.advance(60);
    wait_until("the next look", || local.call(&tokens.access) == admitted());
}
