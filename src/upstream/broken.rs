//! What can be wrong with an exchange once there is a connection. Details are for the log: the client gets a fixed text.

use std::error::Error;
use std::io;

/// Why an answer, or the rest of it, cannot be used. Its connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum BrokenAnswer {
    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The upstream closed the connection before the first byte of an answer.
    #[error("the connection was closed before the answer")]
    NoAnswer,
    /// It did so within the head.
    #[error("the connection was closed within the head")]
    CutHead,
    /// It did so before the end of the body: what came must not pass for a whole one.
    #[error("the connection was closed within the body")]
    CutBody,
    /// No HTTP/1.0 or HTTP/1.1 status line.
    #[error("no status line of HTTP/1.x")]
    StatusLine,
    /// A field line with something else than RFC 9110 §5 allows.
    #[error("a malformed field line")]
    FieldLine,
    /// A line that ends without CR (RFC 9112 §2.2 lets a recipient take it; others may not see a line there).
    #[error("a line that ends without CR")]
    BareLineFeed,
    /// More fields than are read.
    #[error("too many fields")]
    TooManyFields,
    /// More bytes than are buffered.
    #[error("the head is too long")]
    HeadTooLong,
    /// More 1xx than anybody needs.
    #[error("too many interim answers")]
    TooManyInterim,
    /// 101 to a request that asked for no upgrade.
    #[error("101 to no upgrade")]
    UnaskedUpgrade,
    /// RFC 9110 §8.6.
    #[error("Content-Length is not one number")]
    Length,
    /// RFC 9112 §6.3: the mark of an attempt to smuggle.
    #[error("Content-Length beside Transfer-Encoding")]
    LengthAndCoding,
    /// Nothing else is decoded, and nobody would know of it further on (RFC 9112 §6.1).
    #[error("a transfer coding other than chunked")]
    Coding,
    /// RFC 9112 §6.1: whoever answers so does not know what it says.
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
    /// No size in hexadecimal digits, or more of them than any size has.
    #[error("a malformed chunk size")]
    ChunkSize,
    /// Malformed, or longer than anybody needs.
    #[error("a malformed chunk extension")]
    ChunkExtension,
    /// A chunk that does not end where its size says.
    #[error("a chunk that does not end where it should")]
    ChunkEnd,
    /// Longer than anybody needs.
    #[error("the trailer section is too long")]
    TrailersTooLong,
    /// The request's body failed: not the upstream's fault.
    #[error("the request body failed: {0}")]
    RequestBody(#[source] Box<dyn Error + Send + Sync>),
    /// The request's body is not as long as its head says.
    #[error("the request body is not as long as was said")]
    RequestLength,
}
