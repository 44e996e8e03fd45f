use serde_json::json;

use crate::issuer::testing::{ALICE, ORIGIN, World, post, post_json};

const PASSWORD: &str = "/auth/password";

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::new().await;
    let (here, there) = (world.sign_in().await, world.sign_in().await);
    let body = json!({ "current": ALICE, "new": "battery staple" });
    let told = world
        .send(post_json(PASSWORD, &body).bearer(&here.access))
        .await;
    assert_eq!(told.status(), 204);
    assert!(told.release.is_some());
    assert_eq!(world.status_of(&here.access).await, 200);
    world.refresh(&here.refresh).await.pair();
    assert_eq!(world.status_of(&there.access).await, 401);
    assert_eq!(
        world.refresh(&there.refresh).await.error().1,
        "invalid_grant"
    );
    let old = world
        .post("/auth/login", "username=alice&password=correct+horse")
        .await;
    assert_eq!(old.status(), 401);
    world.sign_in_as("alice", "battery+staple").await;
    assert!(
        world
            .trail()
            .await
            .contains(&"user.password_set".to_owned())
    );
}

#[tokio::test]
async fn the_current_password_is_needed_and_guessing_it_is_limited() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    for (current, new, error) in [
        ("wrong", "new", "invalid_grant"),
        (ALICE, "", "invalid_request"),
        ("", "new", "invalid_request"),
        (ALICE, &"x".repeat(1025), "invalid_request"),
    ] {
        let body = json!({ "current": current, "new": new });
        let told = world
            .send(post_json(PASSWORD, &body).bearer(&pair.access))
            .await;
        assert_eq!(told.error(), (400, error.to_owned()), "{current}");
        assert_eq!(told.release.is_some(), error == "invalid_grant");
    }
    let body = json!({ "current": "wrong", "new": "x" });
    let mut last = 0;
    for _ in 0..5 {
        let asked = post_json(PASSWORD, &body).bearer(&pair.access);
        last = world.send(asked).await.status();
    }
    assert_eq!(last, 429);
    // The same count as that of the sign-in.
    let told = world
        .post("/auth/login", "username=alice&password=correct+horse")
        .await;
    assert_eq!(told.status(), 429);
    assert_eq!(world.status_of(&pair.access).await, 200);
}

#[tokio::test]
async fn nobody_changes_a_password_without_a_token_or_from_elsewhere() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let form = "current=correct+horse&new=x";
    assert_eq!(world.post(PASSWORD, form).await.status(), 401);
    let cookie = format!("__Host-portcullis={}", pair.access);
    let foreign = post(PASSWORD, form)
        .with("cookie", &cookie)
        .with("origin", "https://evil.example");
    assert_eq!(world.send(foreign).await.status(), 403);
    assert_eq!(world.hashed(), 1);
    let own = post(PASSWORD, form)
        .with("cookie", &cookie)
        .with("origin", ORIGIN);
    assert_eq!(world.send(own).await.status(), 204);
}
