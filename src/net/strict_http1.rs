//! A strict check of HTTP/1.1 framing, ahead of hyper: bytes pass unchanged, or the connection ends with 400.

/// Follows the framing of a request stream byte by byte, and finds what RFC 9112 forbids or leaves ambiguous.
#[derive(Debug, Default)]
pub struct Http1Check {}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP/1.1 framing: {0}")]
pub struct Violation(pub &'static str);

impl Http1Check {
    /// Checks the next bytes of the stream.
    ///
    /// # Errors
    /// A [`Violation`]; nothing after it may be believed.
    pub fn check(&mut self, _bytes: &[u8]) -> Result<(), Violation> {
        todo!("net helper")
    }
}
