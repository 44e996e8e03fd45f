//! A store that is not there when the gateway starts.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use portcullis::config::StoreUrl;
use portcullis::secret::Secret;
use portcullis::store::{StoreError, StoreHandle, StoreState};

use crate::on_both;
use crate::place::{Place, by, names, user};

on_both!(it_is_there_soon, a_newer_schema_stays_refused,);

async fn it_is_there_soon(place: &Place) {
    let handle = StoreHandle::open(place.url.clone());
    let clone = handle.clone();
    let store = handle.get().await.unwrap();
    store.add_user(&user("alice"), &by()).await.unwrap();
    assert_eq!(names(&clone.get().await.unwrap()).await, ["alice"]);
    assert!(matches!(handle.state(), StoreState::Open(_)));
    let of = StoreHandle::of(store);
    assert_eq!(names(&of.get().await.unwrap()).await, ["alice"]);
}

async fn a_newer_schema_stays_refused(place: &Place) {
    place.open().await.close().await;
    place
        .execute(
            "INSERT INTO _sqlx_migrations \
             SELECT 99, 'later', installed_on, success, checksum, execution_time \
             FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    let handle = StoreHandle::open(place.url.clone());
    let error = handle.get().await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }));
    assert!(matches!(handle.state(), StoreState::Unusable(_)));
    // No second attempt finds it open.
    place
        .execute("DELETE FROM _sqlx_migrations WHERE version = 99")
        .await;
    assert_eq!(handle.get().await.unwrap_err(), error);
}

#[tokio::test]
async fn it_is_tried_again_until_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    // A file where the directory is to be.
    fs::write(&place, "").unwrap();
    let handle = StoreHandle::open(StoreUrl::Sqlite(place.join("portcullis.db")));
    let error = handle.get().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(matches!(handle.state(), StoreState::Away(_)));
    fs::remove_file(&place).unwrap();
    let begin = Instant::now();
    while handle.get().await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(handle.state(), StoreState::Open(_)));
}

#[tokio::test]
async fn one_who_needs_it_does_not_wait_for_long() {
    // A server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://alice:hunter2@127.0.0.1:{port}/db");
    let handle = StoreHandle::open(StoreUrl::Postgres(Secret::new(url.into_bytes())));
    assert!(matches!(handle.state(), StoreState::Opening));
    let error = handle.get().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    let shown = format!("{error} {handle:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    // Once the first attempt has failed, nobody waits.
    while matches!(handle.state(), StoreState::Opening) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = handle.get().await.unwrap_err();
    assert!(error.to_string().contains("within 5 s"), "{error}");
}

#[tokio::test]
async fn a_url_that_is_none_is_not_tried_again() {
    let url = Secret::new(b"hunter2".to_vec());
    let handle = StoreHandle::open(StoreUrl::Postgres(url));
    let error = handle.get().await.unwrap_err();
    assert!(matches!(error, StoreError::Config(_)), "{error:?}");
    assert!(matches!(handle.state(), StoreState::Unusable(_)));
}
