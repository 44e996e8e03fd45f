//! The trail: a line for each change, in order, without secrets.

use portcullis::store::{
    Action, Actor, AuditFilter, EndReason, Ending, Existing, Means, NewClient, RefusedSignIns,
    Store,
};

use crate::on_both;
use crate::place::{Place, by, hash, name, rich, trail, user};
use crate::sign_ins::{HERE, ISSUER, TOKENS, signed_in, start};

on_both!(
    each_change_has_its_line,
    every_action_is_written,
    lines_are_read_on_and_by_user,
    no_secret_is_in_it,
    whoever_did_it_is_shown_as_text,
);

async fn each_change_has_its_line(place: &Place) {
    let store = place.open().await;
    let admin = Actor {
        means: Means::Admin,
        who: "10.0.0.7".to_owned(),
    };
    let alice = store.add_user(&user("Alice"), &by()).await.unwrap();
    let key = name("alice");
    store
        .set_password(&key, Some(&hash("x")), None, &admin)
        .await
        .unwrap();
    store.set_password(&key, None, None, &admin).await.unwrap();
    store.set_disabled(&key, true, None, &by()).await.unwrap();
    store.set_disabled(&key, false, None, &by()).await.unwrap();
    let import = [rich("ALICE"), rich("bob")];
    store
        .import_users(&import, Existing::Replace, None, &by())
        .await
        .unwrap();

    let events = trail(&store).await;
    let expected = [
        (Action::UserAdded, "cli", "root", "Alice"),
        (Action::PasswordSet, "admin", "10.0.0.7", "Alice"),
        (Action::PasswordRemoved, "admin", "10.0.0.7", "Alice"),
        (Action::UserDisabled, "cli", "root", "Alice"),
        (Action::UserEnabled, "cli", "root", "Alice"),
        (Action::UserReplaced, "cli", "root", "Alice"),
        (Action::UserAdded, "cli", "root", "bob"),
    ];
    assert_eq!(events.len(), expected.len());
    for (event, (action, means, who, user)) in events.iter().zip(expected) {
        assert_eq!(&*event.action, action.as_str());
        assert_eq!((&*event.means, &*event.who), (means, who));
        assert_eq!(event.user_name.as_deref(), Some(user));
        assert_eq!(event.user == Some(alice.id), user == "Alice");
    }
    assert!(events.is_sorted_by(|a, b| a.number < b.number && a.at <= b.at));
}

/// Whatever there is to be done, once.
async fn do_everything(store: &Store) {
    let (by, key) = (by(), name("alice"));
    let (alice, session) = signed_in(store, "alice").await;
    let old = alice.password.clone().unwrap();
    let done = store.upgrade_hash(alice.id, &old, &hash("x"), &by).await;
    assert!(done.unwrap());
    let refused = RefusedSignIns {
        user: None,
        client: "portcullis",
        address: HERE,
        reason: "wrong password",
        count: 1,
    };
    store.record_refused(&refused, &by).await.unwrap();
    for (id, reason) in [
        (session.id, EndReason::Reused),
        (start(store, &alice).await.id, EndReason::Logout),
    ] {
        let ended = store.end_sessions(Ending::One(id), reason, TOKENS, &by);
        assert_eq!(ended.await.unwrap(), 1);
    }
    for password in [Some(&old), None] {
        store
            .set_password(&key, password, TOKENS, &by)
            .await
            .unwrap();
    }
    for disabled in [true, false] {
        let changed = store.set_disabled(&key, disabled, TOKENS, &by).await;
        assert!(changed.unwrap());
    }
    store
        .import_users(&[user("alice")], Existing::Replace, TOKENS, &by)
        .await
        .unwrap();
    let client = NewClient::new("batch", None, ["x"]).unwrap();
    store.add_client(&client, &by).await.unwrap();
    for disabled in [true, false] {
        let changed = store.set_client_disabled("batch", disabled, TOKENS, &by);
        assert!(changed.await.unwrap());
    }
    store
        .set_client_secret("batch", [1; 32], &by)
        .await
        .unwrap();
    let removed = store.unrevoke(ISSUER, "client", "batch", &by).await;
    assert!(removed.unwrap());
}

async fn every_action_is_written(place: &Place) {
    let store = place.open().await;
    do_everything(&store).await;
    crate::signing_keys::come_and_go(&store).await;
    let events = trail(&store).await;
    for action in Action::ALL {
        let recorded = events.iter().any(|event| &*event.action == action.as_str());
        assert!(recorded, "{}", action.as_str());
    }
}

async fn lines_are_read_on_and_by_user(place: &Place) {
    let store = place.open().await;
    for text in ["alice", "bob"] {
        store.add_user(&user(text), &by()).await.unwrap();
    }
    for disabled in [true, false, true] {
        store
            .set_disabled(&name("bob"), disabled, None, &by())
            .await
            .unwrap();
    }
    let bob = AuditFilter {
        user: Some(name("BOB")),
        before: None,
    };
    assert_eq!(store.audit(&bob, 10).await.unwrap().len(), 4);
    let nobody = AuditFilter {
        user: Some(name("nobody")),
        before: None,
    };
    assert!(store.audit(&nobody, 10).await.unwrap().is_empty());
    // The latest first, in pages.
    let mut numbers = Vec::new();
    let mut filter = AuditFilter::default();
    loop {
        let page = store.audit(&filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.number);
        numbers.extend(page.iter().map(|event| event.number));
    }
    assert_eq!(numbers.len(), 5);
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
}

async fn no_secret_is_in_it(place: &Place) {
    let store = place.open().await;
    let given = rich("alice");
    let hash = given.password().unwrap().as_str().to_owned();
    store.add_user(&given, &by()).await.unwrap();
    store
        .set_password(&name("alice"), given.password(), None, &by())
        .await
        .unwrap();
    let import = [given];
    store
        .import_users(&import, Existing::Replace, None, &by())
        .await
        .unwrap();
    let shown = format!("{:?}", trail(&store).await);
    for secret in [&hash, "argon2", "acme", "orders:read"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let digest = hash.rsplit('$').next().unwrap();
    let user = store.user(&name("alice")).await.unwrap().unwrap();
    assert!(!format!("{user:?}").contains(digest), "{user:?}");
    assert!(!format!("{store:?}").contains('/'), "{store:?}");
}

async fn whoever_did_it_is_shown_as_text(place: &Place) {
    let store = place.open().await;
    let odd = Actor {
        means: Means::User,
        who: format!("a\n\u{1b}[31m\0{}", "ä".repeat(1000)),
    };
    store.add_user(&user("alice"), &odd).await.unwrap();
    let who = &trail(&store).await[0].who;
    assert_eq!(who.chars().count(), 255);
    assert!(!who.chars().any(char::is_control), "{who:?}");
}
