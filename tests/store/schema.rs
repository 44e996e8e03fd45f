//! The tables: made once, brought up to date, never by halves, and never down.

use portcullis::config::StoreUrl;
use portcullis::store::{Store, StoreError};

use crate::on_both;
use crate::place::{Place, actions, by, name, names, trail, user};
use crate::sign_ins::start;

on_both!(
    many_open_it_at_once,
    a_newer_schema_is_refused,
    a_schema_that_was_tampered_with_is_refused,
    tables_of_someone_else_are_refused,
    rows_that_nobody_wrote_are_told,
    a_store_of_the_first_version_keeps_its_users,
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

async fn a_store_of_the_first_version_keeps_its_users(place: &Place) {
    // What the first version made, and what it wrote down of it.
    place.open().await.close().await;
    let function = matches!(place.url, StoreUrl::Postgres(_));
    let drop = if function {
        "DROP FUNCTION tell_of_revocations CASCADE; "
    } else {
        ""
    };
    let columns = ["session_id", "client", "address", "detail"];
    let columns = columns.map(|column| format!("ALTER TABLE audit DROP COLUMN {column}; "));
    let columns = columns.concat();
    let back = format!(
        "{drop}{columns}DROP TABLE sessions; DROP TABLE clients; DROP TABLE signing_keys; \
         DROP TABLE settings; DROP TABLE revocations; \
         DELETE FROM _sqlx_migrations WHERE version > 1"
    );
    place.execute(&back).await;
    let id = place.id(uuid::Uuid::now_v7());
    place
        .execute(&format!(
            "INSERT INTO users (id, name, name_key, roles, scopes, claims, created, changed, \
                 password_changed) VALUES ({id}, 'Alice', 'alice', '[\"ops\"]', '[]', '{{}}', 1, 2, 3); \
             INSERT INTO audit (at, means, who, action, user_id, user_name) \
                 VALUES (1, 'cli', 'root', 'user.added', {id}, 'Alice')"
        ))
        .await;
    let store = place.open().await;
    assert_eq!(names(&store).await, ["Alice"]);
    let found = store.user(&name("ALICE")).await.unwrap().unwrap();
    assert_eq!(found.grants.roles(), ["ops".into()]);
    assert_eq!(found.password_changed.as_millisecond(), 3);
    let events = trail(&store).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].session, &events[0].detail), (None, &None));
    // And they can sign in.
    start(&store, &found).await;
    assert_eq!(
        actions(&store).await,
        ["user.added Alice", "session.started Alice"]
    );
    store.close().await;
    place.open().await.close().await;
}
