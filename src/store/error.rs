//! What goes wrong with the store.

use std::path::PathBuf;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

/// Why the store did not do what was asked. What it says is for the operator: neither a password of the URL nor a hash is
/// in it, so the database's own errors are not kept: their details quote rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, does not answer in time, or refuses. Nothing was changed, unless the connection broke while a
    /// change was being confirmed.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// Its file or directory cannot be made or opened.
    #[error("the store cannot be used: {}: {problem}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// Its tables were made by a newer program.
    #[error(
        "the store was changed by a newer portcullis: its schema is version {found}, and this one knows {known}; run that one"
    )]
    NewerSchema {
        /// Of the store.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Its tables are not those that the migrations make.
    #[error("the tables of the store cannot be brought up to date: {0}")]
    Schema(String),
    /// The user of this name is there already.
    #[error("there is a user `{0}` already")]
    AlreadyExists(String),
    /// There is no user of this name.
    #[error("there is no user `{0}`")]
    NotFound(String),
    /// The client of this id is there already.
    #[error("there is a client `{0}` already")]
    ClientExists(String),
    /// There is no client of this id.
    #[error("there is no client `{0}`")]
    NoClient(String),
    /// What is to be revoked is none of the kinds, or too long.
    #[error("this cannot be revoked: {0}")]
    NotRevocable(&'static str),
    /// Two users of one import have the same name.
    #[error("`{0}` and `{1}` are one name, and both are to be imported")]
    Twice(String, String),
    /// What was read cannot have been written by this program, or the file is damaged or no database.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The URL cannot be used.
    #[error("the URL of the store cannot be used: {0}")]
    Config(String),
}

impl StoreError {
    /// The same, of the store at `place`: a file, or a server without what is secret in its URL.
    pub(super) fn at(self, place: &str) -> Self {
        let named = |text: String| format!("{place}: {text}");
        match self {
            Self::Unavailable(text) => Self::Unavailable(named(text)),
            Self::Schema(text) => Self::Schema(named(text)),
            Self::Corrupt(text) => Self::Corrupt(named(text)),
            other @ (Self::File { .. }
            | Self::NewerSchema { .. }
            | Self::AlreadyExists(_)
            | Self::NotFound(_)
            | Self::ClientExists(_)
            | Self::NoClient(_)
            | Self::NotRevocable(_)
            | Self::Twice(..)
            | Self::Config(_)) => other,
        }
    }

    /// Whether asking again later may help: the store is away, not wrong.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::File { .. } => true,
            Self::NewerSchema { .. }
            | Self::Schema(_)
            | Self::AlreadyExists(_)
            | Self::NotFound(_)
            | Self::ClientExists(_)
            | Self::NoClient(_)
            | Self::NotRevocable(_)
            | Self::Twice(..)
            | Self::Corrupt(_)
            | Self::Config(_) => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list is theirs, and open"
    )]
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => of_database(&*error),
            // What a URL or an option was is not said: it may be the password.
            sqlx::Error::Configuration(_) => Self::Config("it is malformed".to_owned()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Corrupt(format!("column {index} holds something else"))
            }
            sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Decode(_) => Self::Corrupt("a row has another shape".to_owned()),
            sqlx::Error::PoolTimedOut => {
                Self::Unavailable("it gave no connection in time".to_owned())
            }
            sqlx::Error::Io(error) => Self::Unavailable(error.to_string()),
            sqlx::Error::Migrate(error) => Self::from(*error),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// A database's code and message, without the detail.
fn of_database(error: &dyn DatabaseError) -> StoreError {
    let message = error.message();
    let Some(code) = error.code() else {
        return StoreError::Unavailable(message.to_owned());
    };
    let text = format!("{message} ({code})");
    // SQLite's codes are numbers, and the low byte is the kind: SQLITE_CORRUPT and SQLITE_NOTADB. PostgreSQL's have five
    // characters; of class XX are damaged data and indexes.
    let sqlite = code.parse::<u32>().ok().filter(|_| code.len() < 5);
    if matches!(sqlite.map(|code| code & 0xff), Some(11 | 26))
        || matches!(&*code, "XX001" | "XX002")
    {
        return StoreError::Corrupt(text);
    }
    StoreError::Unavailable(text)
}

impl From<MigrateError> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list is theirs, and open"
    )]
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(error, version) => {
                Self::Schema(format!("version {version}: {}", Self::from(error)))
            }
            other => Self::Schema(other.to_string()),
        }
    }
}
