//! What outlives the process and is shared by several: users, clients, sessions, signing keys, revocations, and the trail of who
//! did what, in SQLite or PostgreSQL.
//!
//! There is one text of SQL for both: each statement runs on whichever database is open (`database`), placeholders are `$1`,
//! the view `clock` has the present under the same name, and what differs stands in the migrations. Every change is a
//! transaction of its own, together with its line in the trail, and changes happen one after the other: SQLite has one
//! writer, and PostgreSQL a lock that each writer takes first. So events and revocations have numbers in the
//! order of their commits. Only the use of a refresh token waits for nobody but those who use the same session (`refresh`).

mod action;
mod audit;
mod changes;
mod client;
mod clients;
mod database;
mod ending;
mod error;
mod grants;
mod handle;
mod migrations;
mod model;
mod open;
mod purge;
mod refresh;
mod revocation;
mod revocations;
mod rows;
mod session;
mod sessions;
mod settings;
mod sign_in;
mod signing_keys;
mod user_name;
mod users;

pub use action::Action;
pub use audit::{Actor, AuditEvent, AuditFilter, Means};
pub use changes::Changes;
pub use client::{Client, ClientError, FIRST_PARTY_CLIENT, NewClient};
pub use database::Store;
pub use ending::{Ending, LocalTokens};
pub use error::StoreError;
pub use grants::{GrantError, Grants};
pub use handle::{StoreHandle, StoreState};
pub use model::{Existing, ImportReport, NewUser, User};
pub use purge::Purged;
pub use refresh::{Refreshed, Rotation};
pub use revocation::{NewRevocation, StoredRevocation};
pub use session::{EndReason, Family, NewSession, Session, SessionFilter};
pub use sign_in::{PasswordChange, RefusedSignIns};
pub use signing_keys::{KeyPlan, KeyTimes, NewSigningKey, SigningKeyRow};
pub use user_name::{UserName, UserNameError};
