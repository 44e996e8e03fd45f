//! Workers and their connections: accept, TLS, HTTP, limits, drain.

mod connection;
mod listeners;
mod shutdown;
mod worker;

pub use listeners::Listeners;
pub use shutdown::{Drain, DrainHandle};
pub use worker::{WorkerParts, Workers};
