//! `keys generate`, `keys list` or `keys refresh`.

use crate::cli::failure::{Exit, Failure};

use super::generate::Generate;
use super::list::List;
use super::refresh::Refresh;

/// Make keys, list those in use, and fetch those of remote issuers
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Keys {
    Generate(Generate),
    List(List),
    Refresh(Refresh),
}

impl Keys {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Generate(generate) => generate.execute(),
            Self::List(list) => list.execute(),
            Self::Refresh(refresh) => refresh.execute(),
        }
    }
}
