use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;
use crate::issuer::testing::{SECRET, World, operator, post};

/// What is presented by these `Authorization` lines and this form.
fn presented(lines: &[&str], form: &str) -> Result<(String, Option<String>), String> {
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, media_type);
    for line in lines {
        headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
    }
    let given = Parameters::read(None, &headers, form.as_bytes()).unwrap();
    match Presented::of(&headers, &given) {
        Ok(presented) => Ok((
            presented.id.to_string(),
            presented.secret.map(|secret| secret.to_string()),
        )),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[test]
fn a_client_is_named_in_one_way() {
    let some = |id: &str, secret: Option<&str>| Ok((id.to_owned(), secret.map(str::to_owned)));
    for (line, form, expected) in [
        (None, "", some("portcullis", None)),
        (None, "client_id=app", some("app", None)),
        (
            None,
            "client_id=a%3Ab&client_secret=s+t",
            some("a:b", Some("s t")),
        ),
        (Some(basic("app:secret")), "", some("app", Some("secret"))),
        (
            Some(basic("app:secret")),
            "client_id=app",
            some("app", Some("secret")),
        ),
        // RFC 6749 §2.3.1: both halves are form-encoded.
        (
            Some(basic("a%3Ab:s%3At+u%25")),
            "",
            some("a:b", Some("s:t u%")),
        ),
        (Some(basic("app:a:b")), "", some("app", Some("a:b"))),
        (Some(basic("app:")), "", some("app", None)),
        (
            Some(basic("app:s").replace("Basic", "bASIC")),
            "",
            some("app", Some("s")),
        ),
    ] {
        let lines: Vec<&str> = line.iter().map(String::as_str).collect();
        assert_eq!(presented(&lines, form), expected, "{line:?} {form}");
    }
}

#[test]
fn credentials_in_two_ways_or_none_are_refused() {
    let one = basic("app:secret");
    let malformed = RequestError::Credentials.to_string();
    for (lines, form, expected) in [
        (&[&*one][..], "client_secret=secret", &*malformed),
        (&[&one], "client_id=app&client_secret=secret", &malformed),
        (&[&one], "client_id=other", &malformed),
        (&[&one, &one], "", &malformed),
        (&["Basic"], "", "client authentication failed"),
        (&["Basic "], "", &malformed),
        (&["Basic !!!"], "", &malformed),
        (&["Basic YXBw"], "", &malformed),
        (&[&basic(":secret")], "", &malformed),
        (&[&basic("a%zz:b")], "", &malformed),
        (&[&basic("a%00:b")], "", &malformed),
        (&["Bearer abc"], "", "client authentication failed"),
        (&["Digest a=b"], "", "client authentication failed"),
        (&[], "client_secret=secret", "`client_id` is missing"),
    ] {
        let found = presented(lines, form);
        assert_eq!(found, Err(expected.to_owned()), "{lines:?} {form}");
    }
}

#[tokio::test]
async fn only_the_secret_proves_a_client() {
    let world = World::new().await;
    world.add_client("off", Some(SECRET), &[]).await;
    let by = operator();
    let disabled = world.store.set_client_disabled("off", true, None, &by);
    disabled.await.unwrap();
    for (id, secret, expected) in [
        ("backend", Some(SECRET), true),
        ("backend", Some("another"), false),
        ("backend", Some(""), false),
        ("backend", None, false),
        ("app", None, true),
        ("app", Some("x"), false),
        ("portcullis", None, true),
        ("portcullis", Some("x"), false),
        ("off", Some(SECRET), false),
        ("nobody", Some(SECRET), false),
        ("nobody", None, false),
        ("Backend", Some(SECRET), false),
        ("b\u{e4}ckend", Some(SECRET), false),
        (&"x".repeat(300), None, false),
    ] {
        let presented = Presented {
            id: Zeroizing::new(id.to_owned()),
            secret: secret
                .filter(|secret| !secret.is_empty())
                .map(|secret| Zeroizing::new(secret.to_owned())),
        };
        let found = presented.authenticate(&world.store).await;
        assert_eq!(found.is_ok(), expected, "{id} {secret:?}");
        if let Err(refusal) = found {
            assert!(matches!(refusal, Refusal::Client), "{refusal}");
        }
    }
    // Through the endpoint: the same answer for all of them.
    let mut answers = Vec::new();
    for (id, secret) in [
        ("backend", "x"),
        ("off", SECRET),
        ("nobody", "x"),
        ("app", "x"),
    ] {
        let asked = post("/auth/token", "grant_type=client_credentials").basic(id, secret);
        let told = world.send(asked).await;
        assert_eq!(told.error(), (401, "invalid_client".to_owned()));
        assert!(
            told.field("www-authenticate")
                .unwrap()
                .starts_with("Basic ")
        );
        answers.push(told.answer.body().clone());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}
