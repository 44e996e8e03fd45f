//! The commands.

/// Runs the command line and returns the exit code.
#[must_use]
pub fn main() -> std::process::ExitCode {
    todo!("cli helper")
}
