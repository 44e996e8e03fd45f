//! `session`: list and end.

mod command;
mod end;
mod list;

pub(super) use command::Session;
