//! The trail: a line for each change, in order, without secrets.

use portcullis::store::{Action, Actor, AuditFilter, Existing, Means};

use crate::on_both;
use crate::place::{Place, by, hash, name, rich, trail, user};

on_both!(
    each_change_has_its_line,
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
