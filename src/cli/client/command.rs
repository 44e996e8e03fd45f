//! `client add`, `client list`, `client disable`, `client enable` or `client rotate-secret`.

use crate::cli::failure::{Exit, Failure};

use super::add::Add;
use super::list::List;
use super::rotate_secret::RotateSecret;
use super::switch::{Disable, Enable};

/// Manage the clients of the local issuer: programs that get tokens, ask about tokens, or sign users in
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Client {
    Add(Add),
    List(List),
    Disable(Disable),
    Enable(Enable),
    RotateSecret(RotateSecret),
}

impl Client {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Add(add) => add.execute(),
            Self::List(list) => list.execute(),
            Self::Disable(disable) => disable.execute(),
            Self::Enable(enable) => enable.execute(),
            Self::RotateSecret(rotate) => rotate.execute(),
        }
    }
}
