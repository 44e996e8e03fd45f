//! One text of SQL on two databases.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

use super::StoreError;

/// Within which a statement is answered: above what the database itself allows one, so that usually it says why.
const ANSWER: Duration = Duration::from_secs(15);

/// Half of the key of the lock that writers of PostgreSQL take; the other half is the schema.
const WRITERS: i32 = 0x504f_5254;

/// An open store. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    pub(super) pools: Pools,
}

/// The connections.
#[derive(Clone)]
pub(super) enum Pools {
    /// One writer, so that writers wait in a queue instead of for a lock of the file, and some who read meanwhile.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// A change: it happens as a whole when it is committed, and not at all when it is dropped.
pub(super) enum Change {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Runs one statement of a change: `run!(change, connection => query(..).execute(connection))`.
macro_rules! run {
    ($change:expr, $connection:ident => $statement:expr) => {
        match $change {
            $crate::store::database::Change::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $crate::store::database::answered($statement).await
            }
            $crate::store::database::Change::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $crate::store::database::answered($statement).await
            }
        }
    };
}

/// Runs one statement that only reads.
macro_rules! read {
    ($store:expr, $connections:ident => $statement:expr) => {
        match &$store.pools {
            $crate::store::database::Pools::Sqlite {
                readers: $connections,
                ..
            } => $crate::store::database::answered($statement).await,
            $crate::store::database::Pools::Postgres($connections) => {
                $crate::store::database::answered($statement).await
            }
        }
    };
}

/// Runs one statement that is a change by itself: it numbers nothing and leaves no line in the trail, so it need not wait for
/// other writers, only for those of the same rows.
macro_rules! alone {
    ($store:expr, $connections:ident => $statement:expr) => {
        match &$store.pools {
            $crate::store::database::Pools::Sqlite {
                writer: $connections,
                ..
            } => $crate::store::database::answered($statement).await,
            $crate::store::database::Pools::Postgres($connections) => {
                $crate::store::database::answered($statement).await
            }
        }
    };
}

pub(super) use {alone, read, run};

/// What a database answers, or that it does not: one that is frozen, or behind a network that swallows everything, would
/// never.
pub(super) async fn answered<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, statement).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Unavailable(format!(
            "no answer within {} s",
            ANSWER.as_secs()
        ))),
    }
}

impl Store {
    /// Begins a change. Until it ends there is no other, in this process or elsewhere: what it reads is what it changes, and
    /// what it numbers is committed in the order of the numbers.
    pub(super) async fn change(&self) -> Result<Change, StoreError> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => {
                let begin = writer.begin_with("BEGIN IMMEDIATE");
                Ok(Change::Sqlite(answered(begin).await?))
            }
            Pools::Postgres(pool) => {
                let mut transaction = answered(pool.begin()).await?;
                answered(lock_writers(&mut transaction)).await?;
                Ok(Change::Postgres(transaction))
            }
        }
    }

    /// Waits until every connection is closed.
    pub async fn close(self) {
        match self.pools {
            Pools::Sqlite { writer, readers } => {
                // The writer goes last: the last one to go folds the log into the file.
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl Change {
    /// The present by the database's clock, in milliseconds since 1970.
    pub(super) async fn now(&mut self) -> Result<i64, StoreError> {
        let (now,) = run!(self, connection => {
            sqlx::query_as("SELECT now FROM clock").fetch_one(connection)
        })?;
        Ok(now)
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => answered(transaction.commit()).await,
            Self::Postgres(transaction) => answered(transaction.commit()).await,
        }
    }
}

/// Waits for the other writers of this schema; the lock ends with the transaction.
pub(super) async fn lock_writers(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext(coalesce(current_schema(), '')))")
        .bind(WRITERS)
        .execute(connection)
        .await?;
    Ok(())
}

impl fmt::Debug for Store {
    /// The kind alone: options hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.pools {
            Pools::Sqlite { .. } => "Store(SQLite)",
            Pools::Postgres(_) => "Store(PostgreSQL)",
        })
    }
}
