//! An external provider says that a user or a session is signed out (`OpenID` Connect Back-Channel Logout 1.0).

use serde_json::{Value, json};

use super::builder;
use crate::harness::local::{Local, admitted, form, present, revoked};
use crate::harness::tokens::{ISSUER, claims_with, keys, mint_with};
use crate::harness::{GatewayBuilder, Reply, Request, Upstream};

const PATH: &str = "/logout/corp";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn gateway(upstream: &Upstream) -> GatewayBuilder {
    let logout = format!("[issuers.logout]\npath = \"{PATH}\"\nclient_id = \"portcullis\"");
    builder(upstream).issuer(&logout)
}

/// The claims of a good logout token, changed: `null` takes a claim away.
fn logout_claims(jti: &str, changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "portcullis", "iat": present(), "exp": present() + 120, "jti": jti,
        "events": { EVENT: {} },
    });
    let (Value::Object(changes), Some(all)) = (changes, claims.as_object_mut()) else {
        panic!("changes are an object");
    };
    for (name, value) in changes {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    claims
}

fn post(local: &Local, token: &str) -> Reply {
    local.gateway.send(&form(PATH, &[("logout_token", token)]))
}

fn sign(claims: &Value) -> String {
    mint_with(&keys().eddsa, "logout+jwt", claims)
}

fn external(sub: &str, sid: &str) -> String {
    let changes = json!({
        "iat": present() - 60, "exp": present() + 600, "sub": sub, "sid": sid, "jti": format!("{sub}-{sid}"),
    });
    mint_with(&keys().es256, "at+jwt", &claims_with(changes))
}

#[test]
fn the_session_or_the_user_that_a_provider_names_is_out() {
    let upstream = Upstream::start();
    let local = Local::start(gateway(&upstream));
    let (one, two) = (external("alice", "1"), external("alice", "2"));
    let other = external("bob", "3");
    for token in [&one, &two, &other] {
        assert_eq!(local.call(token), admitted());
    }
    let reply = post(&local, &sign(&logout_claims("a", json!({ "sid": "1" }))));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.all("cache-control"), ["no-store"], "{reply:?}");
    assert_eq!(local.call(&one), revoked());
    assert_eq!(local.call(&two), admitted());
    let reply = post(
        &local,
        &sign(&logout_claims("b", json!({ "sub": "alice" }))),
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(local.call(&two), revoked());
    assert_eq!(local.call(&other), admitted());
}

#[test]
fn what_is_not_a_logout_token_is_refused_and_ends_nothing() {
    let upstream = Upstream::start();
    let local = Local::start(gateway(&upstream));
    let token = external("alice", "1");
    let good = |changes: Value| {
        let mut all = json!({ "sub": "alice" });
        for (name, value) in changes.as_object().expect("an object") {
            all[name] = value.clone();
        }
        all
    };
    let wrong = [
        json!({ "iss": "https://other.test" }),
        json!({ "aud": "api" }),
        json!({ "aud": null }),
        json!({ "iat": present() - 3600 }),
        json!({ "iat": present() + 3600 }),
        json!({ "iat": null }),
        json!({ "exp": present() - 3600 }),
        json!({ "jti": null }),
        json!({ "nonce": "n" }),
        json!({ "events": null }),
        json!({ "events": {} }),
        json!({ "events": [EVENT] }),
        json!({ "events": { EVENT: 1 } }),
        json!({ "events": { "https://other.test": {} } }),
        json!({ "sub": null }),
        json!({ "sub": 1 }),
        json!({ "sub": "" }),
    ];
    let mut requests: Vec<(String, String)> = wrong
        .iter()
        .enumerate()
        .map(|(number, changes)| {
            let claims = logout_claims(&format!("wrong-{number}"), good(changes.clone()));
            (changes.to_string(), sign(&claims))
        })
        .collect();
    let claims = logout_claims("other", json!({ "sub": "alice" }));
    let forged = mint_with(&keys().stranger, "logout+jwt", &claims);
    requests.push(("a key that corp has not".to_owned(), forged));
    let access = mint_with(&keys().eddsa, "at+jwt", &claims);
    requests.push(("typ at+jwt".to_owned(), access));
    requests.push(("an access token".to_owned(), token.clone()));
    requests.push(("junk".to_owned(), "junk".to_owned()));
    for (what, logout) in requests {
        let reply = post(&local, &logout);
        assert_eq!(reply.status, 400, "{what}: {reply:?}");
        assert_eq!(reply.json()["error"], "invalid_request", "{what}");
        assert_eq!(local.call(&token), admitted(), "{what}");
    }
}

#[test]
fn a_logout_token_is_good_once() {
    let upstream = Upstream::start();
    let local = Local::start(gateway(&upstream));
    let logout = sign(&logout_claims("once", json!({ "sub": "alice" })));
    assert_eq!(post(&local, &logout).status, 200);
    assert_eq!(post(&local, &logout).status, 400);
    // One that signed in later is not out by the old one.
    local.gateway.advance(5);
    let again = sign(&logout_claims("twice", json!({ "sub": "alice" })));
    assert_eq!(post(&local, &again).status, 200);
}

#[test]
fn the_path_takes_a_posted_form_and_nothing_else() {
    let upstream = Upstream::start();
    let local = Local::start(gateway(&upstream));
    let logout = sign(&logout_claims("a", json!({ "sub": "alice" })));
    let in_query = format!("{PATH}?logout_token={logout}");
    let get = local.gateway.send(&Request::get(&in_query));
    assert!(matches!(get.status, 400 | 405), "{get:?}");
    let bare = Request::post(PATH, format!("logout_token={logout}"));
    for request in [
        bare.clone(),
        bare.field("Content-Type", "text/plain"),
        form(PATH, &[]),
        form(
            PATH,
            &[("logout_token", &logout), ("logout_token", &logout)],
        ),
        form(&in_query, &[]),
    ] {
        let reply = local.gateway.send(&request);
        assert!(matches!(reply.status, 400 | 415), "{request:?}: {reply:?}");
    }
    assert_eq!(post(&local, &logout).status, 200, "it was still good");
}
