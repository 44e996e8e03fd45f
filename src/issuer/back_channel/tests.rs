use serde_json::json;

use super::*;
use crate::issuer::testing::{Told, World, asked, post};
use crate::jwt::{Algorithm, SigningKey};
use crate::secret::Secret;
use crate::snapshot::Endpoint;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

async fn world() -> World {
    let issuer = format!(
        "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\naudiences = [\"api\"]\n\
         algorithms = [\"HS256\"]\nkeys = {{ secret = \"{KEY}\" }}\nmax_lifetime = \"1h\"\nleeway = \"30s\"\n\
         logout = {{ path = \"/logout/corp\", client_id = \"portcullis\" }}\n\
         [[routes]]\nissuers = [\"local\"]\n"
    );
    World::but("[[routes]]\n", &issuer).await
}

/// A logout token with these claims besides the usual ones.
fn token(jti: &str, claims: &serde_json::Value) -> String {
    let mut all = json!({
        "iss": "https://corp.example", "aud": "portcullis", "iat": now().seconds(), "jti": jti, "events": {EVENT: {}},
    });
    let members = all.as_object_mut().unwrap();
    members.extend(claims.as_object().unwrap().clone());
    let secret = Secret::new(KEY.as_bytes().to_vec());
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256).unwrap();
    key.sign("logout+jwt", &all).unwrap()
}

fn now() -> UnixTime {
    crate::clock::Clock::System.now()
}

async fn send(world: &World, token: &str) -> Told {
    let mut asked = post("/logout/corp", &format!("logout_token={token}"));
    asked.endpoint = Endpoint::Logout(0);
    let told = world.send(asked).await;
    assert_eq!(told.field("cache-control"), Some("no-store"));
    told
}

/// What the store has of it: kind, value, and whether there is a `before` and an end.
async fn revoked(world: &World) -> Vec<(String, String, bool, bool)> {
    let rows = world.store.revocations_after(0, 100).await.unwrap();
    let rows = rows.into_iter().map(|row| {
        assert_eq!(&*row.issuer, "https://corp.example");
        let (before, until) = (row.before.is_some(), row.until.is_some());
        (row.kind.into(), row.value.into(), before, until)
    });
    rows.collect()
}

#[tokio::test]
async fn a_session_or_all_of_a_user_is_revoked() {
    let world = world().await;
    let told = send(&world, &token("1", &json!({"sid": "s", "sub": "u"}))).await;
    assert_eq!(told.status(), 200, "{:?}", told.answer.body());
    assert!(told.answer.body().is_empty());
    let session = ("sid".to_owned(), "s".to_owned(), false, true);
    assert_eq!(revoked(&world).await, std::slice::from_ref(&session));
    assert_eq!(
        world.service.revocations.load().len(),
        1,
        "in force when it is answered"
    );
    assert_eq!(
        send(&world, &token("2", &json!({"sub": "u"})))
            .await
            .status(),
        200
    );
    let user = ("sub".to_owned(), "u".to_owned(), true, true);
    assert_eq!(revoked(&world).await, [session, user]);
    assert!(world.trail().await.contains(&"revocation.added".to_owned()));
}

#[tokio::test]
async fn each_token_is_taken_once() {
    let world = world().await;
    let once = token("1", &json!({"sub": "u"}));
    assert_eq!(send(&world, &once).await.status(), 200);
    let again = send(&world, &once).await;
    assert_eq!(again.error(), (400, "invalid_request".to_owned()));
    // Another token of the same name is that token, too.
    let other = token("1", &json!({"sub": "v"}));
    assert_eq!(send(&world, &other).await.status(), 400);
    assert_eq!(revoked(&world).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_acceptable_is_400_and_nothing_is_revoked() {
    let world = world().await;
    for token in [
        "x".to_owned(),
        token("1", &json!({"sub": "u", "nonce": "n"})),
        token("1", &json!({"sub": "u", "aud": "api"})),
        token("1", &json!({"sub": "u", "events": {}})),
        token("1", &json!({})),
        token(
            "1",
            &json!({"sub": "u", "iss": "https://localhost:8443/auth"}),
        ),
        token("1", &json!({"sub": "u", "iat": now().seconds() - 400})),
    ] {
        let told = send(&world, &token).await;
        assert_eq!(told.error(), (400, "invalid_request".to_owned()), "{token}");
    }
    let good = token("1", &json!({"sub": "u"}));
    let form = "application/x-www-form-urlencoded";
    for (method, content_type, body, status) in [
        (Method::POST, form, String::new(), 400),
        (
            Method::POST,
            form,
            format!("logout_token={good}&logout_token={good}"),
            400,
        ),
        (Method::POST, form, format!("token={good}"), 400),
        (
            Method::POST,
            "application/json",
            json!({"logout_token": good}).to_string(),
            400,
        ),
        (Method::POST, "", format!("logout_token={good}"), 400),
        (Method::GET, form, format!("logout_token={good}"), 405),
        (Method::OPTIONS, "", String::new(), 405),
    ] {
        let mut asked = asked(&method, "/logout/corp", content_type, &body);
        asked.endpoint = Endpoint::Logout(0);
        assert_eq!(world.send(asked).await.status(), status, "{method} {body}");
    }
    // A path that no configuration has any more.
    let mut gone = post("/logout/gone", &format!("logout_token={good}"));
    gone.endpoint = Endpoint::Logout(0);
    assert_eq!(world.send(gone).await.status(), 404);
    assert!(revoked(&world).await.is_empty());
    // Nothing of all that has used it up.
    assert_eq!(send(&world, &good).await.status(), 200);
}

#[tokio::test]
async fn a_token_that_the_store_did_not_take_may_come_again() {
    let world = world().await;
    let token = token("1", &json!({"sub": "u"}));
    world.store.clone().close().await;
    for _ in 0..2 {
        let told = send(&world, &token).await;
        assert_eq!(told.error(), (400, "temporarily_unavailable".to_owned()));
    }
}

#[test]
fn names_are_remembered_until_they_are_over_and_not_more_than_so_many() {
    let at = UnixTime::from_seconds;
    let mut remembered = Remembered::default();
    let name = |n: usize| name_of("https://a", &n.to_string());
    assert!(remembered.take(name(1), at(10), at(0)));
    assert!(!remembered.take(name(1), at(10), at(9)));
    assert!(remembered.take(name(1), at(20), at(10)), "it is over");
    remembered.forget(&name(1));
    assert!(remembered.take(name(1), at(20), at(10)));
    for n in 2..=2 * MOST_REMEMBERED {
        assert!(remembered.take(name(n), at(30), at(10)));
    }
    assert_eq!(remembered.by_name.len(), MOST_REMEMBERED);
    assert_eq!(remembered.by_time.len(), MOST_REMEMBERED);
    assert!(
        remembered.take(name(1), at(30), at(10)),
        "the first to be over went first"
    );
    assert_ne!(name_of("ab", "c"), name_of("a", "bc"));
}
