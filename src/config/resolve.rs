//! From what was typed to the model: interpolation, environment, defaults, cross-references.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Config, ConfigErrors};

/// The environment variables that matter, taken once.
#[derive(Clone, Debug, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// That of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }
}

/// Reads and resolves a configuration file. Key files and certificates are not opened here.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(_file: &Path, _environment: &Environment) -> Result<Config, ConfigErrors> {
    todo!("config helper")
}

/// The same for a text; relative paths are relative to `directory`, and `name` stands in errors.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(
    _text: &str,
    _name: &Path,
    _directory: &Path,
    _environment: &Environment,
) -> Result<Config, ConfigErrors> {
    todo!("config helper")
}
