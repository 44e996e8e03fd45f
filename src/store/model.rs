//! What the store holds.

use jiff::Timestamp;
use uuid::Uuid;

use crate::passwords::PasswordHash;

use super::{Grants, UserName};

/// A user to be added or imported: everything in it is checked.
#[derive(Clone, Debug)]
pub struct NewUser {
    name: UserName,
    password: Option<PasswordHash>,
    grants: Grants,
    disabled: bool,
}

impl NewUser {
    /// A user who may nothing. Without a password nobody can sign in as this user.
    #[must_use]
    pub fn new(name: UserName, password: Option<PasswordHash>) -> Self {
        Self {
            name,
            password,
            grants: Grants::default(),
            disabled: false,
        }
    }

    /// With what its tokens will say.
    #[must_use]
    pub fn with_grants(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }

    /// One who may not sign in until it is enabled.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self {
            disabled: true,
            ..self
        }
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

    /// Whether it may not sign in.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }
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
