//! `keys generate` or `keys list`.

use crate::cli::failure::{Exit, Failure};

use super::generate::Generate;
use super::list::List;

/// Make keys, and list those in use
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Keys {
    Generate(Generate),
    List(List),
}

impl Keys {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Generate(generate) => generate.execute(),
            Self::List(list) => list.execute(),
        }
    }
}
