//! Users: every change is one transaction, with its line in the trail.

use std::collections::HashMap;

use sqlx::query_as;
use uuid::Uuid;

use crate::passwords::PasswordHash;

use super::audit::Subject;
use super::database::{Change, read, run};
use super::rows::{UserRow, json, user_columns};
use super::{
    Action, Actor, EndReason, Ending, Existing, ImportReport, LocalTokens, NewUser, Store,
    StoreError, User, UserName,
};

/// When a password was changed: after the last time in any case, so that no two passwords of a user have the same moment.
macro_rules! password_moment {
    () => {
        "CASE WHEN clock.now > users.password_changed THEN clock.now \
         ELSE users.password_changed + 1 END"
    };
}
pub(super) use password_moment;

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], or what is wrong with the store.
    pub async fn add_user(&self, user: &NewUser, by: &Actor) -> Result<User, StoreError> {
        let mut change = self.change().await?;
        let Some(row) = insert(&mut change, user).await? else {
            return Err(StoreError::AlreadyExists(user.name().to_string()));
        };
        let added = User::try_from(row)?;
        let subject = Subject::user(added.id);
        change.record(by, Action::UserAdded, subject).await?;
        if user.is_disabled() {
            change.record(by, Action::UserDisabled, subject).await?;
        }
        change.commit().await?;
        Ok(added)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = read!(self, readers => {
            query_as(concat!("SELECT ", user_columns!(), " FROM users WHERE name_key = $1"))
                .bind(name.key())
                .fetch_optional(readers)
        })?;
        row.map(User::try_from).transpose()
    }

    /// At most `limit` users in the order of [`UserName::key`], those after `after`.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn users(
        &self,
        after: Option<&UserName>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let rows: Vec<UserRow> = read!(self, readers => {
            // No key is empty.
            query_as(concat!(
                "SELECT ",
                user_columns!(),
                " FROM users WHERE name_key > $1 ORDER BY name_key LIMIT $2",
            ))
                .bind(after.map_or("", UserName::key))
                .bind(i64::from(limit))
                .fetch_all(readers)
        })?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// Sets a password, or takes it away: then nobody can sign in as this user. Its sessions end.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what is wrong with the store.
    pub async fn set_password(
        &self,
        name: &UserName,
        hash: Option<&PasswordHash>,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let changed: Option<(Uuid,)> = run!(&mut change, connection => {
            query_as(concat!(
                "UPDATE users SET password = $1, changed = clock.now, password_changed = ",
                password_moment!(),
                " FROM clock WHERE name_key = $2 RETURNING id",
            ))
            .bind(hash.map(PasswordHash::as_str))
            .bind(name.key())
            .fetch_optional(connection)
        })?;
        let Some((id,)) = changed else {
            return Err(StoreError::NotFound(name.to_string()));
        };
        let action = match hash {
            Some(_) => Action::PasswordSet,
            None => Action::PasswordRemoved,
        };
        change.record(by, action, Subject::user(id)).await?;
        let reason = EndReason::PasswordChanged;
        change
            .end_sessions(Ending::OfUser(id), reason, tokens, by)
            .await?;
        change.commit().await
    }

    /// Disables a user, which ends its sessions, or enables it again; the answer is whether anything changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what is wrong with the store.
    pub async fn set_disabled(
        &self,
        name: &UserName,
        disabled: bool,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut change = self.change().await?;
        let changed: Option<(Uuid,)> = run!(&mut change, connection => {
            query_as(
                "UPDATE users SET disabled = $1, changed = clock.now \
                 FROM clock WHERE name_key = $2 AND disabled <> $1 RETURNING id",
            )
            .bind(disabled)
            .bind(name.key())
            .fetch_optional(connection)
        })?;
        let Some((id,)) = changed else {
            let there: Option<(i64,)> = run!(&mut change, connection => {
                query_as("SELECT created FROM users WHERE name_key = $1")
                    .bind(name.key())
                    .fetch_optional(connection)
            })?;
            return match there {
                Some(_) => Ok(false),
                None => Err(StoreError::NotFound(name.to_string())),
            };
        };
        let action = if disabled {
            Action::UserDisabled
        } else {
            Action::UserEnabled
        };
        change.record(by, action, Subject::user(id)).await?;
        if disabled {
            let reason = EndReason::UserDisabled;
            change
                .end_sessions(Ending::OfUser(id), reason, tokens, by)
                .await?;
        }
        change.commit().await?;
        Ok(true)
    }

    /// Adds all of them, or none. The sessions of a user who is replaced end if the password is another one, or the user
    /// is disabled.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] if that is to fail, [`StoreError::Twice`], or what is wrong with the store.
    pub async fn import_users(
        &self,
        users: &[NewUser],
        existing: Existing,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<ImportReport, StoreError> {
        refuse_twice(users)?;
        let mut change = self.change().await?;
        let mut report = ImportReport::default();
        for user in users {
            let (id, action) = if let Some(row) = insert(&mut change, user).await? {
                report.added += 1;
                (User::try_from(row)?.id, Action::UserAdded)
            } else {
                match existing {
                    Existing::Fail => {
                        return Err(StoreError::AlreadyExists(user.name().to_string()));
                    }
                    Existing::Skip => {
                        report.skipped += 1;
                        continue;
                    }
                    Existing::Replace => {
                        report.replaced += 1;
                        let id = replace(&mut change, user, tokens, by).await?;
                        (id, Action::UserReplaced)
                    }
                }
            };
            let subject = Subject::user(id);
            change.record(by, action, subject).await?;
            if user.is_disabled() {
                let action = Action::UserDisabled;
                change.record(by, action, subject).await?;
            }
        }
        change.commit().await?;
        Ok(report)
    }
}

/// The new row, unless there is one of that name.
async fn insert(change: &mut Change, user: &NewUser) -> Result<Option<UserRow>, StoreError> {
    let (roles, scopes) = (json(user.grants().roles()), json(user.grants().scopes()));
    let claims = user.grants().claims_json();
    run!(change, connection => {
        // `WHERE TRUE`: SQLite would take `ON` for that of a join.
        query_as(concat!(
            "INSERT INTO users (id, name, name_key, password, roles, scopes, claims, disabled, \
                 created, changed, password_changed) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, now, now, now FROM clock WHERE TRUE \
             ON CONFLICT (name_key) DO NOTHING RETURNING ",
            user_columns!(),
        ))
        .bind(Uuid::now_v7())
        .bind(user.name().as_str())
        .bind(user.name().key())
        .bind(user.password().map(PasswordHash::as_str))
        .bind(&roles)
        .bind(&scopes)
        .bind(&claims)
        .bind(user.is_disabled())
        .fetch_optional(connection)
    })
}

/// Replaces what an import brings; the name stays as it was written first. The answer is the user's id.
async fn replace(
    change: &mut Change,
    user: &NewUser,
    tokens: Option<&LocalTokens<'_>>,
    by: &Actor,
) -> Result<Uuid, StoreError> {
    let hash = user.password().map(PasswordHash::as_str);
    let (old,): (Option<String>,) = run!(change, connection => {
        query_as("SELECT password FROM users WHERE name_key = $1")
            .bind(user.name().key())
            .fetch_one(connection)
    })?;
    let (roles, scopes) = (json(user.grants().roles()), json(user.grants().scopes()));
    let claims = user.grants().claims_json();
    let (id,): (Uuid,) = run!(change, connection => {
        query_as(concat!(
            "UPDATE users SET password = $1, roles = $2, scopes = $3, claims = $4, \
                 disabled = users.disabled OR $6, changed = clock.now, password_changed = ",
            password_moment!(),
            " FROM clock WHERE name_key = $5 RETURNING id",
        ))
        .bind(hash)
        .bind(&roles)
        .bind(&scopes)
        .bind(&claims)
        .bind(user.name().key())
        .bind(user.is_disabled())
        .fetch_one(connection)
    })?;
    let reason = if user.is_disabled() {
        EndReason::UserDisabled
    } else {
        EndReason::PasswordChanged
    };
    if user.is_disabled() || old.as_deref() != hash {
        change
            .end_sessions(Ending::OfUser(id), reason, tokens, by)
            .await?;
    }
    Ok(id)
}

fn refuse_twice(users: &[NewUser]) -> Result<(), StoreError> {
    let mut seen: HashMap<&str, &UserName> = HashMap::with_capacity(users.len());
    for user in users {
        if let Some(first) = seen.insert(user.name().key(), user.name()) {
            let names = (first.to_string(), user.name().to_string());
            return Err(StoreError::Twice(names.0, names.1));
        }
    }
    Ok(())
}
