//! Sessions are started, found and listed.

use sqlx::query_as;
use uuid::Uuid;

use super::audit::{Subject, shown};
use super::database::{read, run};
use super::rows::{UserRow, from_row, json, user_columns};
use super::session::{MAX_DEVICE, SessionRow, session_columns};
use super::{Action, Actor, Family, NewSession, Session, SessionFilter, Store, StoreError, User};

impl Store {
    /// Starts a session, if its user is there and enabled, and the password is still the one that was right: else there is
    /// none.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn start_session(
        &self,
        new: &NewSession,
        by: &Actor,
    ) -> Result<Option<Session>, StoreError> {
        let mut change = self.change().await?;
        let row: Option<SessionRow> = run!(&mut change, connection => {
            query_as(concat!(
                "INSERT INTO sessions (session_id, user_id, client, granted, device, address, started, \
                     last_seen, expires, ends, generation, digest, sealed_secret) \
                 SELECT $1, id, $3, $4, $5, $6, now, now, now + $7, now + $8, 1, $9, $10 \
                 FROM clock, users WHERE id = $2 AND NOT disabled AND password_changed = $11 \
                 RETURNING ",
                session_columns!(),
            ))
            .bind(new.id)
            .bind(new.user)
            .bind(&*new.client)
            .bind(json(&new.scopes))
            .bind(shown(&new.device, MAX_DEVICE))
            .bind(new.address.to_string())
            .bind(milliseconds(new.idle.min(new.cap)))
            .bind(milliseconds(new.cap))
            .bind(&new.digest[..])
            .bind(&new.sealed_secret[..])
            .bind(new.password_changed.as_millisecond())
            .fetch_optional(connection)
        })?;
        let Some(session) = row.map(Session::try_from).transpose()? else {
            return Ok(None);
        };
        let subject = Subject {
            user: Some(session.user),
            session: Some(session.id),
            client: Some(&session.client),
            address: Some(session.address),
            detail: "",
        };
        change.record(by, Action::SessionStarted, subject).await?;
        change.commit().await?;
        Ok(Some(session))
    }

    /// The session of this id, however it is with it, and what its refresh tokens are checked against.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn family(&self, session: Uuid) -> Result<Option<Family>, StoreError> {
        let row: Option<FamilyRow> = read!(self, readers => {
            query_as(concat!(
                "SELECT ", session_columns!(), ", sealed_secret, ",
                user_columns!(),
                " FROM sessions JOIN users ON id = user_id WHERE session_id = $1",
            ))
            .bind(session)
            .fetch_optional(readers)
        })?;
        let Some(FamilyRow(session, sealed, user)) = row else {
            return Ok(None);
        };
        Ok(Some(Family {
            session: session.try_into()?,
            sealed_secret: sealed.sealed_secret,
            user: user.try_into()?,
        }))
    }

    /// The session of this id, however it is with it.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn session(&self, id: Uuid) -> Result<Option<Session>, StoreError> {
        let row: Option<SessionRow> = read!(self, readers => {
            query_as(concat!(
                "SELECT ", session_columns!(), " FROM sessions WHERE session_id = $1",
            ))
            .bind(id)
            .fetch_optional(readers)
        })?;
        row.map(Session::try_from).transpose()
    }

    /// At most `limit` sessions in the order of their ids, those after `after`.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn sessions(
        &self,
        filter: &SessionFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        // No id is nil.
        let after = after.unwrap_or_default();
        let limit = i64::from(limit);
        let rows: Vec<SessionRow> = match filter.user {
            Some(user) => read!(self, readers => {
                query_as(concat!(
                    "SELECT ", session_columns!(), " FROM sessions, clock WHERE session_id > $1 \
                     AND (NOT $2 OR (ended IS NULL AND expires > now)) AND user_id = $4 \
                     ORDER BY session_id LIMIT $3",
                ))
                .bind(after)
                .bind(filter.live_only)
                .bind(limit)
                .bind(user)
                .fetch_all(readers)
            }),
            None => read!(self, readers => {
                query_as(concat!(
                    "SELECT ", session_columns!(), " FROM sessions, clock WHERE session_id > $1 \
                     AND (NOT $2 OR (ended IS NULL AND expires > now)) \
                     ORDER BY session_id LIMIT $3",
                ))
                .bind(after)
                .bind(filter.live_only)
                .bind(limit)
                .fetch_all(readers)
            }),
        }?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// The user of this id.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn user_of(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = read!(self, readers => {
            query_as(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"))
                .bind(id)
                .fetch_optional(readers)
        })?;
        row.map(User::try_from).transpose()
    }
}

/// A row of both tables.
struct FamilyRow(SessionRow, Sealed, UserRow);

struct Sealed {
    sealed_secret: Vec<u8>,
}

from_row!(Sealed { sealed_secret });

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for FamilyRow
where
    SessionRow: sqlx::FromRow<'r, R>,
    Sealed: sqlx::FromRow<'r, R>,
    UserRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(
            SessionRow::from_row(row)?,
            Sealed::from_row(row)?,
            UserRow::from_row(row)?,
        ))
    }
}

/// As the tables have it; what is longer than a million years is that.
pub(super) fn milliseconds(duration: std::time::Duration) -> i64 {
    const LONGEST: i64 = i64::MAX / 1024;
    i64::try_from(duration.as_millis()).map_or(LONGEST, |milliseconds| milliseconds.min(LONGEST))
}
