//! `keys generate`, `keys list`, `keys refresh` or `keys rotate`.

use crate::cli::failure::{Exit, Failure};

use super::generate::Generate;
use super::list::List;
use super::refresh::Refresh;
use super::rotate::Rotate;

/// Make keys, list those in use, fetch those of remote issuers, and rotate our own
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Keys {
    Generate(Generate),
    List(List),
    Refresh(Refresh),
    Rotate(Rotate),
}

impl Keys {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Generate(generate) => generate.execute(),
            Self::List(list) => list.execute(),
            Self::Refresh(refresh) => refresh.execute(),
            Self::Rotate(rotate) => rotate.execute(),
        }
    }
}
