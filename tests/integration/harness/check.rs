//! What holds for every answer a client gets, whatever the test is about.

use serde_json::Value;

use super::Reply;
use super::local::ACCESS_COOKIE;
use super::upstream::MARK;

/// Looks for fields that may not be in an answer, and at the form of refusals.
pub(super) fn check(reply: &Reply) {
    for (name, _) in reply.fields.iter().chain(&reply.trailers) {
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        let leaked = name == "authorization"
            || name == "forwarded"
            || name == "x-real-ip"
            || name.starts_with("x-forwarded-")
            || name.starts_with("x-auth-");
        assert!(!leaked, "{name} in an answer: {reply:?}");
    }
    for (name, value) in &reply.fields {
        let is_cookie = name.eq_ignore_ascii_case("set-cookie")
            && value.starts_with(&format!("{ACCESS_COOKIE}="));
        assert!(
            is_cookie || !value.contains("eyJ"),
            "{name} holds a token: {reply:?}"
        );
    }
    let of_upstream = reply.field(MARK).is_some();
    if reply.status >= 400 && !of_upstream {
        if reply.field("content-type").is_none() {
            check_bare(reply);
        } else if reply.field("content-type") == Some("application/json") {
            check_error(reply);
        } else {
            check_refusal(reply);
        }
    }
}

/// An error of the local issuer (RFC 6749 §5.2): its code, and what it means, in plain ASCII; never cached.
fn check_error(reply: &Reply) {
    assert_eq!(reply.all("cache-control"), ["no-store"], "{reply:?}");
    if reply.is_head {
        return;
    }
    let document = reply.json();
    let members = document.as_object().expect("an object");
    for (name, value) in members {
        assert!(
            ["error", "error_description"].contains(&name.as_str()),
            "{reply:?}"
        );
        let text = value.as_str().expect("a text");
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        assert!(!text.is_empty() && text.bytes().all(plain), "{reply:?}");
    }
    assert!(members.contains_key("error"), "{reply:?}");
}

/// What was answered before there was a request: a status alone, and the connection is closed.
fn check_bare(reply: &Reply) {
    let known = matches!(reply.status, 400 | 408 | 413 | 414 | 431 | 501 | 503 | 505);
    assert!(known && reply.body.is_empty(), "a bare answer: {reply:?}");
}

/// A refusal: problem details with a reason, never cached, with the challenge that RFC 6750 asks for.
fn check_refusal(reply: &Reply) {
    assert_eq!(reply.all("cache-control"), ["no-store"], "{reply:?}");
    assert_eq!(
        reply.all("content-type"),
        ["application/problem+json"],
        "{reply:?}"
    );
    let id = reply.field("x-request-id");
    // Over the limit on connections no request is read, and what was not read has no id.
    let has_id = reply.is_head || reply.reason() != "overloaded" || id.is_some();
    assert_eq!(id.is_some_and(|id| !id.is_empty()), has_id, "{reply:?}");
    if reply.is_head {
        return;
    }
    let problem = reply.json();
    if problem["type"] == "about:blank" {
        check_bare_problem(reply, &problem);
        return;
    }
    let mut members: Vec<&str> = problem
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    let mut expected = vec!["reason", "request_id", "status", "title", "type"];
    if !has_id {
        expected.remove(1);
    }
    assert_eq!(members, expected, "{reply:?}");
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    assert_eq!(problem["request_id"].as_str(), id, "{reply:?}");
    check_challenge(reply, &reply.reason());
}

/// Below the local issuer there is no such path, or it does not have this method: the status says all (RFC 9457 §4.2.1).
fn check_bare_problem(reply: &Reply, problem: &Value) {
    assert!(matches!(reply.status, 404 | 405), "{reply:?}");
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    let allow = reply.field("allow").is_some();
    assert_eq!(allow, reply.status == 405, "{reply:?}");
    assert!(reply.all("www-authenticate").is_empty(), "{reply:?}");
}

fn check_challenge(reply: &Reply, reason: &str) {
    let challenges = reply.all("www-authenticate");
    let error = match (reply.status, reason) {
        (401, "missing_token") => None,
        (401, _) => Some("invalid_token"),
        (400, "malformed_credentials") => Some("invalid_request"),
        (403, "insufficient_scope" | "claim_mismatch") => Some("insufficient_scope"),
        _ => {
            assert!(challenges.is_empty(), "a challenge: {reply:?}");
            return;
        }
    };
    assert_eq!(challenges.len(), 1, "{reply:?}");
    let challenge = challenges[0];
    assert!(challenge.starts_with("Bearer realm=\""), "{reply:?}");
    match error {
        None => assert!(!challenge.contains("error="), "{reply:?}"),
        Some(error) => {
            let expected = format!("error=\"{error}\"");
            assert!(challenge.contains(&expected), "{expected}: {reply:?}");
        }
    }
    let scope = challenge.contains("scope=\"");
    assert_eq!(scope, reason == "insufficient_scope", "{reply:?}");
}
