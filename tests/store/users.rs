//! Users are added, found, listed and changed.

use std::sync::Arc;

use portcullis::store::{NewUser, StoreError};
use tokio::sync::Barrier;

use crate::on_both;
use crate::place::{Place, actions, by, hash, name, names, rich, user};

on_both!(
    what_is_stored_is_what_was_given,
    names_that_are_one_account,
    one_of_many_at_once_wins,
    pages_follow_the_order_of_names,
    passwords_are_set_and_taken_away,
    users_are_disabled_and_enabled,
    a_restart_keeps_everything,
    whoever_is_not_there_is_told,
);

async fn what_is_stored_is_what_was_given(place: &Place) {
    let store = place.open().await;
    assert!(store.user(&name("alice")).await.unwrap().is_none());
    let given = rich("Zo\u{e9} Müller");
    let added = store.add_user(&given, &by()).await.unwrap();
    let found = store.user(&name("ZOE\u{301} MÜLLER")).await.unwrap();
    let found = found.expect("it was added");
    for user in [&added, &found] {
        assert_eq!(user.name.as_str(), "Zo\u{e9} Müller");
        assert_eq!(user.password.as_ref(), given.password());
        assert_eq!(user.grants, *given.grants());
        assert!(!user.disabled);
        assert_eq!(user.id, added.id);
        assert_eq!(user.created, added.created);
        assert_eq!(user.changed, user.created);
        assert_eq!(user.password_changed, user.created);
    }
    // The database's clock is that of this machine, or near it; 2026 is past.
    assert!(
        added.created.as_second() > 1_760_000_000,
        "{}",
        added.created
    );
    assert_eq!(added.id.get_version_num(), 7);

    let bare = NewUser::new(name("bare"), None);
    let bare = store.add_user(&bare, &by()).await.unwrap();
    assert!(bare.password.is_none() && bare.grants.roles().is_empty());
    assert!(bare.id > added.id, "ids follow age");
}

async fn names_that_are_one_account(place: &Place) {
    let store = place.open().await;
    for (first, others) in [
        ("Alice", ["ALICE ", "ａｌｉｃｅ", "\talice"]),
        ("Zo\u{e9}", ["zoe\u{301}", "ZO\u{c9}", " Zoé"]),
        ("straße", ["STRASSE", "Strasse", "straße\u{a0}"]),
        ("ﬁona b", ["fiona b", "FIONA\u{a0}B", "Fiona B"]),
    ] {
        let added = store.add_user(&user(first), &by()).await.unwrap();
        for other in others {
            let again = store.add_user(&user(other), &by()).await.unwrap_err();
            assert_eq!(again, StoreError::AlreadyExists(name(other).to_string()));
            let found = store.user(&name(other)).await.unwrap().expect(other);
            assert_eq!(found.id, added.id);
            // As it was written first.
            assert_eq!(found.name.as_str(), first);
        }
    }
    assert_eq!(names(&store).await.len(), 4);
    assert_eq!(actions(&store).await.len(), 4, "what failed leaves no line");
}

async fn one_of_many_at_once_wins(place: &Place) {
    const TASKS: usize = 16;
    // Two stores, as two processes have them.
    let stores = [place.open().await, place.open().await];
    let barrier = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, barrier) = (stores[task % 2].clone(), Arc::clone(&barrier));
            // In capitals or not, it is the same name.
            let new = user(if task % 3 == 0 { "ALICE" } else { "alice" });
            tokio::spawn(async move {
                barrier.wait().await;
                store.add_user(&new, &by()).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(StoreError::AlreadyExists(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(names(&stores[0]).await.len(), 1);
    assert_eq!(actions(&stores[1]).await.len(), 1);
}

async fn pages_follow_the_order_of_names(place: &Place) {
    let store = place.open().await;
    // Byte by byte of the keys: a locale would put `Ä` beside `a`, and pass over the dash.
    let ordered = ["a-c", "ab", "B", "c", "z", "Ärger", "ω"];
    for user in ordered.iter().rev().map(|text| user(text)) {
        store.add_user(&user, &by()).await.unwrap();
    }
    assert_eq!(names(&store).await, ordered);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.users(after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        seen.extend(page.iter().map(|user| user.name.to_string()));
    }
    assert_eq!(seen, ordered);
    assert!(store.users(None, 0).await.unwrap().is_empty());
}

async fn passwords_are_set_and_taken_away(place: &Place) {
    let store = place.open().await;
    let added = store.add_user(&rich("alice"), &by()).await.unwrap();
    let new = hash("another");
    // The clock is that of the database, in milliseconds: no sleep makes it certain that it moved.
    let alice = name("Alice");
    store
        .set_password(&alice, Some(&new), None, &by())
        .await
        .unwrap();
    let found = store.user(&alice).await.unwrap().unwrap();
    assert_eq!(found.password.as_ref(), Some(&new));
    assert_eq!(found.grants, added.grants);
    assert!(found.password_changed >= added.created && found.changed >= added.created);
    assert_eq!(found.password_changed, found.changed);
    assert_eq!(found.created, added.created);

    store.set_password(&alice, None, None, &by()).await.unwrap();
    assert!(
        store
            .user(&alice)
            .await
            .unwrap()
            .unwrap()
            .password
            .is_none()
    );
    let expected = ["user.added", "user.password_set", "user.password_removed"];
    assert_eq!(
        actions(&store).await,
        expected.map(|action| format!("{action} alice"))
    );
}

async fn users_are_disabled_and_enabled(place: &Place) {
    let store = place.open().await;
    let added = store.add_user(&user("alice"), &by()).await.unwrap();
    let alice = name("alice");
    for (disabled, changes) in [(false, false), (true, true), (true, false), (false, true)] {
        let changed = store
            .set_disabled(&alice, disabled, None, &by())
            .await
            .unwrap();
        assert_eq!(changed, changes);
        let found = store.user(&alice).await.unwrap().unwrap();
        assert_eq!(found.disabled, disabled);
        assert_eq!(found.password, added.password);
        assert_eq!(found.password_changed, added.password_changed);
    }
    let expected = ["user.added", "user.disabled", "user.enabled"];
    assert_eq!(
        actions(&store).await,
        expected.map(|action| format!("{action} alice"))
    );
}

async fn a_restart_keeps_everything(place: &Place) {
    let store = place.open().await;
    let mut added = Vec::new();
    for text in ["alice", "bob", "carol"] {
        added.push(store.add_user(&rich(text), &by()).await.unwrap());
    }
    store
        .set_disabled(&name("bob"), true, None, &by())
        .await
        .unwrap();
    let trail = actions(&store).await;
    store.close().await;

    let store = place.open().await;
    let users = store.users(None, 10).await.unwrap();
    for (user, added) in users.iter().zip(&added) {
        assert_eq!((user.id, &user.password), (added.id, &added.password));
        assert_eq!(user.grants, added.grants);
        assert_eq!(user.disabled, user.name == name("bob"));
    }
    assert_eq!(users.len(), added.len());
    assert_eq!(actions(&store).await, trail);
}

async fn whoever_is_not_there_is_told(place: &Place) {
    let store = place.open().await;
    let nobody = name("Nobody");
    let expected = StoreError::NotFound("Nobody".to_owned());
    let errors = [
        store
            .set_password(&nobody, Some(&hash("x")), None, &by())
            .await
            .unwrap_err(),
        store
            .set_password(&nobody, None, None, &by())
            .await
            .unwrap_err(),
        store
            .set_disabled(&nobody, true, None, &by())
            .await
            .unwrap_err(),
        store
            .set_disabled(&nobody, false, None, &by())
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error, expected);
        assert!(!error.is_unavailable());
    }
    assert!(actions(&store).await.is_empty());
    // And the store still works.
    store.add_user(&user("nobody"), &by()).await.unwrap();
}
