//! `keys`: generate, list and refresh.

mod command;
mod generate;
mod list;
mod offline;
mod refresh;
mod report;

pub(super) use command::Keys;
