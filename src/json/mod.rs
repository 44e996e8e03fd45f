//! JSON as tokens need it: a member that stands twice is an error at any depth (RFC 7519 §4, RFC 8725 §2.4), and a value is
//! read into two pieces of memory, however much it holds.

mod document;
mod parse;
mod path;
mod scan;

pub use document::{Array, Document, Object, Value};
pub use parse::{JsonError, parse, parse_owned};
pub use path::{ClaimPath, ClaimPathError};

#[cfg(test)]
mod tests;
