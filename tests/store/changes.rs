//! Whoever waits for revocations learns of them soon, whatever becomes of its connection.

use std::time::{Duration, Instant};

use portcullis::store::{NewRevocation, Store};

use crate::on_both;
use crate::place::{Place, by};

on_both!(
    it_is_told_and_the_poll_goes_on,
    what_another_process_did_is_told,
    nothing_that_was_told_is_lost_to_one_who_stops_waiting,
);

/// More than a poll or a look, less than both: who waits for longer was not told.
const SOON: Duration = Duration::from_millis(400);

pub(crate) async fn revoke(store: &Store, value: &str) {
    let one = [NewRevocation {
        issuer: "https://corp.example".into(),
        kind: "jti",
        value: value.into(),
        before: None,
        until: None,
    }];
    store.revoke(&one, &by()).await.unwrap();
}

/// How many of so many revocations were told before the poll was due. A machine that is busy makes it fewer.
pub(crate) async fn told_soon(listener: &Store, writer: &Store, rounds: usize) -> usize {
    let mut changes = listener.changes();
    let mut soon = 0;
    for round in 0..rounds {
        // What was told before is not what is waited for.
        while tokio::time::timeout(Duration::from_millis(5), changes.changed())
            .await
            .is_ok()
        {}
        let begin = Instant::now();
        revoke(writer, &round.to_string()).await;
        changes.changed().await;
        if begin.elapsed() < SOON {
            soon += 1;
        }
    }
    soon
}

async fn it_is_told_and_the_poll_goes_on(place: &Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    // With nothing to tell, it is time to look all the same.
    for _ in 0..3 {
        changes.changed().await;
    }
    drop(changes);
    assert!(told_soon(&store, &store, 20).await > 10);
}

async fn what_another_process_did_is_told(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    assert!(told_soon(&one, &other, 20).await > 10);
}

async fn nothing_that_was_told_is_lost_to_one_who_stops_waiting(place: &Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    for round in 0..50 {
        revoke(&store, &round.to_string()).await;
        // Dropped in the middle, at another place each time.
        let patience = Duration::from_millis(round % 7);
        let _ = tokio::time::timeout(patience, changes.changed()).await;
    }
    let begin = Instant::now();
    revoke(&store, "last").await;
    changes.changed().await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    let read = store.revocations_after(0, 100).await.unwrap();
    assert_eq!(read.len(), 51);
}
