//! Sessions end together with their tokens.

use std::time::Duration;

use portcullis::store::{
    EndReason, Ending, Existing, LocalTokens, PasswordChange, RefusedSignIns, SessionFilter, Store,
};
use uuid::Uuid;

use crate::on_both;
use crate::place::{Place, by, hash, name, names, rich, trail, user};
use crate::sign_ins::{
    HERE, TOKENS, add, refresh, revocations, revoked_sessions, self_service, session_of, signed_in,
    start,
};

on_both!(
    each_kind_of_end_ends_what_it_says,
    what_has_just_expired_is_revoked_too,
    revocations_are_kept_as_long_as_tokens_live,
    without_a_local_issuer_nothing_is_revoked,
    a_change_of_the_password_ends_the_others,
    a_password_is_changed_by_who_knew_the_last_one,
    whatever_takes_a_users_rights_ends_its_sessions,
    an_import_ends_the_sessions_of_whom_it_changes,
    a_better_hash_ends_nothing,
    refused_sign_ins_are_told_in_bounds,
    what_fails_at_the_end_leaves_nothing,
    thousands_end_at_once,
);

async fn live(store: &Store) -> Vec<Uuid> {
    let filter = SessionFilter {
        user: None,
        live_only: true,
    };
    let sessions = store.sessions(&filter, None, u32::MAX).await.unwrap();
    sessions.iter().map(|session| session.id).collect()
}

async fn end(store: &Store, which: Ending<'_>) -> usize {
    store
        .end_sessions(which, EndReason::Logout, TOKENS, &self_service())
        .await
        .unwrap()
}

async fn each_kind_of_end_ends_what_it_says(place: &Place) {
    let store = place.open().await;
    let alice = add(&store, "alice").await;
    let bob = add(&store, "bob").await;
    let mut ids = Vec::new();
    for user in [&alice, &alice, &alice, &alice, &bob] {
        ids.push(start(&store, user).await.id);
    }
    let mut new = session_of(&bob);
    new.client = "cli".into();
    store.start_session(&new, &by()).await.unwrap().unwrap();
    ids.push(new.id);

    let others = Ending::OthersOf {
        user: alice.id,
        keep: ids[1],
    };
    for (which, ended, left) in [
        (Ending::One(Uuid::now_v7()), 0, vec![0, 1, 2, 3, 4, 5]),
        (Ending::One(ids[0]), 1, vec![1, 2, 3, 4, 5]),
        (Ending::One(ids[0]), 0, vec![1, 2, 3, 4, 5]),
        (others, 2, vec![1, 4, 5]),
        (Ending::OfUser(alice.id), 1, vec![4, 5]),
        (Ending::OfClient("cli"), 1, vec![4]),
        (Ending::OfClient("nobody"), 0, vec![4]),
        (Ending::All, 1, vec![]),
    ] {
        assert_eq!(end(&store, which).await, ended, "{which:?}");
        let expected: Vec<Uuid> = left.into_iter().map(|index: usize| ids[index]).collect();
        assert_eq!(live(&store).await, expected, "{which:?}");
    }
    assert_eq!(revoked_sessions(&store).await, ids);
    // A line for each that ended something.
    let events = trail(&store).await;
    let ends: Vec<_> = events
        .iter()
        .filter(|event| &*event.action == "session.ended")
        .collect();
    let details: Vec<&str> = ends
        .iter()
        .map(|event| event.detail.as_deref().unwrap())
        .collect();
    assert_eq!(
        details,
        ["logout", "logout, 2 sessions", "logout", "logout", "logout"]
    );
    assert_eq!(ends[0].session, Some(ids[0]));
    assert_eq!((ends[1].session, ends[1].user), (None, Some(alice.id)));
    assert_eq!(ends[3].client.as_deref(), Some("cli"));
}

async fn what_has_just_expired_is_revoked_too(place: &Place) {
    let store = place.open().await;
    let (user, expired) = signed_in(&store, "alice").await;
    let long_gone = start(&store, &user).await;
    // The last token of the one may be good for a while, that of the other not.
    let keep = i64::try_from(TOKENS.unwrap().keep_for.as_millis()).unwrap();
    for (session, ago) in [(&expired, 1000), (&long_gone, keep + 1000)] {
        let at = session.created.as_millisecond() - ago;
        let id = place.id(session.id);
        let set = format!("UPDATE sessions SET expires = {at} WHERE session_id = {id}");
        place.execute(&set).await;
    }
    assert!(live(&store).await.is_empty());
    let running = start(&store, &user).await;
    assert_eq!(end(&store, Ending::OfUser(user.id)).await, 1);
    assert_eq!(revoked_sessions(&store).await, [expired.id, running.id]);
}

async fn revocations_are_kept_as_long_as_tokens_live(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    let before = jiff::Timestamp::now().as_second();
    end(&store, Ending::One(session.id)).await;
    let rows = revocations(&store).await;
    let until = rows[0].until.unwrap();
    let keep = i64::try_from(TOKENS.unwrap().keep_for.as_secs()).unwrap();
    // The clock is this machine's, and may have gone on.
    assert!((before + keep..before + keep + 60).contains(&until));
}

async fn without_a_local_issuer_nothing_is_revoked(place: &Place) {
    let store = place.open().await;
    let (user, _) = signed_in(&store, "alice").await;
    let ending = Ending::OfUser(user.id);
    let ended = store
        .end_sessions(ending, EndReason::Operator, None, &by())
        .await
        .unwrap();
    assert_eq!(ended, 1);
    assert!(revocations(&store).await.is_empty());
}

async fn a_change_of_the_password_ends_the_others(place: &Place) {
    let store = place.open().await;
    let (user, kept) = signed_in(&store, "alice").await;
    let other = start(&store, &user).await;
    let (_, bobs) = signed_in(&store, "bob").await;
    let new = hash("new");
    let change = PasswordChange {
        user: user.id,
        password_changed: user.password_changed,
        hash: &new,
        keep: Some(kept.id),
    };
    let ended = store
        .change_password(&change, TOKENS, &self_service())
        .await
        .unwrap();
    assert_eq!(ended, Some(1));
    assert_eq!(live(&store).await, [kept.id, bobs.id]);
    assert_eq!(revoked_sessions(&store).await, [other.id]);
    let now = store.user(&name("alice")).await.unwrap().unwrap();
    assert_eq!(now.password.as_ref(), Some(&new));
    let event = trail(&store).await.pop().unwrap();
    assert_eq!(event.detail.as_deref(), Some("password_changed"));
    // Without one to keep, all end.
    let newer = hash("newer");
    let change = PasswordChange {
        password_changed: now.password_changed,
        hash: &newer,
        keep: None,
        ..change
    };
    let ended = store.change_password(&change, TOKENS, &by()).await.unwrap();
    assert_eq!(ended, Some(1));
    assert_eq!(live(&store).await, [bobs.id]);
}

async fn a_password_is_changed_by_who_knew_the_last_one(place: &Place) {
    let store = place.open().await;
    let (user, session) = signed_in(&store, "alice").await;
    let [first, second, third] = ["first", "second", "third"].map(hash);
    let change = |hash| PasswordChange {
        user: user.id,
        password_changed: user.password_changed,
        hash,
        keep: Some(session.id),
    };
    // Both knew the old one.
    let actor = self_service();
    let (a, b) = (change(&first), change(&second));
    let (a, b) = tokio::join!(
        store.change_password(&a, TOKENS, &actor),
        store.change_password(&b, TOKENS, &actor)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.is_some() != b.is_some(), "{a:?} {b:?}");
    let now = store.user(&name("alice")).await.unwrap().unwrap();
    let winner = if a.is_some() { &first } else { &second };
    assert_eq!(now.password.as_ref(), Some(winner));
    // One who is disabled changes nothing.
    store
        .set_disabled(&name("alice"), true, TOKENS, &by())
        .await
        .unwrap();
    let change = PasswordChange {
        password_changed: now.password_changed,
        ..change(&third)
    };
    let refused = store.change_password(&change, TOKENS, &by()).await;
    assert_eq!(refused.unwrap(), None);
}

async fn whatever_takes_a_users_rights_ends_its_sessions(place: &Place) {
    let store = place.open().await;
    let (_, bobs) = signed_in(&store, "bob").await;
    let alice = name("alice");
    let actor = by();
    let mut seen = add(&store, "alice").await;
    let mut ended = Vec::new();
    for round in 0..3 {
        let session = start(&store, &seen).await;
        let new = hash("new");
        match round {
            0 => {
                let set = store.set_password(&alice, Some(&new), TOKENS, &actor);
                set.await.unwrap();
            }
            1 => {
                let change = store.set_disabled(&alice, true, TOKENS, &actor);
                assert!(change.await.unwrap());
                let change = store.set_disabled(&alice, false, TOKENS, &actor);
                assert!(change.await.unwrap());
            }
            _ => {
                let taken = store.set_password(&alice, None, TOKENS, &actor);
                taken.await.unwrap();
            }
        }
        ended.push(session.id);
        assert_eq!(live(&store).await, [bobs.id]);
        assert_eq!(revoked_sessions(&store).await, ended);
        seen = store.user(&alice).await.unwrap().unwrap();
    }
    let found = store.session(ended[1]).await.unwrap().unwrap();
    assert_eq!(found.ended.unwrap().1, EndReason::UserDisabled);
}

async fn an_import_ends_the_sessions_of_whom_it_changes(place: &Place) {
    let store = place.open().await;
    let (_, alices) = signed_in(&store, "alice").await;
    let (_, bobs) = signed_in(&store, "bob").await;
    let (_, carols) = signed_in(&store, "carol").await;
    // Alice has the same password, with other grants; Bob another; Carol is disabled.
    let import = [
        rich("alice"),
        portcullis::store::NewUser::new(name("bob"), Some(hash("another"))),
        user("carol").disabled(),
    ];
    store
        .import_users(&import, Existing::Replace, TOKENS, &by())
        .await
        .unwrap();
    assert_eq!(live(&store).await, [alices.id]);
    assert_eq!(revoked_sessions(&store).await, [bobs.id, carols.id]);
}

async fn a_better_hash_ends_nothing(place: &Place) {
    let store = place.open().await;
    let (alice, session) = signed_in(&store, "alice").await;
    let old = alice.password.clone().unwrap();
    let new = hash("alice again");
    for (upgraded, from) in [(false, &new), (true, &old), (false, &old)] {
        let done = store.upgrade_hash(alice.id, from, &new, &by()).await;
        assert_eq!(done.unwrap(), upgraded);
    }
    let now = store.user(&name("alice")).await.unwrap().unwrap();
    assert_eq!(now.password, Some(new));
    assert_eq!(now.password_changed, alice.password_changed);
    assert_eq!(live(&store).await, [session.id]);
    // Who signed in meanwhile is let in.
    start(&store, &alice).await;
}

async fn refused_sign_ins_are_told_in_bounds(place: &Place) {
    let store = place.open().await;
    let alice = add(&store, "alice").await;
    for (user, count) in [(Some(alice.id), 1), (None, 40)] {
        let refused = RefusedSignIns {
            user,
            client: &"c\u{0}".repeat(1000),
            address: HERE,
            reason: "wrong password",
            count,
        };
        store.record_refused(&refused, &by()).await.unwrap();
    }
    let events = trail(&store).await;
    let [.., first, second] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(&*first.action, "sign_in.refused");
    assert_eq!(first.user_name.as_deref(), Some("alice"));
    assert_eq!(first.detail.as_deref(), Some("wrong password"));
    assert_eq!((second.user, second.user_name.as_deref()), (None, None));
    assert_eq!(second.detail.as_deref(), Some("wrong password, 40 times"));
    assert_eq!(second.client.as_ref().unwrap().chars().count(), 255);
}

async fn what_fails_at_the_end_leaves_nothing(place: &Place) {
    let store = place.open().await;
    let (user, session) = signed_in(&store, "alice").await;
    let lines = trail(&store).await.len();
    // The last thing a change writes is its line: it cannot.
    place
        .execute("ALTER TABLE audit RENAME COLUMN detail TO another")
        .await;
    let ending = Ending::OfUser(user.id);
    store
        .end_sessions(ending, EndReason::Operator, TOKENS, &by())
        .await
        .unwrap_err();
    let alice = name("alice");
    store
        .set_disabled(&alice, true, TOKENS, &by())
        .await
        .unwrap_err();
    place
        .execute("ALTER TABLE audit RENAME COLUMN another TO detail")
        .await;
    assert_eq!(live(&store).await, [session.id]);
    assert!(revocations(&store).await.is_empty());
    assert_eq!(trail(&store).await.len(), lines);
    assert!(!store.user(&alice).await.unwrap().unwrap().disabled);
    refresh(&store, session.id, 1).await;
    assert_eq!(names(&store).await, ["alice"]);
}

async fn thousands_end_at_once(place: &Place) {
    const MANY: usize = 1201;
    let store = place.open().await;
    let (user, _) = signed_in(&store, "alice").await;
    // More than one statement can write.
    let filler = match &place.url {
        portcullis::config::StoreUrl::Sqlite(_) => "randomblob(16)",
        portcullis::config::StoreUrl::Postgres(_) => "gen_random_uuid()",
    };
    place
        .execute(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
             INSERT INTO sessions (session_id, user_id, client, granted, device, address, started, \
                 last_seen, expires, ends, generation, digest, sealed_secret) \
             SELECT {filler}, user_id, client, granted, device, address, started, last_seen, expires, \
                 ends, generation, digest, sealed_secret FROM sessions, n"
        ))
        .await;
    let tokens = LocalTokens {
        keep_for: Duration::MAX,
        ..*TOKENS.unwrap()
    };
    let ending = Ending::OfUser(user.id);
    let ended = store
        .end_sessions(ending, EndReason::Operator, Some(&tokens), &by())
        .await
        .unwrap();
    assert_eq!(ended, MANY);
    assert_eq!(revoked_sessions(&store).await.len(), MANY);
    assert!(live(&store).await.is_empty());
}
