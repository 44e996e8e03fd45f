//! What outlives the process and is shared by several: users and the audit trail, in SQLite or PostgreSQL.

mod error;
mod model;
mod user_name;
mod users;

pub use error::StoreError;
pub use model::{
    Action, Actor, AuditEvent, AuditFilter, Existing, GrantError, Grants, ImportReport, Means,
    NewUser, User,
};
pub use user_name::{UserName, UserNameError};
pub use users::Store;
