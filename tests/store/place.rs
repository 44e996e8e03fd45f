//! Where the store of a test is, and what goes into it.

use std::path::PathBuf;

use portcullis::config::StoreUrl;
use portcullis::passwords::{self, Cost, Password, PasswordHash};
use portcullis::secret::Secret;
use portcullis::store::{Actor, AuditEvent, AuditFilter, Grants, Means, NewUser, Store, UserName};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Names a PostgreSQL server: `postgres://postgres@127.0.0.1:5433/postgres`.
const SERVER: &str = "PORTCULLIS_TEST_POSTGRES";

/// An empty place of its own.
pub(crate) struct Place {
    pub(crate) url: StoreUrl,
    /// The file's directory, or the schema.
    holder: Holder,
}

enum Holder {
    Directory(TempDir),
    Schema { server: String, name: String },
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: StoreUrl::Sqlite(directory.path().join("state/portcullis.db")),
            holder: Holder::Directory(directory),
        }
    }

    /// `None` where there is no server to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        let server = std::env::var(SERVER).ok()?;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = format!("CREATE SCHEMA {name}");
        connection
            .execute(sqlx::AssertSqlSafe(create))
            .await
            .unwrap();
        let url = format!("{server}?options[search_path]={name}&application_name={name}");
        Some(Self {
            url: StoreUrl::Postgres(Secret::new(url.into_bytes())),
            holder: Holder::Schema { server, name },
        })
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// What SQLite has made.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.url {
            StoreUrl::Sqlite(file) => file.clone(),
            StoreUrl::Postgres(_) => panic!("it is no file"),
        }
    }

    /// Past the store, as an operator with a shell would.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.url {
            StoreUrl::Sqlite(file) => {
                let url = format!("sqlite:{}", file.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
            StoreUrl::Postgres(url) => {
                let url = std::str::from_utf8(url.expose()).unwrap();
                let options: PgConnectOptions = url.parse().unwrap();
                let options = options.application_name("shell");
                let mut connection = PgConnection::connect_with(&options).await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// An id as SQL has it there.
    pub(crate) fn id(&self, id: Uuid) -> String {
        match &self.url {
            StoreUrl::Sqlite(_) => format!("X'{}'", id.simple()),
            StoreUrl::Postgres(_) => format!("'{id}'"),
        }
    }

    /// How many rows a query has on the server.
    pub(crate) async fn count(&self, sql: &str) -> usize {
        let StoreUrl::Postgres(url) = &self.url else {
            panic!("it is no server")
        };
        let url = std::str::from_utf8(url.expose()).unwrap();
        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.application_name("shell");
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let rows = connection.fetch_all(sql).await.unwrap();
        connection.close().await.unwrap();
        rows.len()
    }

    /// What connections of the store are called.
    pub(crate) fn application(&self) -> &str {
        match &self.holder {
            Holder::Directory(_) => panic!("it is no server"),
            Holder::Schema { name, .. } => name,
        }
    }

    /// What a schema leaves on its server goes; a directory goes by itself.
    pub(crate) async fn remove(&self) {
        match &self.holder {
            Holder::Directory(directory) => assert!(directory.path().exists()),
            Holder::Schema { server, name } => {
                let mut connection = PgConnection::connect(server).await.unwrap();
                let drop = format!("SET client_min_messages = warning; DROP SCHEMA {name} CASCADE");
                connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
            }
        }
    }
}

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

/// A user who may nothing, with a password.
pub(crate) fn user(text: &str) -> NewUser {
    NewUser::new(name(text), Some(hash(text)))
}

/// A user with something of everything.
pub(crate) fn rich(text: &str) -> NewUser {
    let Value::Object(claims) =
        json!({ "tenant": "acme", "limits": { "a": [1, 2.5, null, "ä\u{0}"] } })
    else {
        unreachable!()
    };
    let grants = Grants::new(["ops", "Ärzte"], ["orders:read", "b", "a"], claims).unwrap();
    user(text).with_grants(grants)
}

/// The cheapest hash there is of a password.
pub(crate) fn hash(password: &str) -> PasswordHash {
    let password = Password::new(password.as_bytes().to_vec()).unwrap();
    passwords::hash(&password, Cost::new(8, 1, 1).unwrap(), [7; 16]).unwrap()
}

pub(crate) fn by() -> Actor {
    Actor {
        means: Means::CommandLine,
        who: "root".to_owned(),
    }
}

/// The whole trail, the oldest first.
pub(crate) async fn trail(store: &Store) -> Vec<AuditEvent> {
    let mut events = store
        .audit(&AuditFilter::default(), u32::MAX)
        .await
        .unwrap();
    events.reverse();
    events
}

/// The same as text: what was done to whom.
pub(crate) async fn actions(store: &Store) -> Vec<String> {
    let events = trail(store).await;
    let line = |event: AuditEvent| {
        let user = event.user_name.unwrap_or_default();
        format!("{} {user}", event.action)
    };
    events.into_iter().map(line).collect()
}

pub(crate) async fn names(store: &Store) -> Vec<String> {
    let users = store.users(None, u32::MAX).await.unwrap();
    users.iter().map(|user| user.name.to_string()).collect()
}
