//! The trail of who did what.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use uuid::Uuid;

use super::database::{Change, read, run};
use super::rows::AuditRow;
use super::{Action, Store, StoreError, UserName};

/// Most characters that are kept of who it was.
const MAX_WHO: usize = 255;

/// Most characters of what else there is to say.
const MAX_DETAIL: usize = 1024;

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
    /// A client of the local issuer.
    Client,
    /// A gateway, by its own schedule.
    Gateway,
    /// The provider of another issuer.
    Provider,
}

impl Means {
    /// As the store and the log have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "cli",
            Self::Admin => "admin",
            Self::User => "user",
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Provider => "provider",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.means.as_str(), self.who)
    }
}

/// Something that was done. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Grows with each event, in the order in which they were committed. There may be gaps.
    pub number: i64,
    /// By the clock of the database, in milliseconds.
    pub at: Timestamp,
    /// As [`Means::as_str`] says it: a newer program may have written others.
    pub means: Box<str>,
    /// Who it said it was.
    pub who: Box<str>,
    /// What was done, as [`Action::as_str`] says it: a newer program may have written others.
    pub action: Box<str>,
    /// The user it was done to.
    pub user: Option<Uuid>,
    /// The name of that user at the time.
    pub user_name: Option<Box<str>>,
    /// The session it was done to, or in.
    pub session: Option<Uuid>,
    /// The client it was done to, or with.
    pub client: Option<Box<str>>,
    /// The address it came from.
    pub address: Option<Box<str>>,
    /// What else there is to say, for people.
    pub detail: Option<Box<str>>,
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
                "SELECT number, at, means, who, action, user_id, user_name, session_id, client, \
                     address, detail FROM audit \
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

/// What a line of the trail says besides the action and who did it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject<'a> {
    /// The trail takes the name from the user's row.
    pub(super) user: Option<Uuid>,
    pub(super) session: Option<Uuid>,
    pub(super) client: Option<&'a str>,
    pub(super) address: Option<IpAddr>,
    pub(super) detail: &'a str,
}

impl Subject<'_> {
    /// A user and nothing else.
    pub(super) fn user(id: Uuid) -> Self {
        Self {
            user: Some(id),
            ..Self::default()
        }
    }
}

impl Change {
    /// Writes down what this change does, to whom, and who does it.
    pub(super) async fn record(
        &mut self,
        by: &Actor,
        action: Action,
        subject: Subject<'_>,
    ) -> Result<(), StoreError> {
        // It comes from outside: a login name, or a request.
        let who = shown(&by.who, MAX_WHO);
        let detail = Some(shown(subject.detail, MAX_DETAIL)).filter(|detail| !detail.is_empty());
        let address = subject.address.map(|address| address.to_string());
        run!(self, connection => async {
            let insert = sqlx::query(
                "INSERT INTO audit (at, means, who, action, user_id, user_name, session_id, client, \
                     address, detail) \
                 SELECT now, $1, $2, $3, $4, (SELECT name FROM users WHERE id = $4), $5, $6, $7, $8 \
                 FROM clock",
            );
            insert
                .bind(by.means.as_str())
                .bind(&who)
                .bind(action.as_str())
                .bind(subject.user)
                .bind(subject.session)
                .bind(subject.client)
                .bind(&address)
                .bind(&detail)
                .execute(connection)
                .await
                .map(|_| ())
        })
    }
}

/// So much of a text from outside as is kept, without what would upset a terminal.
pub(super) fn shown(text: &str, most: usize) -> String {
    let shown = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    shown.take(most).collect()
}
