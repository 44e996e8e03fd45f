//! The servers behind: their addresses, which of them to take, and each worker's connections to them.

mod balance;
mod connect;
mod pool;
mod resolve;

pub use balance::{Address, InFlight, Upstream, UpstreamError};
pub use pool::{Pools, SendError, Sent};
pub use resolve::refresh_addresses;
