//! `user`: add, passwd, disable, enable, list and import.

mod add;
mod command;
mod import;
mod import_lines;
mod list;
mod passwd;
mod password_entry;
mod switch;
mod terminal;

pub(super) use command::User;
pub(super) use import_lines::BadLine;
