//! What a client is.

use std::fmt;

use jiff::Timestamp;
use serde_json::Map;
use uuid::Uuid;

use super::rows::{digest, from_row, moment, names_of};
use super::{GrantError, Grants, StoreError};

/// The client of those who sign in at `/login`: there is always one of this name, and none can be added.
pub const FIRST_PARTY_CLIENT: &str = "portcullis";

/// A client to be added: everything in it is checked.
#[derive(Clone)]
pub struct NewClient {
    pub(super) id: Box<str>,
    pub(super) secret: Option<[u8; 32]>,
    pub(super) scopes: Vec<Box<str>>,
}

/// Why a client is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It has other characters than visible ASCII, none, or more than 255.
    #[error("`{0}` is no id of a client: 1 to 255 visible ASCII characters")]
    Id(String),
    /// It is the gateway's own.
    #[error("`{FIRST_PARTY_CLIENT}` is the gateway's own client")]
    Reserved,
    /// It reads as the id of a user: `sub` of the two could not be told apart (RFC 9068 §5).
    #[error(
        "`{0}` could be the id of a user: a client is called something else than a UUID of version 7"
    )]
    LikeUser(String),
    /// A scope is none, or there are too many.
    #[error(transparent)]
    Scope(#[from] GrantError),
}

impl NewClient {
    /// A client; `secret` is the SHA-256 of what it proves itself with, and without one it is public.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(
        id: &str,
        secret: Option<[u8; 32]>,
        scopes: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Result<Self, ClientError> {
        let allowed = id.bytes().all(|byte| byte.is_ascii_graphic());
        if !allowed || !(1..=255).contains(&id.len()) {
            return Err(ClientError::Id(id.chars().take(64).collect()));
        }
        if id.eq_ignore_ascii_case(FIRST_PARTY_CLIENT) {
            return Err(ClientError::Reserved);
        }
        if Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 7) {
            return Err(ClientError::LikeUser(id.to_owned()));
        }
        let no_roles: [&str; 0] = [];
        let grants = Grants::new(no_roles, scopes, Map::new())?;
        Ok(Self {
            id: id.into(),
            secret,
            scopes: grants.scopes().to_vec(),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A client as the store has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: Box<str>,
    /// SHA-256 of its secret; a public client has none.
    pub secret: Option<[u8; 32]>,
    /// What it may be granted.
    pub scopes: Vec<Box<str>>,
    /// Whether it gets no tokens.
    pub disabled: bool,
    /// When it was added, by the clock of the database, in milliseconds.
    pub created: Timestamp,
    /// When anything of it was last changed.
    pub changed: Timestamp,
}

/// The columns of a [`ClientRow`].
macro_rules! client_columns {
    () => {
        "id, secret, scopes, disabled, created, changed"
    };
}
pub(super) use client_columns;

/// A row of `clients`.
pub(super) struct ClientRow {
    id: String,
    secret: Option<Vec<u8>>,
    scopes: String,
    disabled: bool,
    created: i64,
    changed: i64,
}

from_row!(ClientRow {
    id,
    secret,
    scopes,
    disabled,
    created,
    changed,
});

impl TryFrom<ClientRow> for Client {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
        let scopes = names_of(&row.scopes)
            .ok_or_else(|| StoreError::Corrupt(format!("the scopes of client `{}`", row.id)))?;
        Ok(Self {
            id: row.id.into(),
            secret: row.secret.as_deref().map(digest).transpose()?,
            scopes,
            disabled: row.disabled,
            created: moment(row.created)?,
            changed: moment(row.changed)?,
        })
    }
}

impl fmt::Debug for NewClient {
    /// Without the digest of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewClient")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("public", &self.secret.is_none())
            .field("scopes", &self.scopes)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}
