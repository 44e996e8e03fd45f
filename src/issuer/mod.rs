//! The local issuer: sign-in, tokens and sessions, off the workers.

mod handle;

pub use handle::{IssuerHandle, IssuerRequest, IssuerRequests};
