//! Opening the store: the file and its rights, the server and its limits.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use crate::config::StoreUrl;
use crate::secret::Secret;

use super::database::{Pools, answered};
use super::migrations::{migrate_postgres, migrate_sqlite};
use super::{Store, StoreError};

/// How long a statement waits for another process that is writing the SQLite file.
const BUSY: Duration = Duration::from_secs(10);

/// How long one waits for a connection, including its making.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections that read a SQLite file; each is a thread.
const READERS: u32 = 4;

/// Connections to PostgreSQL: it has 100 for everybody.
const CONNECTIONS: u32 = 8;

/// What each connection to PostgreSQL begins with.
///
/// `idle_in_transaction_session_timeout`: a gateway that froze in the middle of a change loses it before the others give up
/// waiting. `client_min_messages`: that a table is there already is no news.
const SESSION: &str = "SET statement_timeout = '10s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '5s'; SET client_min_messages = 'warning'";

impl Store {
    /// Opens the store and brings its tables up to date. A SQLite file that is missing is made, for its owner alone.
    ///
    /// # Errors
    /// It cannot be reached or made, it is damaged, or a newer program has changed it.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let pools = match url {
            StoreUrl::Sqlite(file) => open_sqlite(file)
                .await
                .map_err(|error| error.at(&file.display().to_string()))?,
            StoreUrl::Postgres(url) => {
                let options = postgres_options(url)?;
                let place = place_of(&options);
                let pool = open_postgres(options).await;
                pool.map_err(|error| error.at(&place))?
            }
        };
        Ok(Self { pools })
    }
}

async fn open_sqlite(file: &Path) -> Result<Pools, StoreError> {
    make_file(file).map_err(|error| StoreError::File {
        path: file.to_owned(),
        problem: error.to_string(),
    })?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY)
        .journal_mode(SqliteJournalMode::Wal)
        // What was told to be done stays done when the power goes.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What the file's own schema says is not trusted with functions that do more than compute.
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    // A connection of its own, so that what is wrong is said at once, and not that a pool gave none.
    let mut first = answered(options.connect()).await?;
    migrate_sqlite(&mut first).await?;
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(CONNECT)
        .connect_lazy_with(options.pragma("query_only", "ON"));
    answered(first.close()).await?;
    Ok(Pools::Sqlite { writer, readers })
}

/// Makes an empty file that only its owner reads, unless there is one. What SQLite puts beside it gets the same rights.
fn make_file(file: &Path) -> io::Result<()> {
    if let Some(directory) = file.parent().filter(|path| !path.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // SQLite would open what it cannot write, and say so only at the first change.
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(file)
                .map(|_| ())
        }
        Err(error) => Err(error),
    }
}

fn postgres_options(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let malformed = || StoreError::Config("it is malformed".to_owned());
    let url = std::str::from_utf8(url.expose()).map_err(|_| malformed())?;
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|_| malformed())?
        .disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("portcullis");
    }
    Ok(options)
}

/// The server and the database, for whoever reads an error: neither the user nor the password.
fn place_of(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(
        || options.get_host().to_owned(),
        |directory| directory.display().to_string(),
    );
    let database = options.get_database().unwrap_or_default();
    format!("{host}:{}/{database}", options.get_port())
}

async fn open_postgres(options: PgConnectOptions) -> Result<Pools, StoreError> {
    // A connection of its own, so that what is wrong is said at once, and not that a pool gave none.
    let connecting = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options)).await;
    let mut first = connecting.map_err(|_| {
        StoreError::Unavailable(format!("no connection within {} s", CONNECT.as_secs()))
    })??;
    answered(first.execute(SESSION)).await?;
    migrate_postgres(&mut first).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    answered(first.close()).await?;
    Ok(Pools::Postgres(pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_server_and_nothing_secret() {
        for (url, place) in [
            (
                "postgres://ada:hunter2@db.internal/gate",
                "db.internal:5432/gate",
            ),
            ("postgres://ada:hunter2@[::1]:5454/gate", "[::1]:5454/gate"),
            (
                "postgres://ada@localhost/gate?host=/run/postgresql",
                "/run/postgresql:5432/gate",
            ),
        ] {
            let options = postgres_options(&Secret::new(url.as_bytes().to_vec())).unwrap();
            let error = StoreError::Unavailable("refused".to_owned()).at(&place_of(&options));
            let said = format!("the store cannot be used: {place}: refused");
            assert_eq!(error.to_string(), said, "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{url}");
        }
    }
}
