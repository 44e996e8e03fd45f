//! Revocations: a log in the order of the commits, of which only what counts is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::config::StoreUrl;
use portcullis::store::{
    EndReason, Ending, NewRevocation, Purged, Store, StoreError, StoredRevocation,
};
use uuid::Uuid;

use crate::on_both;
use crate::place::{Place, by, trail};
use crate::sign_ins::{TOKENS, revocations, signed_in};

on_both!(
    what_is_revoked_is_read_in_order,
    what_refuses_no_more_is_left_out,
    what_is_taken_back_is_told,
    what_cannot_be_revoked_is_told,
    numbers_are_in_the_order_of_the_commits,
    sessions_that_are_long_over_are_purged,
    what_is_past_is_purged,
);

const CORP: &str = "https://corp.example";

fn of(kind: &'static str, value: &str) -> NewRevocation {
    NewRevocation {
        issuer: CORP.into(),
        kind,
        value: value.into(),
        before: None,
        until: None,
    }
}

fn dated(before: Option<i64>, until: Option<i64>) -> NewRevocation {
    NewRevocation {
        before,
        until,
        ..of("sub", "alice")
    }
}

async fn revoke(store: &Store, revocation: &NewRevocation) -> i64 {
    let one = std::slice::from_ref(revocation);
    store.revoke(one, &by()).await.unwrap()[0]
}

async fn unrevoke(store: &Store, kind: &str, value: &str) -> bool {
    store.unrevoke(CORP, kind, value, &by()).await.unwrap()
}

/// What counts, as someone who reads the log from the beginning has it.
fn replay(rows: &[StoredRevocation]) -> Vec<(&str, Option<i64>, Option<i64>)> {
    let mut kept: Vec<&StoredRevocation> = Vec::new();
    for row in rows {
        if row.removed {
            kept.retain(|other| (&other.kind, &other.value) != (&row.kind, &row.value));
        } else {
            kept.push(row);
        }
    }
    kept.iter()
        .map(|row| (&*row.value, row.before, row.until))
        .collect()
}

async fn what_is_revoked_is_read_in_order(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.newest_revocation().await.unwrap(), 0);
    let kinds = ["jti", "sid", "sub", "client", "kid"];
    let mut given: Vec<NewRevocation> = kinds
        .iter()
        .map(|kind| NewRevocation {
            before: Some(-1),
            until: Some(4_000_000_000),
            ..of(kind, "ä value")
        })
        .collect();
    given.push(of("all", ""));
    let numbers = store.revoke(&given, &by()).await.unwrap();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let rows = revocations(&store).await;
    assert_eq!(rows.len(), given.len());
    for ((row, given), number) in rows.iter().zip(&given).zip(&numbers) {
        assert_eq!(row.number, *number);
        assert_eq!((&*row.issuer, &*row.kind), (CORP, given.kind));
        assert_eq!((&row.value, row.before), (&given.value, given.before));
        assert_eq!((row.until, row.removed), (given.until, false));
    }
    let page = store.revocations_after(numbers[1], 2).await.unwrap();
    assert_eq!(page, rows[2..4]);
    let newest = store.newest_revocation().await.unwrap();
    assert_eq!(newest, numbers[5]);
    assert!(store.revocations_after(newest, 9).await.unwrap().is_empty());
    let details: Vec<_> = trail(&store)
        .await
        .into_iter()
        .map(|event| event.detail.unwrap())
        .collect();
    assert_eq!(
        &*details[0],
        "jti ä value of https://corp.example, issued until 1969-12-31T23:59:59Z"
    );
    assert_eq!(&*details[5], "all of https://corp.example");
    assert!(store.revoke(&[], &by()).await.unwrap().is_empty());
}

async fn what_refuses_no_more_is_left_out(place: &Place) {
    let store = place.open().await;
    let first = revoke(&store, &dated(Some(10), Some(100))).await;
    // Nothing more than the first, each.
    for (before, until) in [(10, 100), (9, 100), (10, 99), (-5, -5)] {
        let same = revoke(&store, &dated(Some(before), Some(until))).await;
        assert_eq!(same, first, "{before} {until}");
    }
    // More in one way, less in the other: they stand beside each other.
    let wider = revoke(&store, &dated(None, Some(50))).await;
    let longer = revoke(&store, &dated(Some(5), None)).await;
    let kept = |rows: &[StoredRevocation]| rows.iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(kept(&revocations(&store).await), [first, wider, longer]);
    // More in both ways: it takes their place, and that of no other.
    let other = revoke(&store, &of("sub", "bob")).await;
    let last = revoke(&store, &dated(Some(10), None)).await;
    assert_eq!(kept(&revocations(&store).await), [wider, other, last]);
    let all = revoke(&store, &dated(None, None)).await;
    assert_eq!(kept(&revocations(&store).await), [other, all]);
    assert_eq!(revoke(&store, &dated(None, Some(1))).await, all);
    // A line for each that changed something.
    assert_eq!(trail(&store).await.len(), 6);
    let elsewhere = NewRevocation {
        issuer: "https://other.example".into(),
        ..dated(None, None)
    };
    assert!(revoke(&store, &elsewhere).await > all);
}

async fn what_is_taken_back_is_told(place: &Place) {
    let store = place.open().await;
    assert!(!unrevoke(&store, "sub", "alice").await);
    revoke(&store, &of("sub", "bob")).await;
    revoke(&store, &dated(Some(10), Some(100))).await;
    let seen = revoke(&store, &dated(None, Some(50))).await;
    assert!(unrevoke(&store, "sub", "alice").await);
    assert!(!unrevoke(&store, "sub", "alice").await);
    let news = store.revocations_after(seen, 9).await.unwrap();
    assert_eq!(news.len(), 1);
    assert!(news[0].removed && &*news[0].value == "alice");
    // As long as what it takes back.
    assert_eq!(news[0].until, Some(100));
    assert_eq!(replay(&revocations(&store).await), [("bob", None, None)]);
    // And revoked again, it is.
    let again = revoke(&store, &dated(Some(1), Some(2))).await;
    assert!(again > news[0].number);
    let rows = revocations(&store).await;
    assert_eq!(
        replay(&rows),
        [("bob", None, None), ("alice", Some(1), Some(2))]
    );
    assert!(unrevoke(&store, "sub", "alice").await);
    let rows = revocations(&store).await;
    assert_eq!(rows.len(), 2, "one removal is enough: {rows:?}");
    assert_eq!(rows[1].until, Some(100));
    let actions: Vec<_> = trail(&store).await;
    assert_eq!(&*actions.last().unwrap().action, "revocation.removed");
    assert_eq!(actions.len(), 6);
    // Without an end, it has none.
    assert!(unrevoke(&store, "sub", "bob").await);
    assert_eq!(revocations(&store).await[1].until, None);
}

async fn what_cannot_be_revoked_is_told(place: &Place) {
    let store = place.open().await;
    let long = "x".repeat(1025);
    let nowhere = |issuer: &str| NewRevocation {
        issuer: issuer.into(),
        ..of("jti", "a")
    };
    let wrong = [
        of("iss", "a"),
        of("", "a"),
        of("JTI", "a"),
        of("jti", ""),
        of("jti", &long),
        of("jti", "a\0b"),
        of("all", "a"),
        nowhere(""),
        nowhere(&long),
        nowhere("a\0b"),
    ];
    for wrong in wrong {
        let error = store
            .revoke(&[of("jti", "fine"), wrong.clone()], &by())
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::NotRevocable(_)), "{wrong:?}");
        let NewRevocation {
            issuer,
            kind,
            value,
            ..
        } = &wrong;
        let error = store
            .unrevoke(issuer, kind, value, &by())
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::NotRevocable(_)), "{wrong:?}");
    }
    assert!(revocations(&store).await.is_empty());
    // The longest of both, of bytes that do not compress.
    let noise = |seed: u64| -> Box<str> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(33 + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..1024).map(|_| next()).collect::<String>().into()
    };
    let longest = NewRevocation {
        issuer: noise(1),
        value: noise(2),
        ..of("jti", "")
    };
    revoke(&store, &longest).await;
    assert_eq!(revocations(&store).await[0].value, longest.value);
}

/// Between its number and its commit each revocation takes another time, where that can be.
async fn dawdle(place: &Place) {
    if matches!(place.url, StoreUrl::Postgres(_)) {
        place
            .execute(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN PERFORM pg_sleep(random() * 0.01); RETURN NULL; END $$; \
                 CREATE TRIGGER dawdle AFTER INSERT ON revocations \
                     FOR EACH ROW EXECUTE FUNCTION dawdle()",
            )
            .await;
    }
}

async fn numbers_are_in_the_order_of_the_commits(place: &Place) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let stores = [place.open().await, place.open().await, place.open().await];
    dawdle(place).await;
    let done = Arc::new(AtomicBool::new(false));
    // Whoever looks for what is above the last number it has seen misses none that is committed later.
    let reader = tokio::spawn({
        let (store, done) = (place.open().await, Arc::clone(&done));
        async move {
            let mut seen: Vec<StoredRevocation> = Vec::new();
            loop {
                let last = done.load(Ordering::Acquire);
                let newest = seen.last().map_or(0, |row| row.number);
                let news = store.revocations_after(newest, 7).await.unwrap();
                if last && news.is_empty() {
                    return seen;
                }
                seen.extend(news);
            }
        }
    });
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = stores[writer % 3].clone();
        writers.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            for n in 0..EACH {
                let one = of("jti", &format!("{writer}-{n}"));
                if n % 5 == 4 {
                    // Two at once, and one that is undone.
                    let two = [one, of("sid", &format!("{writer}-{n}"))];
                    numbers.extend(store.revoke(&two, &by()).await.unwrap());
                    let undone = [of("jti", "undone"), of("none", "x")];
                    store.revoke(&undone, &by()).await.unwrap_err();
                } else {
                    numbers.push(revoke(&store, &one).await);
                }
            }
            assert!(numbers.is_sorted_by(|a, b| a < b));
            numbers
        }));
    }
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::Release);
    let seen = reader.await.unwrap();
    written.sort_unstable();
    let numbers: Vec<i64> = seen.iter().map(|row| row.number).collect();
    assert_eq!(numbers, written);
    assert_eq!(numbers.len(), WRITERS * (EACH + EACH / 5));
}

async fn sessions_that_are_long_over_are_purged(place: &Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for name in ["over", "ended", "just ended", "live"] {
        ids.push(signed_in(&store, name).await.1.id);
    }
    for id in &ids[1..3] {
        let which = Ending::One(*id);
        store
            .end_sessions(which, EndReason::Logout, TOKENS, &by())
            .await
            .unwrap();
    }
    let week = 7 * 86_400_000_i64;
    let shift = async |column: &str, id: Uuid, by: i64| {
        let id = place.id(id);
        let set = format!("UPDATE sessions SET {column} = started - {by} WHERE session_id = {id}");
        place.execute(&set).await;
    };
    // Not quite a week, and more.
    for (by, purged) in [(week - 60_000, 0), (week + 1000, 2)] {
        shift("expires", ids[0], by).await;
        shift("ended", ids[1], by).await;
        assert_eq!(store.purge().await.unwrap().sessions, purged);
    }
    for (id, there) in ids.into_iter().zip([false, false, true, true]) {
        assert_eq!(store.session(id).await.unwrap().is_some(), there);
    }
}

async fn what_is_past_is_purged(place: &Place) {
    let store = place.open().await;
    let now = jiff::Timestamp::now().as_second();
    for (value, until) in [
        ("past", Some(now - 3600)),
        // For clocks that are behind.
        ("just past", Some(now - 60)),
        ("far", Some(now + 600)),
        ("ever", None),
        ("last", Some(now - 3600)),
    ] {
        let given = NewRevocation {
            until,
            ..of("jti", value)
        };
        revoke(&store, &given).await;
    }
    let newest = store.newest_revocation().await.unwrap();
    let values = async || -> Vec<String> {
        let rows = revocations(&store).await;
        rows.iter().map(|row| row.value.to_string()).collect()
    };
    // The newest stays although it is past: the numbers never go down.
    assert_eq!(store.purge().await.unwrap().revocations, 1);
    assert_eq!(values().await, ["just past", "far", "ever", "last"]);
    assert_eq!(store.newest_revocation().await.unwrap(), newest);
    let next = revoke(&store, &of("jti", "next")).await;
    assert!(next > newest);
    assert_eq!(store.purge().await.unwrap().revocations, 1);
    assert_eq!(values().await, ["just past", "far", "ever", "next"]);
    assert_eq!(store.purge().await.unwrap(), Purged::default());
    // A number is never used again, even if all go.
    place.execute("DELETE FROM revocations").await;
    assert!(revoke(&store, &of("jti", "again")).await > next);
}
