//! A refresh token is used: one statement decides, however many use it at once, and through however many gateways.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sqlx::query_as;
use uuid::Uuid;

use super::database::{alone, read};
use super::rows::{digest, from_row};
use super::session::{SessionRow, session_columns};
use super::sessions::milliseconds;
use super::{Session, Store, StoreError};

/// The use of a refresh token.
#[derive(Clone, Copy)]
pub struct Rotation<'a> {
    /// Of which session.
    pub session: Uuid,
    /// SHA-256 of the token.
    pub presented: [u8; 32],
    /// SHA-256 of the one that follows it.
    pub successor: [u8; 32],
    /// Who uses it.
    pub client: &'a str,
    /// Where from.
    pub address: IpAddr,
    /// For how long after its use a token still gives the same successor.
    pub grace: Duration,
    /// For how long the session goes on from now, until its end.
    pub idle: Duration,
}

/// What the use of a refresh token comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It was the one in force. Now the successor is.
    Rotated(Session),
    /// It was used a moment ago, by the same client, and its successor is not used yet: that is given out again.
    Repeated(Session),
    /// It is not the one in force, or not this client's. If it was once real, the session must end.
    Stale,
    /// The session was ended or is over, or its user is disabled.
    Over,
    /// There is no such session, or none any more.
    Unknown,
}

impl Store {
    /// Uses a refresh token.
    ///
    /// # Errors
    /// What is wrong with the store. The token may be used up even so; within the grace it can be used again.
    pub async fn refresh(&self, rotation: &Rotation<'_>) -> Result<Refreshed, StoreError> {
        // All rows, though there is one at most: the first comes before the statement is committed, the end after that.
        let rotated: Vec<SessionRow> = alone!(self, connections => {
            query_as(concat!(
                "UPDATE sessions SET generation = generation + 1, previous_digest = digest, digest = $3, \
                     rotated = clock.now, last_seen = clock.now, address = $5, \
                     expires = CASE WHEN clock.now + $6 < ends THEN clock.now + $6 ELSE ends END \
                 FROM clock WHERE session_id = $1 AND digest = $2 AND client = $4 \
                 AND ended IS NULL AND expires > clock.now \
                 AND EXISTS (SELECT 1 FROM users WHERE id = user_id AND NOT disabled) \
                 RETURNING ",
                session_columns!(),
            ))
            .bind(rotation.session)
            .bind(&rotation.presented[..])
            .bind(&rotation.successor[..])
            .bind(rotation.client)
            .bind(rotation.address.to_string())
            .bind(milliseconds(rotation.idle))
            .fetch_all(connections)
        })?;
        match rotated.into_iter().next() {
            Some(row) => Ok(Refreshed::Rotated(row.try_into()?)),
            None => self.not_rotated(rotation).await,
        }
    }

    /// Why it was not rotated. A session only goes on: what is read after the statement is what it met, or what came of it.
    async fn not_rotated(&self, rotation: &Rotation<'_>) -> Result<Refreshed, StoreError> {
        let found: Option<Found> = read!(self, readers => {
            query_as(concat!(
                "SELECT ", session_columns!(), ", \
                     digest, previous_digest, rotated, now, \
                     (ended IS NULL AND expires > now \
                         AND EXISTS (SELECT 1 FROM users WHERE id = user_id AND NOT disabled)) AS live \
                 FROM sessions, clock WHERE session_id = $1",
            ))
            .bind(rotation.session)
            .fetch_optional(readers)
        })?;
        let Some(Found(row, state)) = found else {
            return Ok(Refreshed::Unknown);
        };
        let session = Session::try_from(row)?;
        if !state.live {
            return Ok(Refreshed::Over);
        }
        if *session.client != *rotation.client {
            return Ok(Refreshed::Stale);
        }
        if digest(&state.digest)? == rotation.presented {
            // The user was disabled then, and is not now: whoever disabled it ended the session, too.
            return Ok(Refreshed::Over);
        }
        let previous = state.previous_digest.as_deref().map(digest).transpose()?;
        let in_grace = state
            .rotated
            .is_some_and(|at| state.now.saturating_sub(at) <= milliseconds(rotation.grace));
        if previous == Some(rotation.presented) && in_grace {
            return Ok(Refreshed::Repeated(session));
        }
        Ok(Refreshed::Stale)
    }
}

/// What a refresh token that was not in force met.
struct State {
    digest: Vec<u8>,
    previous_digest: Option<Vec<u8>>,
    rotated: Option<i64>,
    now: i64,
    live: bool,
}

from_row!(State {
    digest,
    previous_digest,
    rotated,
    now,
    live,
});

struct Found(SessionRow, State);

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Found
where
    SessionRow: sqlx::FromRow<'r, R>,
    State: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(SessionRow::from_row(row)?, State::from_row(row)?))
    }
}

impl fmt::Debug for Rotation<'_> {
    /// Which session: no digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation")
            .field("session", &self.session)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
