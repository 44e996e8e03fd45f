use serde_json::Value;

use crate::passwords::Exhausted;

use super::*;

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

/// Each with its status and its code.
fn refusals() -> [(Refusal, u16, &'static str); 25] {
    [
        (RequestError::Malformed.into(), 400, "invalid_request"),
        (RequestError::Twice.into(), 400, "invalid_request"),
        (RequestError::TooLarge.into(), 413, "invalid_request"),
        (RequestError::MediaType.into(), 415, "invalid_request"),
        (Refusal::Client, 401, "invalid_client"),
        (Refusal::UnauthorizedClient, 400, "unauthorized_client"),
        (Refusal::GrantType, 400, "unsupported_grant_type"),
        (Refusal::Password, 401, "invalid_grant"),
        (Refusal::Grant, 400, "invalid_grant"),
        (Refusal::Scope, 400, "invalid_scope"),
        (
            Refusal::TooManyAttempts(Duration::from_millis(1)),
            429,
            "too_many_attempts",
        ),
        (Refusal::NoToken, 401, "missing_token"),
        (Refusal::Credentials, 400, "invalid_request"),
        (
            Refusal::Token(TokenError::BadSignature),
            401,
            "invalid_token",
        ),
        (Refusal::Revoked, 401, "invalid_token"),
        (Refusal::NotAUser, 403, "access_denied"),
        (Refusal::CrossOrigin, 403, "cross_origin"),
        (Refusal::NoSession, 404, "not_found"),
        (Refusal::Revocations, 503, "temporarily_unavailable"),
        (HashingError::Full.into(), 503, "temporarily_unavailable"),
        (
            HashingError::Exhausted(Exhausted).into(),
            503,
            "temporarily_unavailable",
        ),
        (
            StoreError::Unavailable("x".into()).into(),
            503,
            "temporarily_unavailable",
        ),
        (
            StoreError::Corrupt("hash of alice".into()).into(),
            500,
            "server_error",
        ),
        (SealError::Opened.into(), 500, "server_error"),
        (Refusal::CurrentPassword, 400, "invalid_grant"),
    ]
}

#[test]
fn each_refusal_has_its_status_and_code() {
    for (refusal, status, code) in refusals() {
        let shown = format!("{refusal:?}");
        let answer = refusal.into_answer("api");
        assert_eq!(answer.status().as_u16(), status, "{shown}");
        assert_eq!(body(&answer)["error"], code, "{shown}");
        // RFC 6749 §5.2: neither `"` nor `\`, and no details of ours.
        let description = body(&answer)["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(!description.is_empty(), "{shown}");
        let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(description.chars().all(plain), "{description}");
        assert!(!description.contains("alice"));
        assert_eq!(field(&answer, "cache-control"), Some("no-store"));
        assert_eq!(field(&answer, "pragma"), Some("no-cache"));
        assert_eq!(field(&answer, "referrer-policy"), Some("no-referrer"));
        assert_eq!(
            field(&answer, "retry-after").is_some(),
            status == 503 || status == 429
        );
    }
}

#[test]
fn who_has_to_wait_is_told_how_long_in_whole_seconds() {
    for (millis, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (300_000, "300")] {
        let refusal = Refusal::TooManyAttempts(Duration::from_millis(millis));
        assert_eq!(
            field(&refusal.into_answer("api"), "retry-after"),
            Some(seconds)
        );
    }
    let full = Refusal::from(HashingError::Full).into_answer("api");
    assert_eq!(field(&full, "retry-after"), Some("1"));
}

#[test]
fn challenges_say_what_is_missing() {
    for (refusal, expected) in [
        (
            Refusal::Client,
            Some("Basic realm=\"api\", charset=\"UTF-8\""),
        ),
        (Refusal::NoToken, Some("Bearer realm=\"api\"")),
        (
            Refusal::Credentials,
            Some("Bearer realm=\"api\", error=\"invalid_request\""),
        ),
        (
            Refusal::Revoked,
            Some("Bearer realm=\"api\", error=\"invalid_token\""),
        ),
        (Refusal::Password, None),
        (Refusal::Grant, None),
    ] {
        let answer = refusal.into_answer("api");
        assert_eq!(field(&answer, "www-authenticate"), expected);
    }
}

#[test]
fn paths_and_methods_that_are_not_there_are_problems() {
    let answer = Refusal::NoEndpoint.into_answer("api");
    assert_eq!(answer.status(), 404);
    assert_eq!(
        field(&answer, "content-type"),
        Some("application/problem+json")
    );
    assert_eq!(body(&answer)["status"], 404);
    let answer = Refusal::Method("POST, OPTIONS").into_answer("api");
    assert_eq!(answer.status(), 405);
    assert_eq!(field(&answer, "allow"), Some("POST, OPTIONS"));
}

#[test]
fn a_document_may_be_kept() {
    let answer = document("{}");
    assert_eq!(field(&answer, "cache-control"), Some("public, max-age=300"));
    assert_eq!(field(&answer, "pragma"), None);
}
