use http_body_util::BodyExt as _;

use super::*;

fn rejection(reason: Reason, detail: Detail) -> Rejection {
    Rejection { reason, detail }
}

fn respond(rejection: &Rejection) -> Response<ResponseBody> {
    rejection_response(rejection, "test realm", "01abc")
}

fn challenge_of(reason: Reason, detail: Detail) -> String {
    let response = respond(&rejection(reason, detail));
    let value = response.headers().get(WWW_AUTHENTICATE);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_refusal_says_what_it_is_and_nothing_else() {
    for reason in Reason::ALL {
        let secret = Detail::Fault("inner workings".into());
        let response = respond(&rejection(*reason, secret));
        assert_eq!(response.status(), reason.status());
        let fields = response.headers().clone();
        assert_eq!(fields[CACHE_CONTROL], "no-store");
        assert_eq!(fields[CONTENT_TYPE], "application/problem+json");
        assert_eq!(fields[X_REQUEST_ID], "01abc");
        assert_eq!(
            fields.contains_key(RETRY_AFTER),
            [429, 503].contains(&reason.status().as_u16()),
            "{reason}"
        );
        let must_challenge = reason.status() == 401;
        assert!(
            !must_challenge || fields.contains_key(WWW_AUTHENTICATE),
            "{reason}"
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(fields[CONTENT_LENGTH], body.len().to_string());
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            problem,
            serde_json::json!({
                "type": format!("urn:portcullis:reason:{}", reason.name()),
                "title": reason.title(),
                "status": reason.status().as_u16(),
                "reason": reason.name(),
                "request_id": "01abc",
            })
        );
    }
}

#[test]
fn challenges_follow_rfc_6750() {
    let scopes = || Detail::Scopes(["orders:read".into(), "orders:write".into()].into());
    let realm = r#"Bearer realm="test realm""#;
    for (reason, detail, error) in [
        (Reason::MissingToken, Detail::None, ""),
        (
            Reason::MalformedCredentials,
            Detail::None,
            r#", error="invalid_request""#,
        ),
        (Reason::Expired, Detail::None, r#", error="invalid_token""#),
        (
            Reason::InsufficientScope,
            scopes(),
            r#", error="insufficient_scope", scope="orders:read orders:write""#,
        ),
        (
            Reason::ClaimMismatch,
            Detail::Rule("tenant".into()),
            r#", error="insufficient_scope""#,
        ),
    ] {
        assert_eq!(
            challenge_of(reason, detail),
            format!("{realm}{error}"),
            "{reason}"
        );
    }
    for reason in [
        Reason::NoRoute,
        Reason::TokenTooLarge,
        Reason::KeysUnavailable,
    ] {
        assert_eq!(challenge_of(reason, Detail::None), "", "{reason}");
    }
}

#[test]
fn a_method_that_is_not_served_names_those_that_are() {
    let allowed = Detail::Allow(vec![Method::GET, Method::HEAD, Method::POST]);
    let response = respond(&rejection(Reason::MethodNotAllowed, allowed));
    assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST");
}

#[tokio::test]
async fn a_request_id_cannot_leave_its_string() {
    let rejection = Rejection::new(Reason::NoRoute);
    let response = rejection_response(&rejection, "r", r#"a","status":"b\"#);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["request_id"], r#"a","status":"b\"#);
    assert_eq!(problem["status"], 404);
}
