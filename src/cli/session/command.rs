//! `session list` or `session end`.

use crate::cli::failure::{Exit, Failure};

use super::end::End;
use super::list::List;

/// List and end the sessions of users: sign-ins that go on by refresh tokens
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Session {
    List(List),
    End(End),
}

impl Session {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.execute(),
            Self::End(end) => end.execute(),
        }
    }
}
