//! What the store holds.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::passwords::PasswordHash;

use super::UserName;

/// Claims that the gateway sets itself, or that other specifications give a meaning: none of them is a user's to carry.
const RESERVED_CLAIMS: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "scope",
    "roles",
    "client_id",
    "cnf",
    "act",
    "azp",
    "typ",
    "events",
    "at_hash",
    "c_hash",
    "nonce",
    "auth_time",
    "acr",
    "amr",
];

/// Most roles, and most scopes, of a user.
const MAX_NAMES: usize = 100;

/// Most bytes of a user's claims as JSON: tokens carry them, and tokens have limits.
const MAX_CLAIM_BYTES: usize = 4096;

/// A user to be added or imported: everything in it is checked.
#[derive(Clone, Debug)]
pub struct NewUser {
    name: UserName,
    password: Option<PasswordHash>,
    grants: Grants,
}

impl NewUser {
    /// A user who may nothing. Without a password nobody can sign in as this user.
    #[must_use]
    pub fn new(name: UserName, password: Option<PasswordHash>) -> Self {
        Self {
            name,
            password,
            grants: Grants::default(),
        }
    }

    /// With what its tokens will say.
    #[must_use]
    pub fn with_grants(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &UserName {
        &self.name
    }

    /// The hash of its password.
    #[must_use]
    pub fn password(&self) -> Option<&PasswordHash> {
        self.password.as_ref()
    }

    /// What its tokens will say.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}

/// What the tokens of a user say besides who it is: roles, scopes and further claims, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    roles: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    claims: Map<String, Value>,
}

/// Why roles, scopes or claims are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A role is empty, longer than 255 bytes, or holds a control.
    #[error("`{0}` is no role: 1 to 255 bytes without controls")]
    Role(String),
    /// A scope has other characters than RFC 6749 §3.3 has.
    #[error("`{0}` is no scope: 1 to 255 printable ASCII characters without blank, `\"` and `\\`")]
    Scope(String),
    /// More than 100 roles or scopes.
    #[error("more than 100 roles or scopes")]
    TooMany,
    /// A claim that the gateway sets.
    #[error("`{0}` is a claim that the gateway sets, or that has a meaning of its own")]
    ReservedClaim(String),
    /// A claim without a name, or with a control in it.
    #[error("`{0}` is no name of a claim")]
    ClaimName(String),
    /// More than 4 KiB of claims.
    #[error("the claims are longer than 4096 bytes as JSON")]
    ClaimsTooLong,
}

impl Grants {
    /// Checks what a user is to carry. Roles and scopes that stand there twice are taken once.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(
        roles: impl IntoIterator<Item = impl Into<Box<str>>>,
        scopes: impl IntoIterator<Item = impl Into<Box<str>>>,
        claims: Map<String, Value>,
    ) -> Result<Self, GrantError> {
        let roles = once_each(roles)?;
        let scopes = once_each(scopes)?;
        if let Some(role) = roles.iter().find(|role| !is_name(role)) {
            return Err(GrantError::Role(shown(role)));
        }
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(GrantError::Scope(shown(scope)));
        }
        for name in claims.keys() {
            if RESERVED_CLAIMS.contains(&name.as_str()) {
                return Err(GrantError::ReservedClaim(name.clone()));
            }
            if !is_name(name) {
                return Err(GrantError::ClaimName(shown(name)));
            }
        }
        let grants = Self {
            roles,
            scopes,
            claims,
        };
        if grants.claims_json().len() > MAX_CLAIM_BYTES {
            return Err(GrantError::ClaimsTooLong);
        }
        Ok(grants)
    }

    /// In the order in which they were given.
    #[must_use]
    pub fn roles(&self) -> &[Box<str>] {
        &self.roles
    }

    /// In the order in which they were given.
    #[must_use]
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// Further claims.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claims as they are stored.
    pub(super) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }
}

fn once_each(
    names: impl IntoIterator<Item = impl Into<Box<str>>>,
) -> Result<Vec<Box<str>>, GrantError> {
    let mut kept: Vec<Box<str>> = Vec::new();
    for name in names {
        let name = name.into();
        if kept.contains(&name) {
            continue;
        }
        if kept.len() == MAX_NAMES {
            return Err(GrantError::TooMany);
        }
        kept.push(name);
    }
    Ok(kept)
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`.
fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Enough of a wrong name to find it by.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A user as the store has it.
#[derive(Clone, Debug)]
pub struct User {
    /// Never changes, and orders by age (RFC 9562 §5.7).
    pub id: Uuid,
    /// As it was written when the user was added.
    pub name: UserName,
    /// `None`: nobody can sign in as this user.
    pub password: Option<PasswordHash>,
    /// What its tokens say.
    pub grants: Grants,
    /// Whether it may not sign in.
    pub disabled: bool,
    /// When it was added, by the clock of the database, in milliseconds.
    pub created: Timestamp,
    /// When anything of it was last changed.
    pub changed: Timestamp,
    /// When its password was last set or taken away.
    pub password_changed: Timestamp,
}

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

/// What an import does with a user who is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// Nothing is imported.
    #[default]
    Fail,
    /// It stays as it is.
    Skip,
    /// Its password, roles, scopes and claims are replaced; it stays disabled if it was.
    Replace,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// New users.
    pub added: usize,
    /// Users whose password, roles, scopes and claims were replaced.
    pub replaced: usize,
    /// Users who were there and stayed as they were.
    pub skipped: usize,
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
