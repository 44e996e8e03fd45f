//! What outlives the process and is shared by several: users and the trail of who did what, in SQLite or PostgreSQL.
//!
//! There is one text of SQL for both: each statement runs on whichever database is open (`database`), placeholders are `$1`,
//! the view `clock` has the present under the same name, and what differs stands in the migrations. Every change is a
//! transaction of its own, together with its line in the trail, and changes happen one after the other: SQLite has one
//! writer, and PostgreSQL a lock that each writer takes first. So events have numbers in the order of their commits.

mod audit;
mod database;
mod error;
mod grants;
mod migrations;
mod model;
mod open;
mod rows;
mod user_name;
mod users;

pub use audit::{Action, Actor, AuditEvent, AuditFilter, Means};
pub use database::Store;
pub use error::StoreError;
pub use grants::{GrantError, Grants};
pub use model::{Existing, ImportReport, NewUser, User};
pub use user_name::{UserName, UserNameError};
