//! `keys`: generate and list.

mod command;
mod generate;
mod list;

pub(super) use command::Keys;
