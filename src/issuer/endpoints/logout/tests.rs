use crate::issuer::testing::{ORIGIN, World, asked, post};
use crate::store::EndReason;

const LOGOUT: &str = "/auth/logout";

fn nothing() -> crate::issuer::Asked {
    asked(&http::Method::POST, LOGOUT, "", "")
}

#[tokio::test]
async fn a_session_is_over_at_once() {
    let world = World::new().await;
    let (pair, other) = (world.sign_in().await, world.sign_in().await);
    let told = world.send(nothing().bearer(&pair.access)).await;
    assert_eq!((told.status(), told.answer.body().len()), (204, 0));
    assert_eq!(world.status_of(&pair.access).await, 401);
    assert_eq!(
        world.refresh(&pair.refresh).await.error().1,
        "invalid_grant"
    );
    assert_eq!(
        world.send(nothing().bearer(&pair.access)).await.status(),
        401
    );
    let (_, reason) = world.session(pair.session).await.ended.unwrap();
    assert_eq!(reason, EndReason::Logout);
    assert_eq!(world.status_of(&other.access).await, 200);
}

#[tokio::test]
async fn cookies_are_taken_away_when_a_page_of_ours_asks() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let cookie = format!("__Host-portcullis={}", pair.access);
    for origin in ["https://evil.example", "null", ""] {
        let asked = post(LOGOUT, "")
            .with("cookie", &cookie)
            .with("origin", origin);
        let told = world.send(asked).await;
        assert_eq!(told.error(), (403, "cross_origin".to_owned()));
    }
    let asked = post(LOGOUT, "")
        .with("cookie", &cookie)
        .with("origin", ORIGIN);
    let told = world.send(asked).await;
    assert_eq!(told.status(), 204);
    let [access, refresh] = told.cookies()[..] else {
        panic!("{:?}", told.cookies());
    };
    assert!(access.starts_with("__Host-portcullis=; Path=/; Max-Age=0; "));
    assert!(refresh.starts_with("__Secure-portcullis-refresh=; Path=/auth; Max-Age=0; "));
    assert_eq!(world.live_sessions().await, 0);
}

/// The access token expired while nobody looked: the refresh token signs out as well.
#[tokio::test]
async fn a_browser_with_nothing_but_its_refresh_token_signs_out() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let cookie = format!("__Secure-portcullis-refresh={}", pair.refresh);
    let without = world.send(nothing().with("cookie", &cookie)).await;
    assert_eq!(without.error().0, 403);
    let forged = format!("{}AAAA", &cookie[..cookie.len() - 4]);
    let forged = nothing().with("cookie", &forged).with("origin", ORIGIN);
    assert_eq!(world.send(forged).await.error().0, 401);
    assert_eq!(world.live_sessions().await, 1);
    let told = world
        .send(nothing().with("cookie", &cookie).with("origin", ORIGIN))
        .await;
    assert_eq!(told.status(), 204);
    assert_eq!(world.live_sessions().await, 0);
}

/// F18: nothing that is malformed lets anybody in.
#[tokio::test]
async fn a_malformed_cookie_is_no_token() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let long = "x".repeat(10_000);
    for (cookie, status) in [
        ("__Host-portcullis=%%%".to_owned(), 401),
        (format!("__Host-portcullis={long}"), 401),
        ("__Host-portcullis=".to_owned(), 401),
        ("__Host-portcullis".to_owned(), 401),
        (format!("portcullis={}", pair.access), 401),
        (format!("__host-portcullis={}", pair.access), 401),
        (
            format!(
                "__Host-portcullis={}; __Host-portcullis={}",
                pair.access, pair.access
            ),
            400,
        ),
        (format!("__Host-portcullis={}", pair.refresh), 401),
    ] {
        let asked = nothing().with("cookie", &cookie).with("origin", ORIGIN);
        assert_eq!(world.send(asked).await.status(), status, "{cookie:.60}");
    }
    assert_eq!(world.live_sessions().await, 1);
}

#[tokio::test]
async fn credentials_are_one_bearer_token() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let one = format!("Bearer {}", pair.access);
    for (lines, status) in [
        (&[&*one, &one][..], 400),
        (&["Basic YTpi"], 400),
        (&["Bearer"], 400),
        (&["Bearer x.y.z"], 401),
        (&[], 401),
    ] {
        let asked = lines
            .iter()
            .fold(nothing(), |asked, line| asked.with("authorization", line));
        let told = world.send(asked).await;
        assert_eq!(told.status(), status, "{lines:?}");
        assert!(
            told.field("www-authenticate")
                .unwrap()
                .starts_with("Bearer realm=")
        );
    }
}
