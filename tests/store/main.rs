//! The store as its users see it: one suite, on SQLite and on PostgreSQL.
//!
//! PostgreSQL's half runs where `PORTCULLIS_TEST_POSTGRES` names a server, as `tests/real/postgres.sh` does; each test makes
//! a schema of its own there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod audit;
mod changes;
mod children;
mod clients;
mod endings;
mod faults;
mod handle;
mod imports;
mod place;
mod races;
mod refreshing;
mod revocations;
mod schema;
mod sessions;
mod sign_ins;
mod signing_keys;
mod sqlite_file;
mod users;

/// Every test that is named, on both databases.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&crate::place::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(place) = crate::place::Place::postgres().await {
                    super::$test(&place).await;
                    place.remove().await;
                }
            })+
        }
    };
}
pub(crate) use on_both;
