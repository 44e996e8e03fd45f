//! What a session is: a sign-in that goes on, and the family of its refresh tokens.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::rows::{from_row, moment, names_of};
use super::{StoreError, User};

/// Most characters that are kept of the name of a device.
pub(super) const MAX_DEVICE: usize = 256;

/// A session to be started.
#[derive(Clone)]
pub struct NewSession {
    /// New, and of version 7, so that ids order by age.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// [`User::password_changed`] as it was when the password was found to be right: one that was changed meanwhile starts
    /// no session.
    pub password_changed: Timestamp,
    /// With which it was started; no other may refresh it.
    pub client: Box<str>,
    /// What was granted.
    pub scopes: Vec<Box<str>>,
    /// What the client says it is; at most 256 characters of it are kept.
    pub device: Box<str>,
    /// Where it was started from.
    pub address: IpAddr,
    /// What its refresh tokens are made from, encrypted.
    pub sealed_secret: Vec<u8>,
    /// SHA-256 of its first refresh token, that of generation 1.
    pub digest: [u8; 32],
    /// For how long it goes on without a refresh.
    pub idle: Duration,
    /// For how long it goes on at all.
    pub cap: Duration,
}

/// A session as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its `sid`.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// With which client.
    pub client: Box<str>,
    /// What was granted.
    pub scopes: Vec<Box<str>>,
    /// What the client said it is.
    pub device: Box<str>,
    /// Where it was last refreshed from, or started.
    pub address: IpAddr,
    /// When it was started, by the clock of the database, in milliseconds.
    pub created: Timestamp,
    /// When it was last refreshed, or started.
    pub last_seen: Timestamp,
    /// When it is over unless it is refreshed: never after `ends`.
    pub expires: Timestamp,
    /// When it is over in any case.
    pub ends: Timestamp,
    /// When and why it was ended before that.
    pub ended: Option<(Timestamp, EndReason)>,
    /// Of the refresh token in force; the first is 1.
    pub generation: u32,
}

/// A session with what a refresh token is checked against.
#[derive(Clone)]
pub struct Family {
    /// The session.
    pub session: Session,
    /// As [`NewSession::sealed_secret`].
    pub sealed_secret: Vec<u8>,
    /// Whose it is.
    pub user: User,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its user signed out.
    Logout,
    /// Its user ended it from another one.
    FromAnother,
    /// Its refresh token was revoked (RFC 7009).
    Revoked,
    /// A refresh token of it was used again.
    Reused,
    /// The user has another password, or none.
    PasswordChanged,
    /// The user may not sign in any more.
    UserDisabled,
    /// The client gets no tokens any more.
    ClientDisabled,
    /// Whoever runs the gateway ended it.
    Operator,
}

impl EndReason {
    /// Every reason there is.
    pub const ALL: [Self; 8] = [
        Self::Logout,
        Self::FromAnother,
        Self::Revoked,
        Self::Reused,
        Self::PasswordChanged,
        Self::UserDisabled,
        Self::ClientDisabled,
        Self::Operator,
    ];

    /// As the store and the log have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::FromAnother => "ended_from_another",
            Self::Revoked => "revoked",
            Self::Reused => "reused",
            Self::PasswordChanged => "password_changed",
            Self::UserDisabled => "user_disabled",
            Self::ClientDisabled => "client_disabled",
            Self::Operator => "operator",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// Which sessions are asked for; the default is all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionFilter {
    /// Those of this user.
    pub user: Option<Uuid>,
    /// Those that were neither ended nor are over.
    pub live_only: bool,
}

/// The columns of a [`SessionRow`].
macro_rules! session_columns {
    () => {
        "session_id, user_id, client, granted, device, address, started, last_seen, expires, ends, ended, \
         end_reason, generation"
    };
}
pub(super) use session_columns;

/// A row of `sessions`, but for its secrets.
pub(super) struct SessionRow {
    session_id: Uuid,
    user_id: Uuid,
    client: String,
    granted: String,
    device: String,
    address: String,
    started: i64,
    last_seen: i64,
    expires: i64,
    ends: i64,
    ended: Option<i64>,
    end_reason: Option<String>,
    generation: i64,
}

from_row!(SessionRow {
    session_id,
    user_id,
    client,
    granted,
    device,
    address,
    started,
    last_seen,
    expires,
    ends,
    ended,
    end_reason,
    generation,
});

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let id = row.session_id;
        let wrong = |what: &str| StoreError::Corrupt(format!("{what} of session {id}"));
        let ended = match (row.ended, row.end_reason) {
            (Some(at), Some(reason)) => {
                let reason = EndReason::from_name(&reason).ok_or_else(|| wrong("the end"))?;
                Some((moment(at)?, reason))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(wrong("the end")),
        };
        Ok(Self {
            id,
            user: row.user_id,
            client: row.client.into(),
            scopes: names_of(&row.granted).ok_or_else(|| wrong("the scopes"))?,
            device: row.device.into(),
            address: row.address.parse().map_err(|_| wrong("the address"))?,
            created: moment(row.started)?,
            last_seen: moment(row.last_seen)?,
            expires: moment(row.expires)?,
            ends: moment(row.ends)?,
            ended,
            generation: row.generation.try_into().map_err(|_| wrong("the count"))?,
        })
    }
}

impl fmt::Debug for NewSession {
    /// Whose it is: neither the secret nor its digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
