//! What goes wrong with the store.

use std::path::PathBuf;

/// Why the store did not do what was asked. What it says is for the operator: neither a password of the URL nor a hash is
/// in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time. Nothing was changed unless the connection broke while a change was
    /// confirmed.
    #[error("the store cannot be reached: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Its file or directory cannot be made or opened.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its tables were made by a newer program.
    #[error(
        "the store was made by a newer portcullis (its schema is {found}, this one knows {known}): use that one"
    )]
    NewerSchema {
        /// Of the store.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Its tables are not those that its migrations make.
    #[error("the schema of the store cannot be brought up to date: {0}")]
    Schema(#[source] sqlx::migrate::MigrateError),
    /// The user of this name is there already.
    #[error("there is a user `{0}` already")]
    AlreadyExists(String),
    /// There is no user of this name.
    #[error("there is no user `{0}`")]
    NotFound(String),
    /// What was read cannot have been written by this program, or the file is damaged.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The URL cannot be used.
    #[error("[store] url: {0}")]
    Config(String),
}

impl StoreError {
    /// Whether asking again later may help: the store is away, not wrong.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::File { .. } => true,
            Self::NewerSchema { .. }
            | Self::Schema(_)
            | Self::AlreadyExists(_)
            | Self::NotFound(_)
            | Self::Corrupt(_)
            | Self::Config(_) => false,
        }
    }
}
