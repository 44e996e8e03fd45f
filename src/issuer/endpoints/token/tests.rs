use std::collections::HashSet;

use crate::issuer::testing::{ALICE, ORIGIN, Pair, SECRET, World, claims, name, operator, post};
use crate::metrics::Refresh;
use crate::store::EndReason;

const TOKEN: &str = "/auth/token";

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn each_refresh_gives_the_next_token_of_the_same_session() {
    let world = World::new().await;
    let mut pair = world.sign_in().await;
    let mut seen = HashSet::from([pair.refresh.clone()]);
    for _ in 0..3 {
        let told = world.refresh(&pair.refresh).await;
        assert_eq!(told.field("cache-control"), Some("no-store"));
        assert_eq!(told.release, None);
        let next = told.pair();
        assert_eq!(next.session, pair.session);
        assert_ne!(claims(&next.access)["jti"], claims(&pair.access)["jti"]);
        assert_eq!(
            claims(&next.access)["auth_time"],
            claims(&pair.access)["auth_time"]
        );
        assert!(seen.insert(next.refresh.clone()));
        assert_eq!(world.status_of(&next.access).await, 200);
        pair = next;
    }
    assert_eq!(world.session(pair.session).await.generation, 4);
    assert_eq!(world.metrics().refreshes(Refresh::Rotated), 3);
}

/// Two tabs refresh at once: both get the same successor. Used any later, the token ends the family.
#[tokio::test]
async fn the_token_before_gives_the_same_successor_until_that_is_used() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let second = world.refresh(&first.refresh).await.pair();
    let again = world.refresh(&first.refresh).await.pair();
    assert_eq!(again.refresh, second.refresh);
    assert_ne!(again.access, second.access);
    assert_eq!(world.metrics().refreshes(Refresh::Repeated), 1);
    let third = world.refresh(&second.refresh).await.pair();

    assert_eq!(world.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(world.metrics().refreshes(Refresh::Reused), 1);
    let (_, reason) = world.session(first.session).await.ended.unwrap();
    assert_eq!(reason, EndReason::Reused);
    assert_eq!(world.trail().await[0], "session.reused");
    assert_eq!(world.refresh(&third.refresh).await.error(), invalid_grant());
    for pair in [&first, &second, &again, &third] {
        assert_eq!(world.status_of(&pair.access).await, 401);
    }
}

/// F9: of many uses at once there is one outcome.
#[tokio::test]
async fn many_uses_at_once_get_one_successor() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let all = (0..50).map(|_| world.refresh(&pair.refresh));
    let told = futures_util::future::join_all(all).await;
    let next: HashSet<String> = told.iter().map(|told| told.pair().refresh).collect();
    assert_eq!(next.len(), 1);
    assert_eq!(world.session(pair.session).await.generation, 2);
    assert_eq!(world.metrics().refreshes(Refresh::Rotated), 1);
}

/// F10: one kind of token is not the other, and what is over stays over.
#[tokio::test]
async fn a_token_is_only_what_it_is() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    assert_eq!(world.status_of(&pair.refresh).await, 401);
    assert_eq!(world.refresh(&pair.access).await.error(), invalid_grant());
    // None of ours, one of another family's secret, cut, longer, and of a session that is not there.
    let other = world.sign_in_as("bob", "hunter2").await;
    let mixed = format!("{}{}", &pair.refresh[..30], &other.refresh[30..]);
    let nobody = format!("prt_{}{}", "A".repeat(22), &pair.refresh[26..]);
    for bad in [
        "x",
        "prt_",
        &mixed,
        &pair.refresh[..70],
        &format!("{}A", pair.refresh),
        &nobody,
    ] {
        assert_eq!(world.refresh(bad).await.error(), invalid_grant(), "{bad}");
    }
    // None of that has ended anything.
    world.refresh(&pair.refresh).await.pair();
    world.refresh(&other.refresh).await.pair();
    assert_eq!(world.metrics().refreshes(Refresh::Refused), 7);
}

#[tokio::test]
async fn a_refresh_token_serves_its_own_client_alone() {
    let world = World::new().await;
    let form = "grant_type=password&username=alice&password=correct+horse";
    let of_app = world
        .post(TOKEN, &format!("{form}&client_id=app"))
        .await
        .pair();
    assert_eq!(claims(&of_app.access)["client_id"], "app");
    let of_backend = world
        .send(post(TOKEN, form).basic("backend", SECRET))
        .await
        .pair();
    let own = world.sign_in().await;
    let refresh = |pair: &Pair, more: &str| {
        post(
            TOKEN,
            &format!(
                "grant_type=refresh_token&refresh_token={}{more}",
                pair.refresh
            ),
        )
    };
    for asked in [
        refresh(&of_app, ""),
        refresh(&of_app, "").basic("backend", SECRET),
        refresh(&own, "&client_id=app"),
        refresh(&of_backend, "&client_id=app"),
    ] {
        assert_eq!(world.send(asked).await.error(), invalid_grant());
    }
    // A confidential client must prove itself (RFC 6749 §6).
    let told = world.send(refresh(&of_backend, "&client_id=backend")).await;
    assert_eq!(told.error(), (401, "invalid_client".to_owned()));
    for asked in [
        refresh(&of_app, "&client_id=app"),
        refresh(&of_backend, "").basic("backend", SECRET),
        refresh(&own, "&client_id=portcullis"),
    ] {
        world.send(asked).await.pair();
    }
    // Used by now: whoever has it got it from somewhere, and no grace is another's.
    let told = world.send(refresh(&own, "&client_id=app")).await;
    assert_eq!(told.error(), invalid_grant());
    let (_, reason) = world.session(own.session).await.ended.unwrap();
    assert_eq!(reason, EndReason::Reused);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let world = World::new().await;
    let form = "username=alice&password=correct+horse&scope=read";
    let pair = world.post("/auth/login", form).await.pair();
    let refresh = |scope: &str, token: &str| {
        format!("grant_type=refresh_token&refresh_token={token}&scope={scope}")
    };
    let told = world.post(TOKEN, &refresh("write", &pair.refresh)).await;
    assert_eq!(told.error(), (400, "invalid_scope".to_owned()));
    // It was not used up.
    let next = world
        .post(TOKEN, &refresh("read", &pair.refresh))
        .await
        .pair();
    assert_eq!(claims(&next.access)["scope"], "read");
}

/// F19: what a user may is in the next token.
#[tokio::test]
async fn a_refresh_has_what_the_user_has_now() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let grants = crate::store::Grants::new(["viewer"], ["read"], serde_json::Map::new()).unwrap();
    let hash = crate::issuer::testing::own_hash(ALICE);
    let user = crate::store::NewUser::new(name("alice"), Some(hash)).with_grants(grants);
    let existing = crate::store::Existing::Replace;
    world
        .store
        .import_users(&[user], existing, None, &operator())
        .await
        .unwrap();
    let told = world.refresh(&pair.refresh).await;
    // An import sets a password: whether sessions go on is the store's to say.
    if told.status() == 200 {
        let said = claims(&told.pair().access);
        assert_eq!(
            (&said["scope"], &said["roles"][0]),
            (&"read".into(), &"viewer".into())
        );
    } else {
        assert_eq!(told.error(), invalid_grant());
    }
}

#[tokio::test]
async fn nothing_refreshes_for_a_user_who_is_disabled() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let alice = name("alice");
    world
        .store
        .set_disabled(&alice, true, None, &operator())
        .await
        .unwrap();
    assert_eq!(world.refresh(&pair.refresh).await.error(), invalid_grant());
    world
        .store
        .set_disabled(&alice, false, None, &operator())
        .await
        .unwrap();
    assert_eq!(world.refresh(&pair.refresh).await.error(), invalid_grant());
}

#[tokio::test]
async fn a_client_gets_tokens_for_itself() {
    let world = World::new().await;
    let form = "grant_type=client_credentials";
    for (asked, scope) in [
        (post(TOKEN, form).basic("backend", SECRET), "jobs read"),
        (
            post(TOKEN, &format!("{form}&scope=read+other")).basic("backend", SECRET),
            "read",
        ),
    ] {
        let told = world.send(asked).await;
        let body = told.json();
        assert_eq!(told.status(), 200);
        assert_eq!(
            (&body["token_type"], &body["scope"]),
            (&"Bearer".into(), &scope.into())
        );
        assert!(body.get("refresh_token").is_none() && body.get("session").is_none());
        let token = body["access_token"].as_str().unwrap();
        let said = claims(token);
        assert_eq!(
            (&said["sub"], &said["client_id"]),
            (&"backend".into(), &"backend".into())
        );
        assert!(said.get("sid").is_none() && said.get("roles").is_none());
        // Nothing of a user's is open to it.
        assert_eq!(world.status_of(token).await, 403);
    }
    let scope = post(TOKEN, &format!("{form}&scope=write")).basic("backend", SECRET);
    assert_eq!(world.send(scope).await.error().1, "invalid_scope");
    for public in ["", "&client_id=app", "&client_id=portcullis"] {
        let told = world.post(TOKEN, &format!("{form}{public}")).await;
        assert_eq!(
            told.error(),
            (400, "unauthorized_client".to_owned()),
            "{public}"
        );
    }
}

#[tokio::test]
async fn the_password_grant_is_off_unless_it_is_on() {
    let form = "grant_type=password&username=alice&password=correct+horse";
    let off = World::but("password_grant = true\n", "").await;
    assert_eq!(
        off.post(TOKEN, form).await.error(),
        (400, "unsupported_grant_type".to_owned())
    );
    assert_eq!(off.hashed(), 0);
    let on = World::new().await;
    let told = on.post(TOKEN, form).await;
    assert!(told.release.is_some());
    assert_eq!(claims(&told.pair().access)["scope"], "read write");
    // A client with a list of scopes gets no others.
    let narrow = on.send(post(TOKEN, form).basic("backend", SECRET)).await;
    assert_eq!(narrow.json()["scope"], "read");
    for user in ["alice", "nobody"] {
        let form = format!("grant_type=password&username={user}&password=wrong");
        let told = on.post(TOKEN, &form).await;
        assert_eq!(told.error(), invalid_grant());
        assert!(told.release.is_some());
    }
}

#[tokio::test]
async fn other_grants_and_forms_are_refused() {
    let world = World::new().await;
    for (form, error) in [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=", "invalid_request"),
        (
            "grant_type=refresh_token&grant_type=password",
            "invalid_request",
        ),
        (
            "grant_type=authorization_code&code=x",
            "unsupported_grant_type",
        ),
        ("grant_type=implicit", "unsupported_grant_type"),
        (
            "grant_type=REFRESH_TOKEN&refresh_token=x",
            "unsupported_grant_type",
        ),
        ("grant_type=password&username=alice", "invalid_request"),
    ] {
        assert_eq!(
            world.post(TOKEN, form).await.error(),
            (400, error.to_owned()),
            "{form}"
        );
    }
}

#[tokio::test]
async fn a_browser_refreshes_by_its_cookie_from_a_page_of_ours() {
    let world = World::new().await;
    let pair = world.sign_in().await;
    let form = "grant_type=refresh_token";
    let cookie = format!("__Secure-portcullis-refresh={}", pair.refresh);
    let without = world.send(post(TOKEN, form).with("cookie", &cookie)).await;
    assert_eq!(without.error(), (403, "cross_origin".to_owned()));
    let twice = format!("{cookie}; {cookie}");
    let twice = post(TOKEN, form)
        .with("cookie", &twice)
        .with("origin", ORIGIN);
    assert_eq!(world.send(twice).await.error().1, "invalid_request");
    let spoofed = post(TOKEN, form)
        .with("cookie", &cookie.replace("__Secure-", ""))
        .with("origin", ORIGIN);
    assert_eq!(world.send(spoofed).await.error().1, "invalid_request");
    let told = world
        .send(
            post(TOKEN, form)
                .with("cookie", &cookie)
                .with("origin", ORIGIN),
        )
        .await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.cookies().len(), 2);
    assert!(told.json().get("refresh_token").is_none());
    assert_eq!(world.session(pair.session).await.generation, 2);
}
