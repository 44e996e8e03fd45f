//! Warnings about settings that are valid and dangerous, each with a stable code.

mod access;
mod keys;
mod local_issuer;
mod network;
mod secrets;
mod store;
mod warning;

pub use warning::{WARNING_CODES, Warning, warnings};
