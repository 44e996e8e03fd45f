//! The tables: made once, brought up to date, never by halves, and never down.

use portcullis::config::StoreUrl;
use portcullis::store::{Store, StoreError};

use crate::on_both;
use crate::place::{Place, by, names, user};

on_both!(
    many_open_it_at_once,
    a_newer_schema_is_refused,
    a_schema_that_was_tampered_with_is_refused,
    tables_of_someone_else_are_refused,
    rows_that_nobody_wrote_are_told,
);

async fn many_open_it_at_once(place: &Place) {
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let url = place.url.clone();
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    for store in opening {
        store.await.unwrap().unwrap().close().await;
    }
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
}

async fn a_newer_schema_is_refused(place: &Place) {
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    store.close().await;
    let version = |number: i64| {
        format!(
            "INSERT INTO _sqlx_migrations \
             SELECT {number}, 'later', installed_on, success, checksum, execution_time \
             FROM _sqlx_migrations WHERE version = 1"
        )
    };
    place.execute(&version(99)).await;
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(
        matches!(error, StoreError::NewerSchema { found: 99, known } if known < 99),
        "{error:?}"
    );
    let shown = error.to_string();
    assert!(
        shown.contains("newer portcullis") && shown.contains("99"),
        "{shown}"
    );
    // Nothing was touched.
    place
        .execute("DELETE FROM _sqlx_migrations WHERE version = 99")
        .await;
    assert_eq!(names(&place.open().await).await, ["alice"]);
}

async fn a_schema_that_was_tampered_with_is_refused(place: &Place) {
    place.open().await.close().await;
    place
        .execute("UPDATE _sqlx_migrations SET description = 'x', checksum = '00'")
        .await;
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
}

async fn tables_of_someone_else_are_refused(place: &Place) {
    // The file is made first, so that there is something to put a table in.
    place.open().await.close().await;
    if matches!(place.url, StoreUrl::Postgres(_)) {
        place
            .execute("DROP FUNCTION tell_of_revocations CASCADE")
            .await;
    }
    let tables = [
        "audit",
        "sessions",
        "users",
        "clients",
        "signing_keys",
        "settings",
        "revocations",
        "_sqlx_migrations",
    ];
    for table in tables {
        place.execute(&format!("DROP TABLE {table}")).await;
    }
    place
        .execute("DROP VIEW clock; CREATE TABLE audit (theirs TEXT)")
        .await;
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
    assert!(error.to_string().contains("audit"), "{error}");
    // Nothing of ours stays: the migration is all or nothing.
    place.execute("DROP TABLE audit").await;
    place.open().await.close().await;
}

async fn rows_that_nobody_wrote_are_told(place: &Place) {
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    for (change, undo) in [
        ("roles = 'no json'", "roles = '[]'"),
        ("claims = '[]'", "claims = '{}'"),
        ("claims = '{\"sub\": \"root\"}'", "claims = '{}'"),
        ("created = 9000000000000000000", "created = 0"),
        ("password = 'secret-in-the-clear'", "password = NULL"),
    ] {
        place.execute(&format!("UPDATE users SET {change}")).await;
        let error = store.users(None, 10).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt(_)),
            "{change}: {error:?}"
        );
        assert!(
            !format!("{error} {error:?}").contains("in-the-clear"),
            "{error:?}"
        );
        place.execute(&format!("UPDATE users SET {undo}")).await;
        assert_eq!(names(&store).await, ["alice"]);
    }
}
