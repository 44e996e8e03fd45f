//! What only a file has: rights, damage, a directory that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis::config::StoreUrl;
use portcullis::store::{Store, StoreError};

use crate::place::{Place, by, name, names, user};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn it_is_for_its_owner_alone() {
    let place = Place::sqlite();
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    let directory = place.file().parent().unwrap().to_owned();
    assert_eq!(mode(&directory), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert_eq!(files, 3, "the file, its log, and the log's index");
    // Nothing is left beside the file once it is closed.
    store.close().await;
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_database_is_told_and_left_alone() {
    let place = Place::sqlite();
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    let text = "-- this is SQL, not a database\n".repeat(200);
    fs::write(place.file(), &text).unwrap();
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("not a database"), "{error}");
    assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    let place = Place::sqlite();
    let store = place.open().await;
    for number in 0..200 {
        store
            .add_user(&user(&format!("user-{number}")), &by())
            .await
            .unwrap();
    }
    store.close().await;
    // Everything behind the first page, which has the schema's beginning.
    let mut bytes = fs::read(place.file()).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xa5;
    }
    fs::write(place.file(), &bytes).unwrap();
    let told = match Store::open(&place.url).await {
        Err(error) => error,
        Ok(store) => store.users(None, 1000).await.unwrap_err(),
    };
    assert!(matches!(told, StoreError::Corrupt(_)), "{told:?}");
    assert!(told.to_string().contains("damaged"), "{told}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let locked = directory.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    let mut places = vec![
        // Not even root makes a file there.
        Path::new("/proc/portcullis/portcullis.db").to_owned(),
        file.join("portcullis.db"),
        directory.path().to_owned(),
    ];
    // Root writes where it likes.
    if fs::write(locked.join("probe"), "").is_err() {
        places.push(locked.join("portcullis.db"));
    }
    for path in places {
        let error = Store::open(&StoreUrl::Sqlite(path.clone()))
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{error:?}");
        assert!(error.is_unavailable());
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn who_reads_does_not_wait_for_who_writes() {
    let place = Place::sqlite();
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    let url = format!("sqlite:{}", place.file().display());
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE users SET disabled = TRUE")
        .execute(&mut other)
        .await
        .unwrap();
    // The other one has the file, and what it has not committed is not there.
    assert!(!store.user(&name("alice")).await.unwrap().unwrap().disabled);
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.add_user(&user("bob"), &by()).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(names(&store).await, ["alice"]);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(names(&store).await, ["alice", "bob"]);
}
