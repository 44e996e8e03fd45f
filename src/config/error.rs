//! Errors with their place.

use std::fmt;
use std::path::PathBuf;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as it was named; empty for the environment.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// The text of the line, for the caret.
    pub text: String,
    /// How many characters the caret underlines.
    pub width: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What, as a lower-case fragment.
    pub message: String,
    /// What to do: `did you mean ..`.
    pub hint: Option<String>,
}

/// Everything that is wrong, in order of place. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// `file:line:column: message`, the line, a caret, the hint; for each error.
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!("config helper")
    }
}

impl std::error::Error for ConfigErrors {}
