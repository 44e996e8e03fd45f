//! Signing keys change by one plan at a time, and settings are settled by who comes first.

use std::time::Duration;

use jiff::Timestamp;
use portcullis::store::{Actor, KeyPlan, KeyTimes, Means, NewSigningKey, SigningKeyRow, Store};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::on_both;
use crate::place::{Place, trail};

on_both!(
    what_is_added_is_found,
    a_plan_is_carried_out_as_a_whole,
    of_several_who_rotate_at_once_one_acts,
    no_private_half_is_shown,
    the_first_to_put_a_setting_settles_it,
);

fn gateway() -> Actor {
    Actor {
        means: Means::Gateway,
        who: "a".to_owned(),
    }
}

fn times(now: Timestamp) -> KeyTimes {
    KeyTimes {
        published: now,
        use_from: now + Duration::from_hours(1),
        retire_at: now + Duration::from_hours(2),
        gone_at: now + Duration::from_hours(3),
    }
}

fn key(kid: &str, now: Timestamp) -> NewSigningKey {
    NewSigningKey {
        id: Uuid::now_v7(),
        kid: kid.into(),
        algorithm: "EdDSA".into(),
        public_jwk: r#"{"kty":"OKP"}"#.to_owned(),
        sealed: b"sealed-private-half".to_vec(),
        times: times(now),
    }
}

async fn kids(store: &Store) -> Vec<String> {
    let keys = store.signing_keys().await.unwrap();
    keys.iter().map(|key| key.kid.to_string()).collect()
}

/// Two keys where there was none.
async fn with_two(store: &Store) -> Vec<SigningKeyRow> {
    let plan = |keys: &[SigningKeyRow], now| {
        assert!(keys.is_empty());
        KeyPlan {
            add: vec![key("one", now), key("two", now)],
            ..KeyPlan::default()
        }
    };
    store.rotate_keys(plan, &gateway()).await.unwrap()
}

/// A key is made, changed and removed.
pub(crate) async fn come_and_go(store: &Store) {
    let keys = with_two(store).await;
    let plan = |_: &[SigningKeyRow], now| KeyPlan {
        change: vec![(keys[1].id, times(now))],
        remove: vec![keys[0].id],
        ..KeyPlan::default()
    };
    store.rotate_keys(plan, &gateway()).await.unwrap();
}

async fn what_is_added_is_found(place: &Place) {
    let store = place.open().await;
    assert!(kids(&store).await.is_empty());
    let keys = with_two(&store).await;
    assert_eq!(store.signing_keys().await.unwrap(), keys);
    let SigningKeyRow {
        id,
        kid,
        algorithm,
        public_jwk,
        sealed,
        created,
        times: given,
    } = keys[0].clone();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!((&*kid, &*algorithm), ("one", "EdDSA"));
    assert_eq!(public_jwk, r#"{"kty":"OKP"}"#);
    assert_eq!(sealed, b"sealed-private-half");
    // The plan was told the clock of the database, which is this machine's.
    assert!(given.published.as_second() > 1_760_000_000);
    assert!(created >= given.published);
    assert_eq!(given, times(given.published));
}

async fn a_plan_is_carried_out_as_a_whole(place: &Place) {
    let store = place.open().await;
    let keys = with_two(&store).await;
    // Nothing planned is nothing done.
    let nothing = |_: &[SigningKeyRow], _| KeyPlan::default();
    let same = store.rotate_keys(nothing, &gateway()).await.unwrap();
    assert_eq!(same, keys);
    let later = times(keys[0].times.gone_at);
    let plan = |_: &[SigningKeyRow], now| KeyPlan {
        add: vec![key("three", now)],
        change: vec![(keys[1].id, later), (Uuid::now_v7(), later)],
        remove: vec![keys[0].id, Uuid::now_v7()],
    };
    let left = store.rotate_keys(plan, &gateway()).await.unwrap();
    assert_eq!(kids(&store).await, ["two", "three"]);
    assert_eq!(left[0].times, later);
    // One that cannot be carried out changes nothing.
    let wrong = |keys: &[SigningKeyRow], now| KeyPlan {
        add: vec![key("four", now), key("three", now)],
        remove: vec![keys[0].id],
        ..KeyPlan::default()
    };
    store.rotate_keys(wrong, &gateway()).await.unwrap_err();
    assert_eq!(store.signing_keys().await.unwrap(), left);
    let lines: Vec<String> = trail(&store)
        .await
        .iter()
        .map(|event| format!("{} {}", event.action, event.detail.as_deref().unwrap()))
        .collect();
    let expected = [
        "key.added one",
        "key.added two",
        "key.added three",
        "key.changed two",
        "key.removed one",
    ];
    assert_eq!(lines, expected);
}

async fn of_several_who_rotate_at_once_one_acts(place: &Place) {
    const GATEWAYS: usize = 6;
    let barrier = std::sync::Arc::new(Barrier::new(GATEWAYS));
    let mut tasks = Vec::new();
    for number in 0..GATEWAYS {
        let (store, barrier) = (place.open().await, barrier.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            // As each of them would: a key where there is none.
            let plan = |keys: &[SigningKeyRow], now| KeyPlan {
                add: keys
                    .is_empty()
                    .then(|| key(&format!("of-{number}"), now))
                    .into_iter()
                    .collect(),
                ..KeyPlan::default()
            };
            store.rotate_keys(plan, &gateway()).await.unwrap()
        }));
    }
    let mut seen = Vec::new();
    for task in tasks {
        let keys = task.await.unwrap();
        assert_eq!(keys.len(), 1);
        seen.push(keys[0].kid.clone());
    }
    assert!(seen.iter().all(|kid| *kid == seen[0]), "{seen:?}");
    assert_eq!(trail(&place.open().await).await.len(), 1);
}

async fn no_private_half_is_shown(place: &Place) {
    let store = place.open().await;
    let new = key("one", Timestamp::UNIX_EPOCH);
    let plan = KeyPlan {
        add: vec![new.clone()],
        ..KeyPlan::default()
    };
    let told = format!("{plan:?}");
    let keys = store.rotate_keys(|_, _| plan, &gateway()).await.unwrap();
    let shown = format!("{told} {new:?} {keys:?} {:?}", trail(&store).await);
    let bytes = format!("{:?}", new.sealed);
    for secret in ["sealed-private", bytes.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

async fn the_first_to_put_a_setting_settles_it(place: &Place) {
    const TASKS: u8 = 12;
    let stores = [place.open().await, place.open().await];
    assert_eq!(stores[0].setting("key_check").await.unwrap(), None);
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let store = stores[usize::from(task) % 2].clone();
        tasks.push(tokio::spawn(async move {
            store.put_setting_once("key_check", &[task, 0, 255]).await
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().unwrap());
    }
    let in_force = stores[1].setting("key_check").await.unwrap().unwrap();
    assert!(answers.iter().all(|answer| *answer == in_force));
    let other = stores[0].put_setting_once("other", b"").await.unwrap();
    assert_eq!(other, b"");
}
