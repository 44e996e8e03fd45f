//! From rows to the model.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::passwords::PasswordHash;

use super::{AuditEvent, Grants, StoreError, User, UserName};

/// The columns of a [`UserRow`]. `*` would be others as soon as a newer program has added one, which PostgreSQL refuses to
/// statements that are prepared.
macro_rules! user_columns {
    () => {
        "id, name, password, roles, scopes, claims, disabled, created, changed, password_changed"
    };
}
pub(super) use user_columns;

/// A row of `users`.
pub(super) struct UserRow {
    id: Uuid,
    name: String,
    password: Option<String>,
    roles: String,
    scopes: String,
    claims: String,
    disabled: bool,
    created: i64,
    changed: i64,
    password_changed: i64,
}

/// A row of `audit`.
pub(super) struct AuditRow {
    number: i64,
    at: i64,
    means: String,
    who: String,
    action: String,
    user_id: Option<Uuid>,
    user_name: Option<String>,
    session_id: Option<Uuid>,
    client: Option<String>,
    address: Option<String>,
    detail: Option<String>,
}

/// Both databases have the same columns, and their drivers rows of different types.
macro_rules! from_row {
    ($type:ident { $($column:ident),+ $(,)? }) => {
        from_row!($type, sqlx::sqlite::SqliteRow, $($column),+);
        from_row!($type, sqlx::postgres::PgRow, $($column),+);
    };
    ($type:ident, $row:ty, $($column:ident),+) => {
        impl sqlx::FromRow<'_, $row> for $type {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: sqlx::Row::try_get(row, stringify!($column))?),+ })
            }
        }
    };
}

pub(super) use from_row;

from_row!(UserRow {
    id,
    name,
    password,
    roles,
    scopes,
    claims,
    disabled,
    created,
    changed,
    password_changed,
});

from_row!(AuditRow {
    number,
    at,
    means,
    who,
    action,
    user_id,
    user_name,
    session_id,
    client,
    address,
    detail,
});

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let name = UserName::parse(&row.name)
            .map_err(|error| StoreError::Corrupt(format!("the name of user {} {error}", row.id)))?;
        let wrong = |what: &str| StoreError::Corrupt(format!("{what} of user `{name}`"));
        let password = row
            .password
            .map(|hash| PasswordHash::parse(&hash).map_err(|_| wrong("the password hash")))
            .transpose()?;
        let claims = serde_json::from_str::<Map<String, Value>>(&row.claims).ok();
        let parts = (names_of(&row.roles), names_of(&row.scopes), claims);
        let (Some(roles), Some(scopes), Some(claims)) = parts else {
            return Err(wrong("roles, scopes or claims"));
        };
        // Whoever can write the tables could otherwise give a user any `sub`.
        let grants = Grants::new(roles, scopes, claims)
            .map_err(|error| wrong(&format!("roles, scopes or claims ({error})")))?;
        Ok(Self {
            id: row.id,
            password,
            grants,
            disabled: row.disabled,
            created: moment(row.created)?,
            changed: moment(row.changed)?,
            password_changed: moment(row.password_changed)?,
            name,
        })
    }
}

impl TryFrom<AuditRow> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.number,
            at: moment(row.at)?,
            means: row.means.into(),
            who: row.who.into(),
            action: row.action.into(),
            user: row.user_id,
            user_name: row.user_name.map(Into::into),
            session: row.session_id,
            client: row.client.map(Into::into),
            address: row.address.map(Into::into),
            detail: row.detail.map(Into::into),
        })
    }
}

/// A moment as the tables have it.
pub(super) fn moment(milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| StoreError::Corrupt("a time beyond the calendar".to_owned()))
}

/// Names as they are stored: an array of strings.
pub(super) fn json(names: &[Box<str>]) -> String {
    names
        .iter()
        .map(|name| &**name)
        .collect::<Value>()
        .to_string()
}

pub(super) fn names_of(json: &str) -> Option<Vec<Box<str>>> {
    serde_json::from_str(json).ok()
}

/// SHA-256, as it is stored.
pub(super) fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Corrupt("a digest of another length".to_owned()))
}
