//! What is past goes, a little at a time.

use std::time::Duration;

use sqlx::query_as;
use uuid::Uuid;

use super::database::run;
use super::sessions::milliseconds;
use super::{Store, StoreError};

/// How long a session is kept after it was over: longer than any token of it lives, so that whoever ends the sessions of a
/// user finds it.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// How long a revocation is kept after its time, in seconds: a gateway whose clock is behind still takes the tokens.
const CLOCKS_DIFFER: i64 = 600;

/// Rows that go at once: nobody waits long for the lock.
const AT_ONCE: i64 = 1000;

/// What was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Purged {
    /// Sessions that had been over for a week.
    pub sessions: usize,
    /// Revocations that no token needed any more.
    pub revocations: usize,
}

impl Store {
    /// Removes what is past by the clock of the database. Several may do so at once.
    ///
    /// # Errors
    /// What is wrong with the store; what is gone by then is gone.
    pub async fn purge(&self) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        loop {
            let sessions = self.purge_sessions().await?;
            let revocations = self.purge_revocations().await?;
            purged.sessions += sessions;
            purged.revocations += revocations;
            if sessions + revocations == 0 {
                return Ok(purged);
            }
        }
    }

    async fn purge_sessions(&self) -> Result<usize, StoreError> {
        let mut change = self.change().await?;
        let gone: Vec<(Uuid,)> = run!(&mut change, connection => {
            query_as(
                "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions, clock \
                     WHERE expires < now - $1 OR ended < now - $1 LIMIT $2) RETURNING session_id",
            )
            .bind(milliseconds(KEPT))
            .bind(AT_ONCE)
            .fetch_all(connection)
        })?;
        change.commit().await?;
        Ok(gone.len())
    }

    /// The newest stays, so that the numbers never go down.
    async fn purge_revocations(&self) -> Result<usize, StoreError> {
        let mut change = self.change().await?;
        let gone: Vec<(i64,)> = run!(&mut change, connection => {
            query_as(
                "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations, clock \
                     WHERE kept_until < now / 1000 - $2 \
                     AND number < (SELECT max(number) FROM revocations) LIMIT $1) RETURNING number",
            )
            .bind(AT_ONCE)
            .bind(CLOCKS_DIFFER)
            .fetch_all(connection)
        })?;
        change.commit().await?;
        Ok(gone.len())
    }
}
