use crate::issuer::testing::{SECRET, World, post};

const REVOKE: &str = "/auth/revoke";

#[tokio::test]
async fn a_refresh_token_ends_its_session_and_its_access_tokens() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let next = world.refresh(&first.refresh).await.pair();
    // One that was used already is known too.
    let told = world
        .post(REVOKE, &format!("token={}", first.refresh))
        .await;
    assert_eq!((told.status(), told.answer.body().len()), (200, 0));
    assert_eq!(world.status_of(&first.access).await, 401);
    assert_eq!(world.status_of(&next.access).await, 401);
    assert_eq!(
        world.refresh(&next.refresh).await.error().1,
        "invalid_grant"
    );
    assert_eq!(world.trail().await[0], "session.ended");
}

#[tokio::test]
async fn an_access_token_ends_itself_alone() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let next = world.refresh(&first.refresh).await.pair();
    let form = format!("token={}&token_type_hint=refresh_token", first.access);
    assert_eq!(world.post(REVOKE, &form).await.status(), 200);
    assert_eq!(world.status_of(&first.access).await, 401);
    assert_eq!(world.status_of(&next.access).await, 200);
    world.refresh(&next.refresh).await.pair();
    assert_eq!(world.trail().await[0], "revocation.added");
}

/// RFC 7009 §2.2: what is not good any more is not an error; §2.1: a token of another client is.
#[tokio::test]
async fn unknown_tokens_are_revoked_and_those_of_others_are_not() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let forged = format!("{}AAAA", &pair.refresh[..70]);
    let unsigned = format!("{}.", pair.access.rsplit_once('.').unwrap().0);
    for token in ["x", "prt_x", &forged, &unsigned] {
        let told = world.post(REVOKE, &format!("token={token}")).await;
        assert_eq!(told.status(), 200, "{token}");
    }
    for token in [&pair.refresh, &pair.access] {
        let told = world
            .post(REVOKE, &format!("token={token}&client_id=app"))
            .await;
        assert_eq!(told.error(), (400, "invalid_grant".to_owned()));
        let told = world.send(post(REVOKE, &format!("token={token}")).basic("backend", SECRET));
        assert_eq!(told.await.error().1, "invalid_grant");
        let told = world.send(post(REVOKE, &format!("token={token}")).basic("backend", "x"));
        assert_eq!(told.await.error(), (401, "invalid_client".to_owned()));
    }
    assert_eq!(world.post(REVOKE, "").await.error().1, "invalid_request");
    assert_eq!(world.status_of(&pair.access).await, 200);
    assert_eq!(world.live_sessions().await, 1);
}
