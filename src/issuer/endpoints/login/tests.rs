use http::Method;
use serde_json::json;

use crate::issuer::testing::{
    ALICE, ORIGIN, World, asked, claims, name, operator, post, post_json,
};
use crate::metrics::SignIn;
use crate::passwords::PasswordHash;
use crate::store::AuditFilter;

const LOGIN: &str = "/auth/login";

#[tokio::test]
async fn a_form_and_json_give_tokens_of_a_session() {
    let world = World::new().await;
    let form = post(LOGIN, "username=ALICE+&password=correct+horse");
    let json = post_json(LOGIN, &json!({ "username": "alice", "password": ALICE }));
    for asked in [form.with("user-agent", "tests/1"), json] {
        let told = world.send(asked).await;
        let pair = told.pair();
        let body = told.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 900);
        assert_eq!(body["scope"], "read write");
        assert_eq!(told.field("cache-control"), Some("no-store"));
        assert!(told.cookies().is_empty());
        let said = claims(&pair.access);
        assert_eq!(said["iss"], "https://localhost:8443/auth");
        assert_eq!(said["aud"], "demo");
        assert_eq!(said["client_id"], "portcullis");
        assert_eq!(said["sid"], pair.session.to_string());
        assert_eq!(said["scope"], "read write");
        assert_eq!(said["roles"], json!(["admin"]));
        assert_eq!(said["team"], "blue");
        assert_eq!(world.status_of(&pair.access).await, 200);
        let session = world.session(pair.session).await;
        assert_eq!(session.user.to_string(), said["sub"].as_str().unwrap());
        assert!(["", "tests/1"].contains(&&*session.device));
    }
    assert_eq!(world.live_sessions().await, 2);
    assert_eq!(world.trail().await[0], "session.started");
    assert_eq!(world.metrics().sign_ins(SignIn::Success), 2);
}

/// F12: status, body, fields, the number of hashes and the moment of the answer are the same.
#[tokio::test]
async fn nobody_learns_whose_name_is_known() {
    let world = World::new().await;
    world.add_user("no-password", None).await;
    world
        .add_user("off", Some(crate::issuer::testing::own_hash(ALICE)))
        .await;
    let off = name("off");
    world
        .store
        .set_disabled(&off, true, None, &operator())
        .await
        .unwrap();
    let mut seen = Vec::new();
    for (number, (user, password)) in [
        ("alice", "wrong"),
        ("alice", "correct horse "),
        ("alice", "Correct horse"),
        ("nobody", "wrong"),
        ("nobody", ALICE),
        ("no-password", ALICE),
        ("off", ALICE),
        ("\u{200b}", "wrong"),
        ("x'; DROP TABLE users; --", "wrong"),
        (&"x".repeat(300), "wrong"),
        ("alice", &"x".repeat(1000)),
        ("nobody", &"x".repeat(1000)),
        ("alice", "y"),
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.hashed();
        let body = json!({ "username": user, "password": password });
        let asked = post_json(LOGIN, &body).from(&format!("192.0.2.{number}"));
        let told = world.send(asked).await;
        assert_eq!(told.error(), (401, "invalid_grant".to_owned()), "{user}");
        assert_eq!(world.hashed() - before, 1, "{user}");
        // Which one depends on how busy this machine is.
        let release = told.release.unwrap().as_millis();
        assert_eq!(release % 500, 0, "{user}");
        seen.push((told.answer.headers().clone(), told.answer.body().clone()));
    }
    assert!(seen.iter().all(|answer| *answer == seen[0]));
    assert_eq!(world.live_sessions().await, 0);
    assert_eq!(world.metrics().sign_ins(SignIn::Refused), 13);
    // The trail tells them apart, and has nothing of what was typed.
    let events = world
        .store
        .audit(&AuditFilter::default(), 100)
        .await
        .unwrap();
    let refused: Vec<_> = events
        .iter()
        .filter(|event| &*event.action == "sign_in.refused")
        .collect();
    assert_eq!(refused.len(), 13);
    let shown = format!("{refused:?}");
    assert!(!shown.contains("DROP") && !shown.contains("xxx"), "{shown}");
}

/// F14: what somebody wrote into the store costs nothing and opens nothing.
#[tokio::test]
async fn a_stored_hash_that_cannot_be_one_is_wrong_like_any_other() {
    let world = World::new().await;
    for hash in [
        "$argon2id$v=19$m=4194304,t=1000,p=255$c2FsdHNhbHRzYWx0c2FsdA$aomSxe9+DWlvzNsUOfEW2uZu88YvvD3nvPNYlN7DDDo",
        "$2b$31$xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.",
        "correct horse",
        "",
    ] {
        world.spoil_password("alice", hash).await;
        let before = world.hashed();
        let told = world
            .post(LOGIN, "username=alice&password=correct+horse")
            .await;
        assert_eq!(told.error(), (401, "invalid_grant".to_owned()), "{hash}");
        assert_eq!(world.hashed() - before, 1, "{hash}");
        assert!(told.release.is_some());
    }
}

#[tokio::test]
async fn what_is_no_sign_in_is_told_before_anything_is_hashed() {
    let world = World::new().await;
    let long = "x".repeat(1025);
    let (form, text) = ("application/x-www-form-urlencoded", "application/json");
    let rows = [
        (form, "username=alice".to_owned(), 400),
        (form, "password=x".to_owned(), 400),
        (form, "username=alice&password=".to_owned(), 400),
        (form, "username=&password=x".to_owned(), 400),
        (
            form,
            "username=alice&username=bob&password=x".to_owned(),
            400,
        ),
        (form, "username=ali%00ce&password=x".to_owned(), 400),
        (form, "username=alice%0d%0aX:y&password=x".to_owned(), 400),
        (form, format!("username=alice&password={long}"), 400),
        (form, "username=alice&password=x&scope=a++b".to_owned(), 400),
        (
            form,
            "username=alice&password=x&cookies=maybe".to_owned(),
            400,
        ),
        (form, "a".repeat(70_000), 413),
        (
            text,
            r#"{"username":"alice","password":["x"]}"#.to_owned(),
            400,
        ),
        (
            text,
            r#"{"username":{"$ne":""},"password":"x"}"#.to_owned(),
            400,
        ),
        (
            text,
            r#"{"username":"alice","password":"x","password":"y"}"#.to_owned(),
            400,
        ),
        (text, "[".repeat(60_000), 400),
        (text, String::new(), 400),
        ("text/plain", "username=alice&password=x".to_owned(), 415),
        ("multipart/form-data; boundary=x", "--x--".to_owned(), 415),
        ("application/json; charset=utf-16", "{}".to_owned(), 415),
        ("", "username=alice&password=x".to_owned(), 415),
        ("", String::new(), 400),
    ];
    for (content_type, body, status) in rows {
        let shown = body.chars().take(60).collect::<String>();
        let told = world
            .send(asked(&Method::POST, LOGIN, content_type, &body))
            .await;
        assert_eq!(told.status(), status, "{content_type} {shown}");
        assert!(!told.error().1.is_empty());
    }
    let mut in_target = post(LOGIN, "username=alice");
    in_target.query = Some("password=x".into());
    assert_eq!(world.send(in_target).await.status(), 400);
    assert_eq!(world.hashed(), 0);
}

/// F16: a member that nobody asks for gives nobody anything.
#[tokio::test]
async fn nobody_gets_roles_by_asking() {
    let world = World::new().await;
    let body = json!({ "username": "bob", "password": "hunter2", "role": "root", "roles": ["root"],
        "sub": "alice", "client_id": "backend", "scopes": ["jobs"], "scope": "read" });
    let told = world.send(post_json(LOGIN, &body)).await;
    let said = claims(&told.pair().access);
    assert_eq!(said["roles"], json!(["admin"]));
    assert_eq!(said["client_id"], "portcullis");
    assert_eq!(said["scope"], "read");
    assert_ne!(said["sub"], "alice");
}

#[tokio::test]
async fn scopes_are_those_of_the_user_at_most() {
    let world = World::new().await;
    for (scope, granted) in [
        ("write", Some("write")),
        ("read jobs", Some("read")),
        ("jobs", None),
    ] {
        let body = json!({ "username": "alice", "password": ALICE, "scope": scope });
        let told = world.send(post_json(LOGIN, &body)).await;
        match granted {
            Some(granted) => assert_eq!(told.json()["scope"], granted),
            None => assert_eq!(told.error(), (400, "invalid_scope".to_owned())),
        }
    }
}

/// F15: whatever a client says of its address and however it writes a name, it is one pair.
#[tokio::test]
async fn the_sixth_attempt_of_a_pair_has_to_wait() {
    let world = World::new().await;
    let spellings = ["alice", "ALICE", " alice ", "Alice", "\u{ff41}lice"];
    for (number, user) in spellings.into_iter().enumerate() {
        let body = json!({ "username": user, "password": "wrong" });
        let asked = post_json(LOGIN, &body).with("x-forwarded-for", &format!("10.0.0.{number}"));
        assert_eq!(world.send(asked).await.status(), 401);
    }
    let right = "username=alice&password=correct+horse";
    let told = world.post(LOGIN, right).await;
    assert_eq!(told.error(), (429, "too_many_attempts".to_owned()));
    assert_eq!(told.field("retry-after"), Some("1"));
    assert_eq!(told.release, None);
    assert_eq!(world.hashed(), 5);
    // Nobody else suffers, and alice only there.
    let elsewhere = post(LOGIN, right).from("192.0.2.77");
    assert_eq!(world.send(elsewhere).await.status(), 200);
    assert_eq!(
        world
            .post(LOGIN, "username=bob&password=hunter2")
            .await
            .status(),
        200
    );
    // A name that nobody has is treated alike.
    for _ in 0..5 {
        assert_eq!(
            world
                .post(LOGIN, "username=nobody&password=x")
                .await
                .status(),
            401
        );
    }
    assert_eq!(
        world
            .post(LOGIN, "username=nobody&password=x")
            .await
            .status(),
        429
    );
    assert_eq!(world.metrics().sign_ins(SignIn::Throttled), 2);
}

#[tokio::test]
async fn a_hash_of_another_program_is_made_anew_at_the_first_sign_in() {
    let world = World::new().await;
    // htpasswd 2.4.71 -s and -m, PyPI bcrypt 5.0.
    for (user, hash) in [
        ("sha", "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="),
        ("apr1", "$apr1$KxOXBE.v$KgCmKZWkWGkVMRuMdGZtk/"),
        (
            "bcrypt",
            "$2b$04$xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.",
        ),
    ] {
        world
            .add_user(user, Some(PasswordHash::parse(hash).unwrap()))
            .await;
        world
            .post(LOGIN, &format!("username={user}&password=wrong"))
            .await;
        let kept = world.store.user(&name(user)).await.unwrap().unwrap();
        assert_eq!(kept.password.unwrap().as_str(), hash);
        for _ in 0..2 {
            let pair = world.sign_in_as(user, ALICE).await;
            assert_eq!(world.status_of(&pair.access).await, 200);
        }
        let user = world.store.user(&name(user)).await.unwrap().unwrap();
        assert!(!user.password.unwrap().is_outdated());
    }
    let anew = world.trail().await;
    let anew = anew
        .iter()
        .filter(|action| *action == "user.password_hashed");
    assert_eq!(anew.count(), 3);
}

#[tokio::test]
async fn cookies_hold_the_tokens_and_the_body_has_none() {
    let world = World::new().await;
    let form = "username=alice&password=correct+horse&cookies=true";
    let told = world.send(post(LOGIN, form).with("origin", ORIGIN)).await;
    assert_eq!(told.status(), 200);
    let [access, refresh] = told.cookies()[..] else {
        panic!("{:?}", told.cookies());
    };
    assert!(access.starts_with("__Host-portcullis=ey"), "{access}");
    assert!(
        access.ends_with("; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=Lax"),
        "{access}"
    );
    assert!(
        refresh.starts_with("__Secure-portcullis-refresh=prt_"),
        "{refresh}"
    );
    let attributes = "; Path=/auth; Max-Age=604800; HttpOnly; Secure; SameSite=Strict";
    // The database's clock may be a second away from ours.
    let other = attributes.replace("604800", "604799");
    assert!(
        refresh.ends_with(attributes) || refresh.ends_with(&other),
        "{refresh}"
    );
    let body = told.json();
    assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none());
    assert_eq!(body["expires_in"], 900);
}

/// F11: no page of another origin signs its visitor in.
#[tokio::test]
async fn cookies_are_only_for_pages_of_the_own_origin() {
    let world = World::new().await;
    let form = "username=alice&password=correct+horse&cookies=true";
    for origins in [
        &[][..],
        &["null"],
        &["https://localhost"],
        &["http://localhost:8443"],
        &["https://localhost:8443/"],
        &["https://localhost:8443.evil.example"],
        &["https://evil.example"],
        &[ORIGIN, ORIGIN],
        &[ORIGIN, "https://evil.example"],
    ] {
        let asked = post(LOGIN, form);
        let asked = origins
            .iter()
            .fold(asked, |asked, origin| asked.with("origin", origin));
        let told = world.send(asked).await;
        assert_eq!(
            told.error(),
            (403, "cross_origin".to_owned()),
            "{origins:?}"
        );
        assert!(told.cookies().is_empty());
    }
    let off = World::but("cookies = true\npage = true", "").await;
    let told = off.send(post(LOGIN, form).with("origin", ORIGIN)).await;
    assert_eq!(told.status(), 400);
    assert_eq!(world.hashed() + off.hashed(), 0);
}

/// F11: a cookie that somebody planted is not taken over.
#[tokio::test]
async fn each_sign_in_has_new_ids() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let cookie = format!(
        "__Host-portcullis={}; __Secure-portcullis-refresh={}",
        first.access, first.refresh
    );
    let asked = post(LOGIN, "username=bob&password=hunter2").with("cookie", &cookie);
    let second = world.send(asked).await.pair();
    assert_ne!(first.session, second.session);
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(claims(&first.access)["sub"], claims(&second.access)["sub"]);
}

/// F13: too many at once are told so, and cost nothing.
#[tokio::test]
async fn a_flood_of_sign_ins_is_turned_away() {
    let world = World::new().await;
    let all = (0..200_u8).map(|number| {
        let asked = post(LOGIN, &format!("username=user{number}&password=wrong"));
        world.send(asked.from(&format!("198.51.100.{number}")))
    });
    let told = futures_util::future::join_all(all).await;
    let count = |status: u16| told.iter().filter(|told| told.status() == status).count();
    // Four run and 64 wait.
    assert!(count(401) >= 68, "{}", count(401));
    assert_eq!(count(401) + count(503), 200);
    assert!(count(503) > 0);
    let full = told.iter().find(|told| told.status() == 503).unwrap();
    assert_eq!(full.error().1, "temporarily_unavailable");
    assert_eq!(full.field("retry-after"), Some("1"));
    assert_eq!(usize::try_from(world.hashed()).unwrap(), count(401));
    // Nobody found out whether they were right: nothing counts against them.
    world.sign_in().await;
}
