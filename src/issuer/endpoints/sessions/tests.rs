use http::Method;
use uuid::Uuid;

use crate::issuer::Asked;
use crate::issuer::testing::{ORIGIN, World, asked, get, post};

fn end(session: Uuid, access: &str) -> Asked {
    asked(
        &Method::DELETE,
        &format!("/auth/sessions/{session}"),
        "",
        "",
    )
    .bearer(access)
}

#[tokio::test]
async fn a_user_sees_its_own_sessions_the_newest_first() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let form = "username=alice&password=correct+horse";
    let second = post("/auth/login", form)
        .with("user-agent", "phone/2 \"x\"")
        .from("2001:db8::7");
    let second = world.send(second).await.pair();
    world.sign_in_as("bob", "hunter2").await;
    let told = world
        .send(get("/auth/sessions").bearer(&first.access))
        .await;
    assert_eq!(told.status(), 200);
    let body = told.json();
    let [newest, oldest] = body["sessions"].as_array().unwrap().as_slice() else {
        panic!("{body}");
    };
    assert_eq!(newest["id"], second.session.to_string());
    assert_eq!(
        (&newest["current"], &oldest["current"]),
        (&false.into(), &true.into())
    );
    assert_eq!(newest["device"], "phone/2 \"x\"");
    assert_eq!(newest["address"], "2001:db8::7");
    assert_eq!(newest["client_id"], "portcullis");
    assert_eq!(newest["scope"], "read write");
    for member in ["created", "last_seen", "expires"] {
        let text = newest[member].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
}

#[test]
fn of_many_sessions_only_the_newest_are_held() {
    let mut found = Vec::new();
    for page in 0..10 {
        super::add_page(&mut found, vec![2 * page, 2 * page + 1], 5);
        assert!(found.len() <= 5);
    }
    assert_eq!(found, [15, 16, 17, 18, 19]);
}

#[tokio::test]
async fn a_user_ends_its_own_sessions_and_no_others() {
    let world = World::new().await;
    let (here, there) = (world.sign_in().await, world.sign_in().await);
    let bob = world.sign_in_as("bob", "hunter2").await;
    for session in [bob.session, Uuid::now_v7(), Uuid::nil()] {
        let told = world.send(end(session, &here.access)).await;
        assert_eq!(told.error(), (404, "not_found".to_owned()));
    }
    assert_eq!(world.status_of(&bob.access).await, 200);
    assert_eq!(
        world.send(end(there.session, &here.access)).await.status(),
        204
    );
    assert_eq!(world.status_of(&there.access).await, 401);
    assert_eq!(
        world.refresh(&there.refresh).await.error().1,
        "invalid_grant"
    );
    assert_eq!(
        world.send(end(there.session, &here.access)).await.status(),
        404
    );
    assert_eq!(
        world.send(end(here.session, &here.access)).await.status(),
        204
    );
    assert_eq!(world.status_of(&here.access).await, 401);
    assert_eq!(
        world.send(end(here.session, &here.access)).await.status(),
        401
    );
}

#[tokio::test]
async fn all_others_end_and_this_one_goes_on() {
    let world = World::new().await;
    let here = world.sign_in().await;
    let others = [world.sign_in().await, world.sign_in().await];
    let bob = world.sign_in_as("bob", "hunter2").await;
    let ask = || post("/auth/sessions/end-others", "").bearer(&here.access);
    let told = world.send(ask()).await;
    assert_eq!((told.status(), &told.json()["ended"]), (200, &2.into()));
    assert_eq!(world.send(ask()).await.json()["ended"], 0);
    for pair in &others {
        assert_eq!(world.status_of(&pair.access).await, 401);
        assert_eq!(world.refresh(&pair.refresh).await.status(), 400);
    }
    for pair in [&here, &bob] {
        assert_eq!(world.status_of(&pair.access).await, 200);
    }
}

#[tokio::test]
async fn a_cookie_reads_from_anywhere_and_changes_from_our_own_pages() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let cookie = format!("__Host-portcullis={}", pair.access);
    let read = get("/auth/sessions").with("cookie", &cookie);
    assert_eq!(world.send(read).await.status(), 200);
    let end = |origin: &str| {
        let path = format!("/auth/sessions/{}", pair.session);
        let asked = asked(&Method::DELETE, &path, "", "").with("cookie", &cookie);
        asked.with("origin", origin)
    };
    assert_eq!(world.send(end("https://evil.example")).await.status(), 403);
    assert_eq!(world.send(end(ORIGIN)).await.status(), 204);
    let off = World::but("cookies = true\npage = true", "").await;
    let pair = off.sign_in().await;
    let cookie = format!("__Host-portcullis={}", pair.access);
    let read = get("/auth/sessions").with("cookie", &cookie);
    assert_eq!(
        off.send(read).await.error(),
        (401, "missing_token".to_owned())
    );
}

/// The list of another gateway may be a moment late: the store is asked as well.
#[tokio::test]
async fn a_session_that_another_gateway_has_ended_is_over() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let which = crate::store::Ending::One(pair.session);
    let reason = crate::store::EndReason::Operator;
    let by = crate::issuer::testing::operator();
    world
        .store
        .end_sessions(which, reason, None, &by)
        .await
        .unwrap();
    assert_eq!(world.status_of(&pair.access).await, 401);
}

#[tokio::test]
async fn while_nobody_knows_what_is_revoked_nobody_is_let_in() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let missing = crate::revocation::RevocationSet::missing();
    world
        .service
        .revocations
        .store(std::sync::Arc::new(missing));
    let told = world.send(get("/auth/sessions").bearer(&pair.access)).await;
    assert_eq!(told.error(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(told.field("retry-after"), Some("5"));
}
