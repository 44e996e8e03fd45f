//! Sessions are started, found and listed.

use std::time::Duration;

use portcullis::store::{EndReason, Ending, NewSession, Session, SessionFilter, Store};
use uuid::Uuid;

use crate::on_both;
use crate::place::{Place, actions, by, name, rich, trail};
use crate::sign_ins::{
    CAP, HERE, IDLE, TOKENS, add, refresh, self_service, session_of, signed_in, start, token,
};

on_both!(
    what_is_started_is_found,
    the_end_comes_before_the_idle_time_does,
    only_who_may_sign_in_gets_a_session,
    a_password_that_was_changed_meanwhile_starts_none,
    lists_go_by_user_and_by_page,
    no_secret_of_a_session_is_shown,
    what_a_device_says_is_cut,
);

async fn live(store: &Store, user: Option<Uuid>) -> Vec<Session> {
    let filter = SessionFilter {
        user,
        live_only: true,
    };
    store.sessions(&filter, None, 100).await.unwrap()
}

async fn what_is_started_is_found(place: &Place) {
    let store = place.open().await;
    let user = store.add_user(&rich("alice"), &by()).await.unwrap();
    let new = session_of(&user);
    let started = store.start_session(&new, &self_service()).await.unwrap();
    let started = started.unwrap();
    assert_eq!(started.id, new.id);
    assert_eq!(started.user, user.id);
    assert_eq!((started.client, started.scopes), (new.client, new.scopes));
    assert_eq!((started.device, started.address), (new.device, HERE));
    assert_eq!(started.generation, 1);
    assert_eq!(started.ended, None);
    assert_eq!(started.last_seen, started.created);
    let after = |from: jiff::Timestamp, time: Duration| from + time;
    assert_eq!(started.expires, after(started.created, IDLE));
    assert_eq!(started.ends, after(started.created, CAP));

    let family = store.family(new.id).await.unwrap().unwrap();
    let found = store.session(new.id).await.unwrap().unwrap();
    assert_eq!(family.session, found);
    assert_eq!(found.expires, started.expires);
    assert_eq!(family.sealed_secret, new.sealed_secret);
    assert_eq!(family.user.id, user.id);
    assert_eq!(family.user.grants, user.grants);
    assert_eq!(store.user_of(user.id).await.unwrap().unwrap().id, user.id);
    assert_eq!(live(&store, Some(user.id)).await, [found]);

    let nobody = Uuid::now_v7();
    assert!(store.family(nobody).await.unwrap().is_none());
    assert!(store.session(nobody).await.unwrap().is_none());
    assert!(store.user_of(nobody).await.unwrap().is_none());

    let event = trail(&store).await.pop().unwrap();
    assert_eq!(&*event.action, "session.started");
    assert_eq!((&*event.means, &*event.who), ("user", "alice"));
    assert_eq!((event.user, event.session), (Some(user.id), Some(new.id)));
    assert_eq!(event.client.as_deref(), Some("portcullis"));
    assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
}

async fn the_end_comes_before_the_idle_time_does(place: &Place) {
    let store = place.open().await;
    let user = add(&store, "alice").await;
    let new = NewSession {
        idle: Duration::from_hours(20),
        ..session_of(&user)
    };
    let started = store.start_session(&new, &by()).await.unwrap().unwrap();
    assert_eq!(started.expires, started.ends);
    // For ever is a time that the tables can hold.
    let new = NewSession {
        idle: Duration::MAX,
        cap: Duration::MAX,
        ..session_of(&user)
    };
    store.start_session(&new, &by()).await.unwrap_err();
    store.session(started.id).await.unwrap().unwrap();
}

async fn only_who_may_sign_in_gets_a_session(place: &Place) {
    let store = place.open().await;
    let user = add(&store, "alice").await;
    let alice = name("alice");
    store
        .set_disabled(&alice, true, TOKENS, &by())
        .await
        .unwrap();
    let refused = store.start_session(&session_of(&user), &by()).await;
    assert_eq!(refused.unwrap(), None);
    let nobody = NewSession {
        user: Uuid::now_v7(),
        ..session_of(&user)
    };
    assert_eq!(store.start_session(&nobody, &by()).await.unwrap(), None);
    assert!(live(&store, None).await.is_empty());
    // What was refused leaves no line.
    assert_eq!(
        actions(&store).await,
        ["user.added alice", "user.disabled alice"]
    );
    store
        .set_disabled(&alice, false, TOKENS, &by())
        .await
        .unwrap();
    start(&store, &user).await;
}

async fn a_password_that_was_changed_meanwhile_starts_none(place: &Place) {
    let store = place.open().await;
    let alice = name("alice");
    add(&store, "alice").await;
    // However fast one follows the other, or if the clock was set back, each password has a moment of its own.
    for ahead in [0, 0, 3_600_000] {
        let set = format!("UPDATE users SET password_changed = password_changed + {ahead}");
        place.execute(&set).await;
        let seen = store.user(&alice).await.unwrap().unwrap();
        store
            .set_password(&alice, seen.password.as_ref(), TOKENS, &by())
            .await
            .unwrap();
        let refused = store.start_session(&session_of(&seen), &by()).await;
        assert_eq!(refused.unwrap(), None);
        let now = store.user(&alice).await.unwrap().unwrap();
        assert!(now.password_changed > seen.password_changed);
        start(&store, &now).await;
    }
}

async fn lists_go_by_user_and_by_page(place: &Place) {
    let store = place.open().await;
    let (alice, first) = signed_in(&store, "alice").await;
    let (bob, _) = signed_in(&store, "bob").await;
    for _ in 0..4 {
        start(&store, &alice).await;
    }
    assert_eq!(live(&store, Some(alice.id)).await.len(), 5);
    assert_eq!(live(&store, Some(bob.id)).await.len(), 1);
    assert_eq!(live(&store, None).await.len(), 6);
    assert!(live(&store, Some(Uuid::now_v7())).await.is_empty());

    let mut seen = Vec::new();
    let mut after = None;
    let everyone = SessionFilter::default();
    loop {
        let page = store.sessions(&everyone, after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|session| session.id));
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted());

    // What has ended is seen by those who ask for all.
    let ending = Ending::One(first.id);
    let reason = EndReason::Logout;
    store
        .end_sessions(ending, reason, TOKENS, &by())
        .await
        .unwrap();
    let over = live(&store, Some(bob.id)).await[0].id;
    place
        .execute("UPDATE sessions SET expires = started WHERE user_id = (SELECT id FROM users WHERE name = 'bob')")
        .await;
    assert_eq!(live(&store, Some(alice.id)).await.len(), 4);
    assert!(live(&store, Some(bob.id)).await.is_empty());
    let all = store.sessions(&everyone, None, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    let by_id = |id| all.iter().find(|session| session.id == id).unwrap();
    assert_eq!(by_id(first.id).ended.unwrap().1, reason);
    assert_eq!(by_id(over).ended, None);
}

async fn no_secret_of_a_session_is_shown(place: &Place) {
    let store = place.open().await;
    let user = add(&store, "alice").await;
    let new = session_of(&user);
    start(&store, &user).await;
    let id = live(&store, None).await[0].id;
    refresh(&store, id, 1).await;
    let family = store.family(id).await.unwrap().unwrap();
    let shown = format!(
        "{new:?} {family:?} {:?} {:?}",
        crate::sign_ins::usage(id, 1),
        trail(&store).await
    );
    let secrets = [
        format!("{:?}", new.sealed_secret),
        "sealed-secret-of".to_owned(),
        format!("{:?}", token(1)),
        format!("{:?}", token(2)),
    ];
    for secret in secrets {
        let inner = secret.trim_matches(['[', ']']);
        assert!(!shown.contains(inner), "{shown}");
    }
}

async fn what_a_device_says_is_cut(place: &Place) {
    let store = place.open().await;
    let user = add(&store, "alice").await;
    let new = NewSession {
        device: format!("a\u{1b}[31m\0{}", "ä".repeat(1000)).into(),
        ..session_of(&user)
    };
    let session = store.start_session(&new, &by()).await.unwrap().unwrap();
    assert_eq!(session.device.chars().count(), 256);
    assert!(!session.device.chars().any(char::is_control));
}
