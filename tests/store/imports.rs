//! An import is one change: all of it, or nothing.

use portcullis::store::{Existing, ImportReport, NewUser, StoreError};

use crate::on_both;
use crate::place::{Place, actions, by, hash, name, names, rich, user};

on_both!(
    all_are_added,
    one_that_is_there_leaves_nothing,
    those_who_are_there_are_skipped,
    those_who_are_there_are_replaced,
    those_who_may_not_sign_in_are_disabled_at_once,
    a_name_that_stands_twice_leaves_nothing,
    what_the_database_refuses_leaves_nothing,
);

fn users(texts: &[&str]) -> Vec<NewUser> {
    texts.iter().map(|text| rich(text)).collect()
}

async fn all_are_added(place: &Place) {
    let store = place.open().await;
    let texts: Vec<String> = (0..300).map(|number| format!("user-{number:03}")).collect();
    let users: Vec<NewUser> = texts.iter().map(|text| user(text)).collect();
    let report = store
        .import_users(&users, Existing::Fail, None, &by())
        .await
        .unwrap();
    assert_eq!((report.added, report.replaced, report.skipped), (300, 0, 0));
    assert_eq!(names(&store).await, texts);
    assert_eq!(actions(&store).await.len(), 300);
    let nobody = store
        .import_users(&[], Existing::Fail, None, &by())
        .await
        .unwrap();
    assert_eq!(nobody, ImportReport::default());
}

async fn one_that_is_there_leaves_nothing(place: &Place) {
    let store = place.open().await;
    store.add_user(&user("Bob"), &by()).await.unwrap();
    let error = store
        .import_users(
            &users(&["alice", "BOB", "carol"]),
            Existing::Fail,
            None,
            &by(),
        )
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::AlreadyExists("BOB".to_owned()));
    assert_eq!(names(&store).await, ["Bob"]);
    assert_eq!(actions(&store).await, ["user.added Bob"]);
}

async fn those_who_are_there_are_skipped(place: &Place) {
    let store = place.open().await;
    let bob = store.add_user(&user("Bob"), &by()).await.unwrap();
    let report = store
        .import_users(
            &users(&["alice", "BOB", "carol"]),
            Existing::Skip,
            None,
            &by(),
        )
        .await
        .unwrap();
    assert_eq!((report.added, report.replaced, report.skipped), (2, 0, 1));
    let found = store.user(&name("bob")).await.unwrap().unwrap();
    assert_eq!((found.password, found.grants), (bob.password, bob.grants));
    let expected = ["user.added Bob", "user.added alice", "user.added carol"];
    assert_eq!(actions(&store).await, expected);
}

async fn those_who_are_there_are_replaced(place: &Place) {
    let store = place.open().await;
    let bob = store.add_user(&user("Bob"), &by()).await.unwrap();
    store
        .set_disabled(&name("bob"), true, None, &by())
        .await
        .unwrap();
    let new = rich("BOB");
    let report = store
        .import_users(
            &[rich("alice"), new.clone()],
            Existing::Replace,
            None,
            &by(),
        )
        .await
        .unwrap();
    assert_eq!((report.added, report.replaced, report.skipped), (1, 1, 0));
    let found = store.user(&name("bob")).await.unwrap().unwrap();
    assert_eq!(found.id, bob.id, "it is still the same user");
    assert_eq!(found.name.as_str(), "Bob");
    assert_eq!(found.password.as_ref(), new.password());
    assert_eq!(found.grants, *new.grants());
    assert!(found.disabled, "an import lets nobody in again");
    assert!(found.password_changed >= bob.password_changed);
    assert_eq!(
        actions(&store).await[2..],
        ["user.added alice", "user.replaced Bob"]
    );
}

async fn those_who_may_not_sign_in_are_disabled_at_once(place: &Place) {
    let store = place.open().await;
    let eve = store
        .add_user(&user("eve").disabled(), &by())
        .await
        .unwrap();
    assert!(eve.disabled);
    store.add_user(&user("bob"), &by()).await.unwrap();
    let users = [
        user("alice"),
        user("bob").disabled(),
        user("carol").disabled(),
    ];
    store
        .import_users(&users, Existing::Replace, None, &by())
        .await
        .unwrap();
    for user in store.users(None, 10).await.unwrap() {
        let expected = user.name != name("alice");
        assert_eq!(user.disabled, expected, "{}", user.name);
    }
    assert_eq!(
        actions(&store).await,
        [
            "user.added eve",
            "user.disabled eve",
            "user.added bob",
            "user.added alice",
            "user.replaced bob",
            "user.disabled bob",
            "user.added carol",
            "user.disabled carol",
        ]
    );
}

async fn a_name_that_stands_twice_leaves_nothing(place: &Place) {
    let store = place.open().await;
    for existing in [Existing::Fail, Existing::Skip, Existing::Replace] {
        let twice = users(&["alice", "bob", "ALICE"]);
        let error = store
            .import_users(&twice, existing, None, &by())
            .await
            .unwrap_err();
        assert_eq!(
            error,
            StoreError::Twice("alice".to_owned(), "ALICE".to_owned())
        );
    }
    assert!(names(&store).await.is_empty());
    assert!(actions(&store).await.is_empty());
}

async fn what_the_database_refuses_leaves_nothing(place: &Place) {
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    // The trail cannot be written any more: without a line there is no change.
    place.execute("ALTER TABLE audit RENAME TO hidden").await;
    let alice = name("alice");
    let errors = [
        store
            .add_user(&user("bob"), &by())
            .await
            .map(|_| ())
            .unwrap_err(),
        store
            .set_password(&alice, Some(&hash("new")), None, &by())
            .await
            .unwrap_err(),
        store
            .set_disabled(&alice, true, None, &by())
            .await
            .map(|_| ())
            .unwrap_err(),
        store
            .import_users(&users(&["carol", "dave"]), Existing::Fail, None, &by())
            .await
            .map(|_| ())
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(
            !format!("{error} {error:?}").contains("argon2"),
            "{error:?}"
        );
    }
    place.execute("ALTER TABLE hidden RENAME TO audit").await;
    assert_eq!(names(&store).await, ["alice"]);
    let found = store.user(&alice).await.unwrap().unwrap();
    assert_eq!(found.password, Some(hash("alice")));
    assert!(!found.disabled);
    assert_eq!(actions(&store).await, ["user.added alice"]);
}
