use serde_json::{Value, json};

use crate::issuer::testing::{SECRET, Told, World, post};

const INTROSPECT: &str = "/auth/introspect";

async fn introspect(world: &World, token: &str) -> Value {
    let asked = post(INTROSPECT, &format!("token={token}")).basic("backend", SECRET);
    let told = world.send(asked).await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.field("cache-control"), Some("no-store"));
    told.json()
}

#[tokio::test]
async fn an_active_token_says_what_it_is() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let body = introspect(&world, &pair.access).await;
    for (member, value) in [
        ("active", json!(true)),
        ("token_type", json!("Bearer")),
        ("username", json!("alice")),
        ("client_id", json!("portcullis")),
        ("scope", json!("read write")),
        ("iss", json!("https://localhost:8443/auth")),
        ("aud", json!("demo")),
        ("sid", json!(pair.session.to_string())),
    ] {
        assert_eq!(body[member], value, "{member}");
    }
    assert!(body["exp"].is_i64() && body["iat"].is_i64() && body["jti"].is_string());
}

#[tokio::test]
async fn all_others_are_inactive_and_nothing_else() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let over = world.sign_in_as("bob", "hunter2").await;
    world
        .post("/auth/revoke", &format!("token={}", over.refresh))
        .await;
    let unsigned = format!("{}.", pair.access.rsplit_once('.').unwrap().0);
    // A refresh token is its own client's affair.
    for token in [
        "x",
        "prt_x",
        &unsigned,
        &over.access,
        &over.refresh,
        &pair.refresh,
    ] {
        assert_eq!(
            introspect(&world, token).await,
            json!({ "active": false }),
            "{token}"
        );
    }
}

#[tokio::test]
async fn the_refresh_token_in_force_is_active_for_its_client() {
    let world = World::new().await;
    let form = "grant_type=password&username=alice&password=correct+horse";
    let asked = post("/auth/token", form).basic("backend", SECRET);
    let first = world.send(asked).await.pair();
    let body = introspect(&world, &first.refresh).await;
    assert_eq!(
        (&body["active"], &body["scope"]),
        (&true.into(), &"read".into())
    );
    assert!(body.get("token_type").is_none());
    let form = format!("grant_type=refresh_token&refresh_token={}", first.refresh);
    let asked = post("/auth/token", &form).basic("backend", SECRET);
    let next = world.send(asked).await.pair();
    assert_eq!(
        introspect(&world, &first.refresh).await,
        json!({ "active": false })
    );
    assert_eq!(introspect(&world, &next.refresh).await["active"], true);
}

/// RFC 7662 §2.1, §4: nobody tries tokens out here.
#[tokio::test]
async fn only_clients_that_prove_themselves_may_ask() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let form = format!("token={}", pair.access);
    for asked in [
        post(INTROSPECT, &form),
        post(INTROSPECT, &format!("{form}&client_id=app")),
        post(INTROSPECT, &format!("{form}&client_id=backend")),
        post(INTROSPECT, &form).basic("backend", "wrong"),
        post(INTROSPECT, &form).bearer(&pair.access),
    ] {
        let told: Told = world.send(asked).await;
        assert_eq!(told.error(), (401, "invalid_client".to_owned()));
    }
    let told = world
        .send(post(INTROSPECT, "").basic("backend", SECRET))
        .await;
    assert_eq!(told.error(), (400, "invalid_request".to_owned()));
}
