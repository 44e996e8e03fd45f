//! Sessions end, and with them their tokens: both in one transaction.

use std::time::Duration;

use sqlx::query_as;
use uuid::Uuid;

use super::audit::Subject;
use super::database::{Change, run};
use super::revocation::Put;
use super::sessions::milliseconds;
use super::{Action, Actor, EndReason, Store, StoreError};

/// Tokens of the local issuer, where there is one: what is revoked when sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTokens<'a> {
    /// Its `iss`.
    pub issuer: &'a str,
    /// For how long a token that was issued just now is accepted: its lifetime and the leeway.
    pub keep_for: Duration,
}

/// Which sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// This one.
    One(Uuid),
    /// All of a user.
    OfUser(Uuid),
    /// All of a user but one.
    OthersOf {
        /// Of whom.
        user: Uuid,
        /// The one that goes on.
        keep: Uuid,
    },
    /// All that were started with a client.
    OfClient(&'a str),
    /// All there are.
    All,
}

impl Store {
    /// Ends sessions and revokes their tokens; how many sessions there were that had not been over before. What has expired
    /// is ended, too, as long as its last token may live.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn end_sessions(
        &self,
        which: Ending<'_>,
        reason: EndReason,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<usize, StoreError> {
        let mut change = self.change().await?;
        let ended = change.end_sessions(which, reason, tokens, by).await?;
        change.commit().await?;
        Ok(ended)
    }
}

impl Change {
    /// As [`Store::end_sessions`], as a part of a change.
    pub(super) async fn end_sessions(
        &mut self,
        which: Ending<'_>,
        reason: EndReason,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<usize, StoreError> {
        let now = self.now().await?;
        let keep_for = tokens.map_or(0, |tokens| milliseconds(tokens.keep_for));
        let ended = self.mark_ended(which, reason, now, keep_for).await?;
        if let Some(tokens) = tokens {
            let until = Some(after(now, keep_for));
            let ids: Vec<String> = ended.iter().map(|row| row.id.to_string()).collect();
            let puts: Vec<Put<'_>> = ids
                .iter()
                .map(|id| Put {
                    issuer: tokens.issuer,
                    kind: "sid",
                    value: id,
                    before: None,
                    until,
                })
                .collect();
            self.put_revocations(&puts).await?;
        }
        self.record_end(which, reason, &ended, by).await?;
        Ok(ended.iter().filter(|row| row.expires > now).count())
    }

    async fn mark_ended(
        &mut self,
        which: Ending<'_>,
        reason: EndReason,
        now: i64,
        keep_for: i64,
    ) -> Result<Vec<Ended>, StoreError> {
        macro_rules! end {
            ($($and:literal)?, $($value:expr),*) => {
                run!(self, connection => {
                    query_as(concat!(
                        "UPDATE sessions SET ended = $1, end_reason = $2 \
                         WHERE ended IS NULL AND expires > $3",
                        $($and,)?
                        " RETURNING session_id, user_id, expires",
                    ))
                    .bind(now)
                    .bind(reason.as_str())
                    .bind(now.saturating_sub(keep_for))
                    $(.bind($value))*
                    .fetch_all(connection)
                })
            };
        }
        let rows: Vec<(Uuid, Uuid, i64)> = match which {
            Ending::One(id) => end!(" AND session_id = $4", id),
            Ending::OfUser(user) => end!(" AND user_id = $4", user),
            Ending::OthersOf { user, keep } => {
                end!(" AND user_id = $4 AND session_id <> $5", user, keep)
            }
            Ending::OfClient(client) => end!(" AND client = $4", client),
            Ending::All => end!(,),
        }?;
        let ended = rows
            .into_iter()
            .map(|(id, user, expires)| Ended { id, user, expires });
        Ok(ended.collect())
    }

    /// One line, however many ended.
    async fn record_end(
        &mut self,
        which: Ending<'_>,
        reason: EndReason,
        ended: &[Ended],
        by: &Actor,
    ) -> Result<(), StoreError> {
        let Some(first) = ended.first() else {
            return Ok(());
        };
        let action = match reason {
            EndReason::Reused => Action::SessionReused,
            EndReason::Logout
            | EndReason::FromAnother
            | EndReason::Revoked
            | EndReason::PasswordChanged
            | EndReason::UserDisabled
            | EndReason::ClientDisabled
            | EndReason::Operator => Action::SessionEnded,
        };
        let one = ended.len() == 1;
        let detail = if one {
            reason.as_str().to_owned()
        } else {
            format!("{}, {} sessions", reason.as_str(), ended.len())
        };
        let (user, client) = match which {
            Ending::One(_) | Ending::OfUser(_) | Ending::OthersOf { .. } => {
                (Some(first.user), None)
            }
            Ending::OfClient(client) => (one.then_some(first.user), Some(client)),
            Ending::All => (one.then_some(first.user), None),
        };
        let subject = Subject {
            user,
            session: one.then_some(first.id),
            client,
            address: None,
            detail: &detail,
        };
        self.record(by, action, subject).await
    }
}

/// A session that was ended.
struct Ended {
    id: Uuid,
    user: Uuid,
    expires: i64,
}

/// The first whole second that is not before so many milliseconds after now.
pub(super) fn after(now: i64, milliseconds: i64) -> i64 {
    let then = now.saturating_add(milliseconds);
    then.div_euclid(1000) + i64::from(then.rem_euclid(1000) != 0)
}
