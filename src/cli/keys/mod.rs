//! `keys`: generate, list, refresh and rotate.

mod command;
mod generate;
mod list;
mod offline;
mod refresh;
mod report;
mod rotate;

pub(super) use command::Keys;
