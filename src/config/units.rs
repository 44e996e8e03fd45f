//! Durations and sizes as people write them.

use std::time::Duration;

/// `"30s"`, `"15m"`, `"1h30m"`, `"7 days"`, `"2 weeks"`; without case.
///
/// # Errors
/// A message that says what to write instead: a bare number, `1M`, an unknown unit.
pub fn parse_duration(_text: &str) -> Result<Duration, String> {
    todo!("config helper")
}

/// `"64KiB"`, `"1MB"`, `"512"` bytes only with a unit: `"512B"`.
///
/// # Errors
/// A message that says what to write instead.
pub fn parse_size(_text: &str) -> Result<u64, String> {
    todo!("config helper")
}
