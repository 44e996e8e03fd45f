//! Workers and their connections: accept, TLS, HTTP, limits, drain.

mod accept;
mod balance;
mod connection;
mod handle;
mod listeners;
mod pulse;
mod shutdown;
mod slots;
mod worker;

pub use listeners::Listeners;
pub use pulse::Pulse;
pub use shutdown::{Drain, DrainHandle};
pub use worker::{WorkerParts, Workers};
