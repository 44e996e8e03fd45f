//! One access-log line for each request, whatever happened: made by the worker, written by another thread.

use std::sync::Arc;

/// A worker's end of the access log. A full queue drops lines and counts them; it never blocks.
#[derive(Clone)]
pub struct AccessLog {}

/// Where the lines go: `write` is called on the log's own thread with whole lines.
pub trait AccessLogSink: Send + 'static {
    /// Writes whole lines.
    ///
    /// # Errors
    /// When they cannot be written; they are lost then.
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()>;
}

/// Starts the log's thread. `json`: an object a line; else text. `None` as sink: nothing is logged.
#[must_use]
pub fn access_log(
    _sink: Option<Box<dyn AccessLogSink>>,
    _json: bool,
    _dropped: Arc<dyn Fn(u64) + Send + Sync>,
) -> AccessLog {
    todo!("proxy helper")
}
