//! The servers behind: their addresses, which of them to take, and each worker's connections to them.
//!
//! [`Upstream`] is shared by all threads and outlives snapshots; [`Pools`] belongs to one worker and is not `Send`.

mod address;
mod balance;
mod body;
mod broken;
mod chunked;
mod connect;
mod connection;
mod encode;
mod exchange;
mod framing;
mod head;
mod idle;
mod pool;
mod resolve;
mod sent;
mod upgraded;
mod upload;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use address::{Address, InFlight};
pub use balance::{AddressReport, Upstream, UpstreamError};
pub use broken::BrokenAnswer;
pub use pool::{Pools, SendError};
pub use resolve::{refresh_addresses, take_over_addresses};
pub use sent::{Sent, SentBody};
pub use upgraded::Upgraded;
