//! The trail of who did what.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::database::{Change, read, run};
use super::rows::AuditRow;
use super::{Store, StoreError, UserName};

/// Most characters that are kept of who it was.
const MAX_WHO: usize = 255;

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// By which way.
    pub means: Means,
    /// Who it says it is: a login name of the machine, a user's name. At most 255 characters of it are kept.
    pub who: String,
}

/// By which way something is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A command.
    CommandLine,
    /// The admin listener.
    Admin,
    /// A user itself.
    User,
}

impl Means {
    /// As the store and the log have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "cli",
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.means.as_str(), self.who)
    }
}

/// What was done, of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user was added.
    UserAdded,
    /// An import replaced a user.
    UserReplaced,
    /// A password was set.
    PasswordSet,
    /// A password was taken away.
    PasswordRemoved,
    /// A user may not sign in any more.
    UserDisabled,
    /// A user may sign in again.
    UserEnabled,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 6] = [
        Self::UserAdded,
        Self::UserReplaced,
        Self::PasswordSet,
        Self::PasswordRemoved,
        Self::UserDisabled,
        Self::UserEnabled,
    ];

    /// As the store and the log have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserAdded => "user.added",
            Self::UserReplaced => "user.replaced",
            Self::PasswordSet => "user.password_set",
            Self::PasswordRemoved => "user.password_removed",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
        }
    }
}

/// Something that was done. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Grows with each event, in the order in which they were committed. There may be gaps.
    pub number: i64,
    /// By the clock of the database, in milliseconds.
    pub at: Timestamp,
    /// `cli`, `admin` or `user`: see [`Means`].
    pub means: Box<str>,
    /// Who it said it was.
    pub who: Box<str>,
    /// What was done, as [`Action::as_str`] says it: a newer program may have written others.
    pub action: Box<str>,
    /// The user it was done to.
    pub user: Option<Uuid>,
    /// The name of that user at the time.
    pub user_name: Option<Box<str>>,
}

/// Which events are asked for; the default is all of them.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those of this user.
    pub user: Option<UserName>,
    /// Those before this number: to read on.
    pub before: Option<i64>,
}

impl Store {
    /// At most `limit` events, the latest first.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let rows: Vec<AuditRow> = read!(self, readers => {
            sqlx::query_as(
                "SELECT number, at, means, who, action, user_id, user_name FROM audit \
                 WHERE number < $1 \
                 AND ($2 = '' OR user_id = (SELECT id FROM users WHERE name_key = $2)) \
                 ORDER BY number DESC LIMIT $3",
            )
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(filter.user.as_ref().map_or("", UserName::key))
            .bind(i64::from(limit))
            .fetch_all(readers)
        })?;
        rows.into_iter().map(AuditEvent::try_from).collect()
    }
}

impl Change {
    /// Writes down what this change does, to whom, and who does it.
    pub(super) async fn record(
        &mut self,
        by: &Actor,
        action: Action,
        (user, name): (Uuid, &str),
    ) -> Result<(), StoreError> {
        // It comes from outside: a login name, later a request.
        let who: String = by
            .who
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .take(MAX_WHO)
            .collect();
        run!(self, connection => async {
            let insert = sqlx::query(
                "INSERT INTO audit (at, means, who, action, user_id, user_name) \
                 SELECT now, $1, $2, $3, $4, $5 FROM clock",
            );
            insert
                .bind(by.means.as_str())
                .bind(&who)
                .bind(action.as_str())
                .bind(user)
                .bind(name)
                .execute(connection)
                .await
                .map(|_| ())
        })
    }
}
