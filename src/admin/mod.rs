//! The operator's view: livez, readyz, status, metrics, reload. On the control runtime, never starved by traffic.
//!
//! Who may ask: its own Host, no foreign Origin, JSON for POST, a token off loopback.

mod access;
mod explain;
mod keys;
mod problem;
mod revocations;
mod routes;
mod serve;
mod spare;
mod status;

pub use revocations::StoredRevocations;
pub use routes::AdminState;
pub use serve::serve;
