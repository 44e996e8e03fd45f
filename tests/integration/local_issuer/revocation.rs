//! Revocation by each name, of tokens of the local issuer and of an external one.

use serde_json::{Value, json};

use super::{builder, with_alice};
use crate::harness::Upstream;
use crate::harness::local::{Local, Tokens, admitted, claim, kid, present, revoked};
use crate::harness::process::wait_until;
use crate::harness::tokens::{claims_with, keys, mint_with};

/// A token of `corp`, by its key, with the names by which it can be revoked.
fn external(name: &str, iat: i64) -> String {
    let changes = json!({
        "iat": iat, "exp": present() + 600, "sub": name, "jti": format!("{name}-jti"),
        "sid": format!("{name}-sid"), "client_id": format!("{name}-client"),
    });
    let key = if name == "alice" {
        &keys().eddsa
    } else {
        &keys().es256
    };
    mint_with(key, "at+jwt", &claims_with(changes))
}

/// With the issuer's name.
fn of(issuer: &str, mut names: Value) -> Value {
    names["issuer"] = issuer.into();
    names
}

fn removed(mut names: Value) -> Value {
    names["remove"] = true.into();
    names
}

fn time(second: i64) -> String {
    let moment = jiff::Timestamp::from_second(second).expect("a moment");
    moment.to_string()
}

/// Each token is admitted, the first is refused from the answer on, and admitted again when it is taken back.
fn comes_and_goes(local: &Local, names: &Value, revoke: &str, others: &[&str]) {
    let all: Vec<&str> = others.iter().copied().chain([revoke]).collect();
    for token in &all {
        assert_eq!(local.call(token), admitted(), "before {names}");
    }
    let reply = local.revoke(names);
    assert_eq!(reply.status, 200, "{names}: {reply:?}");
    assert_eq!(local.call(revoke), revoked(), "{names}");
    for token in others {
        assert_eq!(local.call(token), admitted(), "{names}");
    }
    let reply = local.revoke(&removed(names.clone()));
    assert_eq!(reply.status, 200, "{names}: {reply:?}");
    for token in &all {
        assert_eq!(local.call(token), admitted(), "after {names}");
    }
}

#[test]
fn a_token_of_an_external_issuer_is_revoked_by_each_of_its_names() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let now = present();
    let (alice, bob) = (external("alice", now - 60), external("bob", now - 10));
    let own = local.sign_in("alice").access;
    for names in [
        json!({ "jti": "alice-jti" }),
        json!({ "sid": "alice-sid" }),
        json!({ "sub": "alice" }),
        json!({ "client": "alice-client" }),
        json!({ "kid": keys().eddsa.kid() }),
        json!({ "all": true, "before": time(now - 30) }),
        json!({ "sub": "alice", "before": time(now - 60) }),
    ] {
        comes_and_goes(&local, &of("corp", names), &alice, &[&bob, &own]);
    }
    let all = of("corp", json!({ "all": true }));
    comes_and_goes(&local, &all, &alice, &[&own]);
}

/// It would be told as revoked, and refuse nothing: `sub` is the id of a user.
#[test]
fn a_users_name_is_no_subject_of_the_local_issuer() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let alice = local.sign_in("alice").access;
    let reply = local.revoke(&of("local", json!({ "sub": "alice" })));
    assert_eq!(reply.status, 400, "{reply:?}");
    let id = claim(&alice, "sub");
    let told: Value = serde_json::from_slice(&reply.body).expect("a problem");
    assert_eq!(told["detail"], id);
    assert_eq!(local.call(&alice), admitted());
    // The tokens of a client have its id there.
    local.client("alice");
    let reply = local.revoke(&of("local", json!({ "sub": "alice" })));
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn a_token_of_the_local_issuer_is_revoked_by_each_of_its_names() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    local.user("bob");
    let client = local.client("machine");
    let alice = local.sign_in("alice").access;
    let bob = local.sign_in("bob").access;
    let machine = local.machine(&client);
    let corp = external("alice", present() - 60);
    let others = [bob.as_str(), machine.as_str(), corp.as_str()];
    for name in ["jti", "sid", "sub"] {
        let names = of("local", json!({ name: claim(&alice, name) }));
        comes_and_goes(&local, &names, &alice, &others);
    }
    let names = of("local", json!({ "client": "machine" }));
    comes_and_goes(&local, &names, &machine, &[&alice, &bob, &corp]);
    for names in [
        json!({ "kid": kid(&alice) }),
        json!({ "all": true, "before": "now" }),
    ] {
        comes_and_goes(&local, &of("local", names), &alice, &[&corp]);
    }
}

/// `before` refuses what was issued up to that second, and nothing that is issued later.
#[test]
fn before_now_ends_what_there_is_and_nothing_that_comes() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let old = local.sign_in("alice").access;
    let names = json!({ "issuer": "local", "sub": claim(&old, "sub"), "before": "now" });
    assert_eq!(local.revoke(&names).status, 200);
    assert_eq!(local.call(&old), revoked());
    // The gateway stands still, the store's clock does not.
    local.gateway.advance(5);
    let new = local.sign_in("alice").access;
    assert_eq!(local.call(&new), admitted());
    assert_eq!(local.call(&old), revoked());
}

#[test]
fn the_command_revokes_at_the_store_and_a_running_gateway_hears_of_it() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let tokens = local.sign_in("alice");
    let jti = claim(&tokens.access, "jti");
    let (done, _, said) = local.command(&["revoke", "--jti", &jti], "");
    assert!(
        !done && said.contains("corp, local"),
        "which issuer? {said}"
    );
    let corp = external("alice", present() - 60);
    for (issuer, jti, token) in [
        ("local", jti.as_str(), tokens.access.as_str()),
        ("corp", "alice-jti", corp.as_str()),
    ] {
        assert_eq!(local.call(token), admitted());
        let arguments = ["revoke", "--issuer", issuer, "--jti", jti];
        local.run(&arguments, "");
        local.until_refused(token);
        local.run(&[&arguments[..], &["--remove"]].concat(), "");
        wait_until("it is admitted again", || local.call(token) == admitted());
    }
    // The session goes on.
    Tokens::of(&local.refresh(&tokens));
}

#[test]
fn what_names_nothing_or_too_much_is_refused() {
    let upstream = Upstream::start();
    let local = Local::start(builder(&upstream));
    for wrong in [
        json!({}),
        json!({ "issuer": "local" }),
        json!({ "jti": "a" }),
        json!({ "issuer": "nobody", "jti": "a" }),
        json!({ "issuer": "local", "jti": "a", "sid": "b" }),
        json!({ "issuer": "local", "jti": 1 }),
        json!({ "issuer": "local", "jti": "" }),
        json!({ "issuer": "local", "all": false }),
        json!({ "issuer": "local", "all": "true" }),
        json!({ "issuer": "local", "sub": "a", "before": "yesterday" }),
        json!({ "issuer": "local", "sub": "a", "befor": "now" }),
    ] {
        let reply = local.revoke(&wrong);
        assert!(matches!(reply.status, 400 | 422), "{wrong}: {reply:?}");
    }
}
