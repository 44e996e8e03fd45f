//! The tables, version by version.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType};
use sqlx::{Connection, PgConnection, SqlSafeStr, SqliteConnection};

use super::StoreError;
use super::database::{answered, lock_writers};

/// A version, what it brings, and its text.
type Version = (i64, &'static str, &'static str);

const SQLITE: &[Version] = &[
    (1, "users", include_str!("migrations/sqlite/0001_users.sql")),
    (
        2,
        "sessions",
        include_str!("migrations/sqlite/0002_sessions.sql"),
    ),
];

const POSTGRES: &[Version] = &[
    (
        1,
        "users",
        include_str!("migrations/postgres/0001_users.sql"),
    ),
    (
        2,
        "sessions",
        include_str!("migrations/postgres/0002_sessions.sql"),
    ),
];

/// Where it is written down which versions a store has.
const TABLE: &str = "_sqlx_migrations";

/// Brings the tables of SQLite up to date: all versions in one transaction, which is also what keeps others out.
pub(super) async fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = answered(connection.begin_with("BEGIN IMMEDIATE")).await?;
    bring_up_to_date(&mut *transaction, SQLITE).await?;
    answered(transaction.commit()).await
}

/// The same for PostgreSQL, where the lock of the writers keeps others out.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = answered(connection.begin()).await?;
    answered(lock_writers(&mut transaction)).await?;
    // A table that has grown takes its time.
    let patience = sqlx::query("SET LOCAL statement_timeout = '10min'");
    answered(patience.execute(&mut *transaction)).await?;
    bring_up_to_date(&mut *transaction, POSTGRES).await?;
    answered(transaction.commit()).await
}

/// Applies the versions that are missing, after a look at those that are there. The driver's own runner would do the same
/// under a lock of its own, of which there is none for SQLite, and in a transaction for each version.
async fn bring_up_to_date(
    connection: &mut impl Migrate,
    versions: &[Version],
) -> Result<(), StoreError> {
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    let known = versions.last().map_or(0, |(number, ..)| *number);
    if let Some(newest) = applied.iter().map(|applied| applied.version).max()
        && newest > known
    {
        let found = newest;
        return Err(StoreError::NewerSchema { found, known });
    }
    for version in versions {
        let migration = migration(*version);
        let there = applied
            .iter()
            .find(|applied| applied.version == migration.version);
        match there {
            None => {
                connection.apply(TABLE, &migration).await?;
            }
            Some(applied) if applied.checksum == migration.checksum => {}
            Some(applied) => return Err(MigrateError::VersionMismatch(applied.version).into()),
        }
    }
    Ok(())
}

fn migration((number, name, text): Version) -> Migration {
    let (name, text) = (Cow::Borrowed(name), text.into_sql_str());
    Migration::new(number, name, MigrationType::Simple, text, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_versions() {
        let names = |versions: &[Version]| -> Vec<(i64, &'static str)> {
            versions
                .iter()
                .map(|(version, name, _)| (*version, *name))
                .collect()
        };
        assert_eq!(names(SQLITE), names(POSTGRES));
        let numbers: Vec<i64> = SQLITE.iter().map(|(version, ..)| *version).collect();
        let expected: Vec<i64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
    }
}
