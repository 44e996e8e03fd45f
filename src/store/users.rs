//! Users and the audit trail.

use crate::config::StoreUrl;
use crate::passwords::PasswordHash;

use super::{
    Actor, AuditEvent, AuditFilter, Existing, ImportReport, NewUser, StoreError, User, UserName,
};

/// An open store. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {}

const NOT_BUILT: &str = "not built yet";

#[expect(clippy::unused_async, reason = "signatures to build against")]
impl Store {
    /// Opens it and brings its tables up to date; makes the SQLite file if there is none.
    ///
    /// # Errors
    /// It cannot be reached, or its tables are not ours.
    pub async fn open(_url: &StoreUrl) -> Result<Self, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// Waits until every connection is closed.
    pub async fn close(self) {}

    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], or the store's.
    pub async fn add_user(&self, _user: &NewUser, _by: &Actor) -> Result<User, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// The user of this name.
    ///
    /// # Errors
    /// The store's.
    pub async fn user(&self, _name: &UserName) -> Result<Option<User>, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// At most `limit` users in the order of their names' keys, those after `after`.
    ///
    /// # Errors
    /// The store's.
    pub async fn users(
        &self,
        _after: Option<&UserName>,
        _limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// Sets a password, or takes it away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store's.
    pub async fn set_password(
        &self,
        _name: &UserName,
        _hash: Option<&PasswordHash>,
        _by: &Actor,
    ) -> Result<(), StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// Whether anything changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store's.
    pub async fn set_disabled(
        &self,
        _name: &UserName,
        _disabled: bool,
        _by: &Actor,
    ) -> Result<bool, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// All of them, or none.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] where that fails and for a name that stands there twice, or the store's.
    pub async fn import_users(
        &self,
        _users: &[NewUser],
        _existing: Existing,
        _by: &Actor,
    ) -> Result<ImportReport, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }

    /// At most `limit` events, the latest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn audit(
        &self,
        _filter: &AuditFilter,
        _limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        Err(StoreError::Config(NOT_BUILT.into()))
    }
}
