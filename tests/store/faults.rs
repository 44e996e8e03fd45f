//! A server that is not there, does not let one in, or goes away: told clearly, and never with the password.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use portcullis::config::StoreUrl;
use portcullis::secret::Secret;
use portcullis::store::{Store, StoreError};

use crate::changes::{revoke, told_soon};
use crate::children::start;
use crate::place::{Place, by, names, user};

async fn refused(url: &str) -> StoreError {
    let url = StoreUrl::Postgres(Secret::new(url.as_bytes().to_vec()));
    assert!(!format!("{url:?}").contains("hunter2"));
    let error = Store::open(&url).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    error
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = refused(&format!("postgres://alice:hunter2@127.0.0.1:{port}/db")).await;
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refused(&format!("postgres://alice:hunter2@127.0.0.1:{port}/db")).await;
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().contains("within 5 s"), "{error}");
}

#[tokio::test]
async fn a_url_that_is_none_is_told_without_it() {
    for url in [
        "postgres://alice:hunter2@[::1/db",
        "postgres://alice:hunter2@localhost:port/db",
        "postgres://localhost/db?sslmode=hunter2",
        "hunter2",
    ] {
        let error = refused(url).await;
        assert!(matches!(error, StoreError::Config(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let Ok(server) = std::env::var("PORTCULLIS_TEST_POSTGRES") else {
        return;
    };
    let (server, _) = server.rsplit_once('/').unwrap();
    let error = refused(&format!("{server}/nowhere")).await;
    assert!(error.is_unavailable(), "{error:?}");
    assert!(
        error.to_string().contains("\"nowhere\" does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn connections_that_the_server_ends_are_made_anew() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = place.open().await;
    store.add_user(&user("alice"), &by()).await.unwrap();
    // A restart, as far as one can see from here.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ";
    place
        .execute(&format!("{end}'{}'", place.application()))
        .await;
    assert_eq!(names(&store).await, ["alice"]);
    store.add_user(&user("bob"), &by()).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let Some((user, _, rest)) = with_password() else {
        return;
    };
    let error = refused(&format!("postgres://{user}:hunter2@{rest}")).await;
    assert!(error.is_unavailable(), "{error:?}");
    assert!(
        error.to_string().contains("password authentication failed"),
        "{error}"
    );
}

#[tokio::test]
async fn the_certificate_of_the_server_is_checked() {
    let Ok(ca) = std::env::var("PORTCULLIS_TEST_POSTGRES_CA") else {
        return;
    };
    let (user, password, rest) = with_password().unwrap();
    let (host, database) = rest.split_once('/').unwrap();
    let (_, port) = host.rsplit_once(':').unwrap();
    let another = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(another.path(), made.cert.pem()).unwrap();
    let another = another.path().to_str().unwrap();
    // Its certificate is for `localhost`, not for the address.
    for (host, mode, ca, fine) in [
        ("localhost", "verify-full", &*ca, true),
        ("127.0.0.1", "verify-ca", &*ca, true),
        ("127.0.0.1", "verify-full", &*ca, false),
        ("localhost", "verify-full", another, false),
        ("localhost", "verify-ca", another, false),
        ("localhost", "require", another, true),
    ] {
        let query = format!("sslmode={mode}&sslrootcert={ca}&options[search_path]=nowhere");
        let url = format!("postgres://{user}:{password}@{host}:{port}/{database}?{query}");
        let error = refused(&url).await;
        // Where TLS is fine, it is the schema that is not there.
        let schema = error.to_string().contains("no schema has been selected");
        assert_eq!(schema, fine, "{host} {mode}: {error}");
        assert!(!error.to_string().contains(&password), "{error}");
    }
}

/// A machine that swaps, a debugger: what it had begun is undone, and the others go on.
#[tokio::test]
async fn a_frozen_process_does_not_hold_up_the_others() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = place.open().await;
    let mut child = start("import", &place.url);
    let pid = child.id().to_string();
    let signal = |name: &str| {
        assert!(
            Command::new("kill")
                .args([name, pid.as_str()])
                .status()
                .unwrap()
                .success()
        );
    };
    // It has the lock of the writers, and a transaction that goes on.
    let held = "SELECT 1 FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.granted \
        WHERE l.locktype = 'advisory' AND a.application_name = ";
    while place
        .count(&format!("{held}'{}'", place.application()))
        .await
        == 0
    {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the import was too short"
        );
    }
    signal("-STOP");
    store.add_user(&user("alice"), &by()).await.unwrap();
    assert_eq!(names(&store).await, ["alice"]);
    signal("-CONT");
    // What it goes on with fails.
    assert!(!child.wait().unwrap().success());
    assert_eq!(names(&store).await, ["alice"]);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_noticed_and_made_anew() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let store = place.open().await;
    let listening = format!(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = '{}' AND query LIKE 'LISTEN%'",
        place.application()
    );
    let mut changes = store.changes();
    for _ in 0..3 {
        while place.count(&listening).await == 0 {
            changes.changed().await;
        }
        place
            .execute(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'",
                place.application()
            ))
            .await;
        // Meanwhile the poll goes on, and the store.
        changes.changed().await;
        revoke(&store, "a").await;
    }
    while place.count(&listening).await == 0 {
        changes.changed().await;
    }
    drop(changes);
    // Who does not wait any more does not listen any more, either.
    while place.count(&listening).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told_soon(&store, &store, 20).await > 10);
    store.close().await;
    place.remove().await;
}

/// User, password and the rest of the test server's URL.
fn with_password() -> Option<(String, String, String)> {
    let server = std::env::var("PORTCULLIS_TEST_POSTGRES").ok()?;
    let (user, rest) = server.strip_prefix("postgres://")?.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
    Some((user.to_owned(), password.to_owned(), rest.to_owned()))
}
