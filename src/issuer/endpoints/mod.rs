//! The endpoints, one in a file.

mod documents;
mod introspect;
mod login;
mod logout;
mod page;
mod password;
mod revoke;
mod sessions;
mod token;

pub(super) use documents::{key_set, metadata};
pub(super) use introspect::introspect;
pub(super) use login::login;
pub(super) use logout::logout;
pub(super) use page::page;
pub(super) use password::password;
pub(super) use revoke::revoke;
pub(super) use sessions::{end_others, end_session, sessions};
pub(super) use token::token;
