//! Warnings about settings that are valid and dangerous, each with a stable code.

use super::{Config, Place};

/// One dangerous setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its stable code, kebab-case: `leeway-over-2m`.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub message: String,
    /// Whether `run` refuses it as `check` does.
    pub refused: bool,
}

/// All warnings of a configuration.
#[must_use]
pub fn warnings(_config: &Config) -> Vec<Warning> {
    todo!("config helper")
}
