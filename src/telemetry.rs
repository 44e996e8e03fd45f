//! What the process says: tracing to standard error, the access log to standard output.

use crate::config::LogFormat;

/// Starts tracing. `RUST_LOG` is honoured; the default level is `info`.
pub fn start(_format: LogFormat) {
    todo!("operations helper")
}

/// Whether lines are JSON in that format: `auto` is text on a terminal.
#[must_use]
pub fn is_json(_format: LogFormat) -> bool {
    todo!()
}
