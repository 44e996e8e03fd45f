//! Workers and their connections: accept, TLS, HTTP, limits, drain.

mod accept;
mod connection;
mod handle;
mod listeners;
mod shutdown;
mod slots;
mod worker;

pub use listeners::Listeners;
pub use shutdown::{Drain, DrainHandle};
pub use worker::{Pulse, WorkerParts, Workers};
