//! `user add`, `user passwd`, `user disable`, `user enable`, `user list` or `user import`.

use crate::cli::failure::{Exit, Failure};

use super::add::Add;
use super::import::Import;
use super::list::List;
use super::passwd::Passwd;
use super::switch::{Disable, Enable};

/// Manage the users of the store: add, set a password, disable and enable, list, import
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum User {
    Add(Box<Add>),
    Passwd(Passwd),
    Disable(Disable),
    Enable(Enable),
    List(List),
    Import(Import),
}

impl User {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Add(add) => add.execute(),
            Self::Passwd(passwd) => passwd.execute(),
            Self::Disable(disable) => disable.execute(),
            Self::Enable(enable) => enable.execute(),
            Self::List(list) => list.execute(),
            Self::Import(import) => import.execute(),
        }
    }
}
