//! What signing in changes besides sessions: passwords by their users, hashes, and the trail of those who were refused.

use std::net::IpAddr;

use jiff::Timestamp;
use sqlx::query_as;
use uuid::Uuid;

use crate::passwords::PasswordHash;

use super::audit::Subject;
use super::database::run;
use super::users::password_moment;
use super::{Action, Actor, EndReason, Ending, LocalTokens, Store, StoreError};

/// A user's own change of its password.
#[derive(Clone, Copy, Debug)]
pub struct PasswordChange<'a> {
    /// Whose.
    pub user: Uuid,
    /// [`User::password_changed`](super::User::password_changed) as it was when the old one was found to be right.
    pub password_changed: Timestamp,
    /// Of the new one.
    pub hash: &'a PasswordHash,
    /// The session that goes on; the others end.
    pub keep: Option<Uuid>,
}

/// Attempts to sign in that were refused. What was typed is not here: it may be a password in the wrong place.
#[derive(Clone, Copy, Debug)]
pub struct RefusedSignIns<'a> {
    /// As whom, where there is such a user.
    pub user: Option<Uuid>,
    /// With which client.
    pub client: &'a str,
    /// Where from.
    pub address: IpAddr,
    /// Why, for people.
    pub reason: &'a str,
    /// How many there were since the last line.
    pub count: u64,
}

impl Store {
    /// Sets the password of a user who knew the old one, and ends the other sessions; how many. `None`: the user is disabled
    /// or has another password by now, and nothing was changed.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn change_password(
        &self,
        new: &PasswordChange<'_>,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<Option<usize>, StoreError> {
        let mut change = self.change().await?;
        let changed: Option<(Uuid,)> = run!(&mut change, connection => {
            query_as(concat!(
                "UPDATE users SET password = $1, changed = clock.now, password_changed = ",
                password_moment!(),
                " FROM clock WHERE id = $2 AND password_changed = $3 AND NOT disabled RETURNING id",
            ))
            .bind(new.hash.as_str())
            .bind(new.user)
            .bind(new.password_changed.as_millisecond())
            .fetch_optional(connection)
        })?;
        if changed.is_none() {
            return Ok(None);
        }
        let subject = Subject {
            session: new.keep,
            ..Subject::user(new.user)
        };
        change.record(by, Action::PasswordSet, subject).await?;
        let which = match new.keep {
            Some(keep) => Ending::OthersOf {
                user: new.user,
                keep,
            },
            None => Ending::OfUser(new.user),
        };
        let reason = EndReason::PasswordChanged;
        let ended = change.end_sessions(which, reason, tokens, by).await?;
        change.commit().await?;
        Ok(Some(ended))
    }

    /// Replaces the hash of a password that stays the same, if the old one is still there; whether it was.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn upgrade_hash(
        &self,
        user: Uuid,
        old: &PasswordHash,
        new: &PasswordHash,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut change = self.change().await?;
        // `password_changed` stays: sessions that began with the old hash go on.
        let changed: Option<(Uuid,)> = run!(&mut change, connection => {
            query_as(
                "UPDATE users SET password = $1, changed = clock.now \
                 FROM clock WHERE id = $2 AND password = $3 RETURNING id",
            )
            .bind(new.as_str())
            .bind(user)
            .bind(old.as_str())
            .fetch_optional(connection)
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        let subject = Subject::user(user);
        change.record(by, Action::PasswordHashed, subject).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Writes down that someone was not let in.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn record_refused(
        &self,
        refused: &RefusedSignIns<'_>,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let detail = match refused.count {
            0 | 1 => refused.reason.to_owned(),
            count => format!("{}, {count} times", refused.reason),
        };
        let client: String = super::audit::shown(refused.client, 255);
        let subject = Subject {
            user: refused.user,
            session: None,
            client: Some(&client),
            address: Some(refused.address),
            detail: &detail,
        };
        change.record(by, Action::SignInRefused, subject).await?;
        change.commit().await
    }
}
