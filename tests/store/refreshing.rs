//! What comes of using a refresh token.

use std::net::IpAddr;
use std::time::Duration;

use portcullis::store::{EndReason, Ending, Refreshed, Rotation, Session};
use uuid::Uuid;

use crate::on_both;
use crate::place::{Place, by, name};
use crate::sign_ins::{
    CAP, GRACE, IDLE, TOKENS, refresh, revoked_sessions, signed_in, start, token, usage,
};

on_both!(
    each_token_is_good_once_and_gives_the_next,
    within_the_grace_the_same_successor_is_given_again,
    after_the_grace_it_is_stale,
    once_the_successor_is_used_it_is_stale,
    another_client_gets_nothing,
    what_was_never_a_token_is_stale,
    it_slides_and_stops_at_the_cap,
    what_is_over_stays_over,
    a_disabled_user_gets_nothing,
    a_reused_token_ends_its_session_and_says_so,
);

fn rotated(refreshed: Refreshed) -> Session {
    let Refreshed::Rotated(session) = refreshed else {
        panic!("{refreshed:?}")
    };
    session
}

/// As if so much time had gone by.
async fn pass(place: &Place, time: Duration) {
    let ms = time.as_millis();
    place
        .execute(&format!(
            "UPDATE sessions SET started = started - {ms}, last_seen = last_seen - {ms}, \
             expires = expires - {ms}, ends = ends - {ms}, rotated = rotated - {ms}"
        ))
        .await;
}

async fn each_token_is_good_once_and_gives_the_next(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    for generation in 1..20 {
        let next = rotated(refresh(&store, session.id, generation).await);
        assert_eq!(next.generation, generation + 1);
        assert_eq!(next.id, session.id);
        assert_eq!((next.created, next.ends), (session.created, session.ends));
        assert!(next.last_seen >= session.last_seen);
        assert_eq!(next.expires, next.last_seen + IDLE);
        assert_eq!(store.session(session.id).await.unwrap().unwrap(), next);
    }
    // Another session is not touched by it, nor is there one of nobody.
    let other = Rotation {
        session: Uuid::now_v7(),
        ..usage(session.id, 20)
    };
    assert_eq!(store.refresh(&other).await.unwrap(), Refreshed::Unknown);
    let elsewhere = Rotation {
        address: "2001:db8::7".parse::<IpAddr>().unwrap(),
        ..usage(session.id, 20)
    };
    let moved = rotated(store.refresh(&elsewhere).await.unwrap());
    assert_eq!(moved.address, elsewhere.address);
}

async fn within_the_grace_the_same_successor_is_given_again(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    let first = rotated(refresh(&store, session.id, 1).await);
    for _ in 0..3 {
        let again = refresh(&store, session.id, 1).await;
        assert_eq!(again, Refreshed::Repeated(first.clone()));
    }
    pass(place, Duration::from_secs(8)).await;
    let again = refresh(&store, session.id, 1).await;
    assert!(matches!(&again, Refreshed::Repeated(session) if session.generation == 2));
    // It changed nothing: what was given out is in force.
    rotated(refresh(&store, session.id, 2).await);
}

async fn after_the_grace_it_is_stale(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    rotated(refresh(&store, session.id, 1).await);
    pass(place, GRACE + Duration::from_millis(1)).await;
    assert_eq!(refresh(&store, session.id, 1).await, Refreshed::Stale);
    // No grace at all is possible, too.
    let (_, other) = signed_in(&store, "bob").await;
    rotated(refresh(&store, other.id, 1).await);
    pass(place, Duration::from_millis(1)).await;
    let at_once = Rotation {
        grace: Duration::ZERO,
        ..usage(other.id, 1)
    };
    assert_eq!(store.refresh(&at_once).await.unwrap(), Refreshed::Stale);
    // It is for the caller to end the session: until then it goes on.
    rotated(refresh(&store, session.id, 2).await);
}

async fn once_the_successor_is_used_it_is_stale(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    rotated(refresh(&store, session.id, 1).await);
    rotated(refresh(&store, session.id, 2).await);
    assert_eq!(refresh(&store, session.id, 1).await, Refreshed::Stale);
    // The one before is still within its own grace.
    let again = refresh(&store, session.id, 2).await;
    assert!(matches!(again, Refreshed::Repeated(_)), "{again:?}");
}

async fn another_client_gets_nothing(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    let stolen = |generation| Rotation {
        client: "another",
        ..usage(session.id, generation)
    };
    assert_eq!(store.refresh(&stolen(1)).await.unwrap(), Refreshed::Stale);
    rotated(refresh(&store, session.id, 1).await);
    assert_eq!(store.refresh(&stolen(1)).await.unwrap(), Refreshed::Stale);
    assert_eq!(store.refresh(&stolen(2)).await.unwrap(), Refreshed::Stale);
    rotated(refresh(&store, session.id, 2).await);
}

async fn what_was_never_a_token_is_stale(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    for presented in [token(0), token(2), [0; 32], [0xff; 32]] {
        let guess = Rotation {
            presented,
            ..usage(session.id, 1)
        };
        assert_eq!(store.refresh(&guess).await.unwrap(), Refreshed::Stale);
    }
    rotated(refresh(&store, session.id, 1).await);
}

async fn it_slides_and_stops_at_the_cap(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    let mut passed = Duration::ZERO;
    let step = Duration::from_mins(59);
    let mut generation = 1;
    while passed + step < CAP {
        pass(place, step).await;
        passed += step;
        let next = rotated(refresh(&store, session.id, generation).await);
        assert!(next.expires <= next.ends, "{next:?}");
        generation += 1;
    }
    // Less than the idle time is left, and it is what the session gets.
    let last = store.session(session.id).await.unwrap().unwrap();
    assert_eq!(last.expires, last.ends);
    assert!(generation > 10, "{generation}");
    pass(place, step).await;
    let over = refresh(&store, session.id, generation).await;
    assert_eq!(over, Refreshed::Over);
}

async fn what_is_over_stays_over(place: &Place) {
    let store = place.open().await;
    let (user, idle) = signed_in(&store, "alice").await;
    rotated(refresh(&store, idle.id, 1).await);
    pass(place, IDLE).await;
    // The one in force, the one before it, and none of it.
    for generation in [2, 1, 7] {
        assert_eq!(refresh(&store, idle.id, generation).await, Refreshed::Over);
    }
    let ended = start(&store, &user).await;
    rotated(refresh(&store, ended.id, 1).await);
    let ending = Ending::One(ended.id);
    store
        .end_sessions(ending, EndReason::Logout, TOKENS, &by())
        .await
        .unwrap();
    for generation in [2, 1, 7] {
        assert_eq!(refresh(&store, ended.id, generation).await, Refreshed::Over);
    }
    let family = store.family(ended.id).await.unwrap().unwrap();
    assert_eq!(family.session.ended.unwrap().1, EndReason::Logout);
    assert_eq!(family.session.generation, 2);
}

async fn a_disabled_user_gets_nothing(place: &Place) {
    let store = place.open().await;
    let (_, session) = signed_in(&store, "alice").await;
    rotated(refresh(&store, session.id, 1).await);
    // Even if nobody has ended the session, as after a change by hand.
    place.execute("UPDATE users SET disabled = TRUE").await;
    for generation in [2, 1] {
        assert_eq!(
            refresh(&store, session.id, generation).await,
            Refreshed::Over
        );
    }
    place.execute("UPDATE users SET disabled = FALSE").await;
    rotated(refresh(&store, session.id, 2).await);
    store
        .set_disabled(&name("alice"), true, TOKENS, &by())
        .await
        .unwrap();
    store
        .set_disabled(&name("alice"), false, TOKENS, &by())
        .await
        .unwrap();
    assert_eq!(refresh(&store, session.id, 3).await, Refreshed::Over);
}

async fn a_reused_token_ends_its_session_and_says_so(place: &Place) {
    let store = place.open().await;
    let (user, session) = signed_in(&store, "alice").await;
    let other = start(&store, &user).await;
    rotated(refresh(&store, session.id, 1).await);
    rotated(refresh(&store, session.id, 2).await);
    assert_eq!(refresh(&store, session.id, 1).await, Refreshed::Stale);
    let ending = Ending::One(session.id);
    for ended in [1, 0] {
        let now = store
            .end_sessions(ending, EndReason::Reused, TOKENS, &by())
            .await
            .unwrap();
        assert_eq!(now, ended);
    }
    assert_eq!(refresh(&store, session.id, 3).await, Refreshed::Over);
    rotated(refresh(&store, other.id, 1).await);
    assert_eq!(revoked_sessions(&store).await, [session.id]);
    let events = crate::place::trail(&store).await;
    let reused: Vec<_> = events
        .iter()
        .filter(|event| &*event.action == "session.reused")
        .collect();
    assert_eq!(reused.len(), 1);
    assert_eq!(reused[0].session, Some(session.id));
    assert_eq!(reused[0].user_name.as_deref(), Some("alice"));
    // A restart changes nothing.
    store.close().await;
    let store = place.open().await;
    assert_eq!(refresh(&store, session.id, 3).await, Refreshed::Over);
    assert_eq!(refresh(&store, session.id, 1).await, Refreshed::Over);
}
