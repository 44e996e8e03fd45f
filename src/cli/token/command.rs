//! `token mint` or `token inspect`.

use crate::cli::failure::{Exit, Failure};

use super::inspect::Inspect;
use super::mint::Mint;

/// Mint tokens for trying out, and read them
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Token {
    Mint(Box<Mint>),
    Inspect(Inspect),
}

impl Token {
    /// Does what was asked.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        match self {
            Self::Mint(mint) => mint.execute(),
            Self::Inspect(inspect) => inspect.execute(),
        }
    }
}
