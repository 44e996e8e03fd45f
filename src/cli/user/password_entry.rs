//! Where a new password comes from: never from the command line, which every process of the machine can read.

use std::io::{self, IsTerminal};

use crate::cli::failure::Failure;
use crate::passwords::{self, Cost, Password, PasswordHash};
use crate::store::UserName;

use super::terminal::{self, Line};

/// The options that say where the password comes from; without them the terminal asks for it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct PasswordOptions {
    /// Read the password from the first line of standard input, instead of asking on the terminal
    #[arg(long)]
    password_stdin: bool,
    /// No password: nobody can sign in as this user until `user passwd` sets one
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
}

/// Where the password comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum PasswordEntry {
    /// There is to be none.
    Nowhere,
    /// The first line of standard input.
    Line,
    /// The terminal, twice.
    Terminal,
}

impl PasswordOptions {
    /// Where the password will come from, before anything is read or opened.
    ///
    /// # Errors
    /// Nothing was said, and there is no terminal to ask on.
    pub(super) fn entry(self) -> Result<PasswordEntry, Failure> {
        match (self.no_password, self.password_stdin) {
            (true, _) => Ok(PasswordEntry::Nowhere),
            (false, true) => Ok(PasswordEntry::Line),
            (false, false) if io::stdin().is_terminal() => Ok(PasswordEntry::Terminal),
            (false, false) => Err(Failure::Usage(
                "no terminal to ask for the password on: give it with --password-stdin, or --no-password"
                    .to_owned(),
            )),
        }
    }
}

impl PasswordEntry {
    /// Reads the password, and hashes it.
    ///
    /// # Errors
    /// It is empty or too long, two answers differ, or none is given.
    pub(super) fn hash(self, user: &UserName) -> Result<Option<PasswordHash>, Failure> {
        let password = match self {
            Self::Nowhere => return Ok(None),
            Self::Line => password(terminal::first_line()?)?,
            Self::Terminal => {
                let first = password(terminal::ask(&format!("Password of {user}: "))?)?;
                if password(terminal::ask("The same again: ")?)? != first {
                    return Err(Failure::PasswordsDiffer);
                }
                first
            }
        };
        let mut salt = [0; 16];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| Failure::Randomness)?;
        Ok(Some(passwords::hash(&password, Cost::DEFAULT, salt)?))
    }
}

fn password(line: Line) -> Result<Password, Failure> {
    match line {
        Line::Read(mut bytes) => Ok(Password::new(std::mem::take(&mut *bytes))?),
        Line::Ended => Err(Failure::NoPassword),
    }
}
