//! Sign in, call, refresh, list, end.

use serde_json::{Value, json};

use super::{builder, with_alice};
use crate::harness::h2;
use crate::harness::local::{
    Local, PASSWORD, Tokens, admitted, claim, claims_of, error, form, json_form, outcome,
    refreshing, revoked,
};
use crate::harness::{Connection, Reply, Request, Upstream};

const WORKERS: usize = 4;

fn bad_request(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

/// The caller's own sessions.
fn sessions(local: &Local, token: &str) -> Vec<Value> {
    let reply = local
        .gateway
        .send(&Request::get("/auth/sessions").token(token));
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    body["sessions"].as_array().expect("a list").clone()
}

fn ids(sessions: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = sessions
        .iter()
        .filter_map(|session| session["id"].as_str())
        .collect();
    ids.sort_unstable();
    ids
}

fn end(local: &Local, token: &str, session: &str) -> Reply {
    let target = format!("/auth/sessions/{session}");
    local
        .gateway
        .send(&Request::new("DELETE", &target).token(token))
}

#[test]
fn who_signs_in_has_a_token_that_the_api_admits_with_its_claims() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let by_form = form(
        "/auth/login",
        &[("username", "Alice"), ("password", PASSWORD)],
    );
    let by_json = json_form(
        "/auth/login",
        &json!({ "username": "alice", "password": PASSWORD, "scope": "read" }),
    );
    for (request, scope) in [(by_form, "read write"), (by_json, "read")] {
        let reply = local.gateway.send(&request);
        let body = reply.json();
        assert_eq!(reply.all("cache-control"), ["no-store"], "{reply:?}");
        assert_eq!(body["token_type"], "Bearer", "{body}");
        assert_eq!(body["expires_in"], 900, "{body}");
        assert_eq!(body["scope"], scope, "{body}");
        let tokens = Tokens::of(&reply);
        assert_eq!(body["session"].as_str(), Some(&*tokens.session), "{body}");
        let claims = claims_of(&tokens.access);
        assert_eq!(claims["client_id"], "portcullis", "{claims}");
        assert_eq!(claims["roles"], json!(["ops"]), "{claims}");
        assert_eq!(claims["scope"], scope, "{claims}");
        assert_eq!(claims["aud"], "api", "{claims}");
        assert_eq!(claims["iat"], local.gateway.now(), "{claims}");
        assert_eq!(local.call(&tokens.access), admitted());
        let seen = upstream.last();
        assert_eq!(seen.all("x-auth-scope"), [scope], "{seen:?}");
        assert_eq!(seen.all("x-auth-subject"), [claim(&tokens.access, "sub")]);
        assert!(seen.all("authorization").is_empty(), "{seen:?}");
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    local.user("bob");
    local.run(&["user", "disable", "bob"], "");
    let attempt = |name: &str, password: &str| {
        let values = [("username", name), ("password", password)];
        local.gateway.send(&form("/auth/login", &values))
    };
    let wrong = attempt("alice", "wrong");
    assert_eq!(error(&wrong), (401, "invalid_grant".to_owned()));
    let long = "x".repeat(1000);
    for (name, password) in [
        ("nobody", "wrong"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("alice", "x"),
        ("ali\u{301}ce", long.as_str()),
    ] {
        let reply = attempt(name, password);
        assert_eq!(reply.status, wrong.status, "{name}: {reply:?}");
        assert_eq!(reply.body, wrong.body, "{name}");
        let names = |reply: &Reply| -> Vec<String> {
            reply.fields.iter().map(|field| field.0.clone()).collect()
        };
        assert_eq!(names(&reply), names(&wrong), "{name}");
    }
}

#[test]
fn a_refresh_goes_on_and_a_reused_token_ends_it() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let first = local.sign_in("alice");
    let reply = local.refresh(&first);
    let second = Tokens::of(&reply);
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh, first.refresh);
    assert_ne!(claim(&second.access, "jti"), claim(&first.access, "jti"));
    // Another tab, at nearly the same time.
    let again = Tokens::of(&local.refresh(&first));
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(local.call(&first.access), admitted());
    let third = Tokens::of(&local.refresh(&second));
    assert_eq!(error(&local.refresh(&first)), bad_request("invalid_grant"));
    assert_eq!(error(&local.refresh(&third)), bad_request("invalid_grant"));
    for tokens in [&first, &second, &again, &third] {
        assert_eq!(local.call(&tokens.access), revoked());
    }
    assert!(local.run(&["audit"], "").contains("session.reused"));
}

#[test]
fn a_refresh_token_is_for_its_client_and_for_nothing_else() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let client = local.client("machine");
    let tokens = local.sign_in("alice");
    let values = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh.as_str()),
    ];
    let stolen = form("/auth/token", &values).field("Authorization", client);
    let stolen = local.gateway.send(&stolen);
    assert_eq!(error(&stolen), bad_request("invalid_grant"));
    let swapped = local.gateway.send(&refreshing(&tokens.access));
    assert_eq!(error(&swapped), bad_request("invalid_grant"));
    assert_eq!(local.call(&tokens.refresh), (401, "malformed".to_owned()));
}

#[test]
fn who_has_sessions_sees_their_own_and_ends_them() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    local.user("bob");
    let request = form(
        "/auth/login",
        &[("username", "alice"), ("password", PASSWORD)],
    );
    let request = request.field("User-Agent", "curl/8.0 (of the test)");
    let here = Tokens::of(&local.gateway.send(&request));
    let there = local.sign_in("alice");
    let other = local.sign_in("bob");
    let seen = sessions(&local, &here.access);
    let mut both = [&*here.session, &*there.session];
    both.sort_unstable();
    assert_eq!(ids(&seen), both, "{seen:?}");
    let own = seen.iter().find(|session| session["id"] == *here.session);
    let own = own.expect("it is there");
    assert!(
        own["device"].as_str().expect("a text").contains("curl/8.0"),
        "{own}"
    );
    assert_eq!(own["address"], "127.0.0.1", "{own}");
    for moment in ["created", "last_seen"] {
        assert!(!own[moment].is_null(), "{moment} in {own}");
    }
    // Another's is as one that is not there.
    let absent = "00000000-0000-7000-8000-000000000000";
    assert_eq!(end(&local, &here.access, &other.session).status, 404);
    assert_eq!(end(&local, &here.access, absent).status, 404);
    assert_eq!(local.call(&other.access), admitted());
    let ended = end(&local, &here.access, &there.session);
    assert!(matches!(ended.status, 200 | 204), "{ended:?}");
    assert_eq!(local.call(&there.access), revoked());
    assert_eq!(error(&local.refresh(&there)), bad_request("invalid_grant"));
    assert_eq!(ids(&sessions(&local, &here.access)), [&*here.session]);
}

#[test]
fn the_others_end_and_the_own_goes_on() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let new_password = "another horse, another staple";
    let end_others = Request::post("/auth/sessions/end-others", "");
    let password = json!({ "current": PASSWORD, "new": new_password });
    for request in [end_others, json_form("/auth/password", &password)] {
        let (here, there) = (local.sign_in("alice"), local.sign_in("alice"));
        let reply = local.gateway.send(&request.clone().token(&here.access));
        assert!(matches!(reply.status, 200 | 204), "{reply:?}");
        assert_eq!(local.call(&there.access), revoked(), "{}", request.target);
        assert_eq!(error(&local.refresh(&there)), bad_request("invalid_grant"));
        assert_eq!(local.call(&here.access), admitted());
        assert_eq!(local.refresh(&here).status, 200);
    }
    let old = [("username", "alice"), ("password", PASSWORD)];
    let old = local.gateway.send(&form("/auth/login", &old));
    assert_eq!(error(&old), (401, "invalid_grant".to_owned()));
    let new = [("username", "alice"), ("password", new_password)];
    Tokens::of(&local.gateway.send(&form("/auth/login", &new)));
}

#[test]
fn a_disabled_user_is_out() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let tokens = local.sign_in("alice");
    local.run(&["user", "disable", "alice"], "");
    assert_eq!(error(&local.refresh(&tokens)), bad_request("invalid_grant"));
    local.until_refused(&tokens.access);
}

/// On every worker, and on connections that were open before and had the token admitted.
#[test]
fn what_ended_is_refused_with_the_next_request_everywhere() {
    let upstream = Upstream::start();
    let local = Local::start(builder(&upstream).workers(WORKERS).tls());
    local.user("alice");
    let tokens = local.sign_in("alice");
    let call = Request::get("/api").token(&tokens.access);
    let mut kept: Vec<Connection> = (0..2 * WORKERS).map(|_| local.gateway.connect()).collect();
    let mut streams: Vec<h2::Session> = (0..2 * WORKERS)
        .map(|_| h2::Session::open(local.gateway.address()))
        .collect();
    for connection in &mut kept {
        assert_eq!(outcome(&connection.request(&call)), admitted());
    }
    for session in &mut streams {
        assert_eq!(outcome(&session.request(&call)), admitted());
    }
    let logout = Request::post("/auth/logout", "").token(&tokens.access);
    let reply = h2::send(&local.gateway, &logout);
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    for connection in &mut kept {
        assert_eq!(outcome(&connection.request(&call)), revoked());
    }
    for session in &mut streams {
        assert_eq!(outcome(&session.request(&call)), revoked());
    }
    assert_eq!(error(&local.refresh(&tokens)), bad_request("invalid_grant"));
}

#[test]
fn the_issuer_speaks_http_2() {
    let upstream = Upstream::start();
    let local = Local::start(builder(&upstream).tls());
    local.user("alice");
    let mut session = h2::Session::open(local.gateway.address());
    let login = form(
        "/auth/login",
        &[("username", "alice"), ("password", PASSWORD)],
    );
    let first = Tokens::of(&session.request(&login));
    let second = Tokens::of(&session.request(&refreshing(&first.refresh)));
    let reply = session.request(&Request::get("/api").token(&second.access));
    assert_eq!(outcome(&reply), admitted());
    let reply = session.request(&Request::get("/auth/jwks.json"));
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// What was ended stays ended when the gateway starts again, and who is signed in stays so.
#[test]
fn sessions_outlive_a_restart() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let (goes_on, ended) = (local.sign_in("alice"), local.sign_in("alice"));
    let logout = Request::post("/auth/logout", "").token(&ended.access);
    assert!(local.gateway.send(&logout).status < 300);
    let local = Local {
        gateway: local.gateway.restart(|_| {}),
    };
    assert_eq!(local.call(&ended.access), revoked(), "from the first on");
    assert_eq!(local.call(&goes_on.access), admitted());
    local.wait_until_ready();
    assert_eq!(local.refresh(&goes_on).status, 200);
    assert_eq!(error(&local.refresh(&ended)), bad_request("invalid_grant"));
}

#[test]
fn a_token_ends_by_itself() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let tokens = local.sign_in("alice");
    local.gateway.advance(15 * 60 + 31);
    assert_eq!(local.call(&tokens.access), (401, "expired".to_owned()));
}

/// Neither a password nor a token is in a log.
#[test]
fn the_access_log_says_that_the_issuer_was_asked_and_nothing_secret() {
    let upstream = Upstream::start();
    let local = with_alice(&upstream);
    let values = [("username", "alice"), ("password", PASSWORD)];
    let mut request = form("/auth/login", &values);
    request.target.push_str("?password=in-the-query");
    local.gateway.send(&request);
    let line = local
        .gateway
        .wait_for_line(|line| line["path"] == "/auth/login");
    assert_eq!(line["route"], "local_issuer", "{line}");
    let log = local.gateway.log_text();
    for secret in ["horse", "in-the-query", "eyJ", "prt_"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
