//! What the process counts, as families with closed label sets.
//!
//! Handles are fields that their users hold: nothing is looked up by name while a request runs, and nothing that a
//! client can choose becomes a label. Each worker writes a shard of its own; a scrape adds the shards up.

mod encode;
mod families;
mod handles;
mod histogram;
mod key_use;
mod keys;
mod labels;
mod process;
mod registry;
mod revocations;
mod sessions;
mod shard;

pub use families::{FAMILIES, Family, Kind};
pub use handles::{ConnectionError, IssuerMetrics, RouteMetrics, UpstreamMetrics, WorkerMetrics};
pub use key_use::{
    IssuerKeyUses, KeyCounts, KeyInForce, KeyName, KeyTally, KeyUse, KeyUses, KnownKey,
};
pub use keys::{KeyFetch, KeyMetrics, KeySetAge};
pub use registry::{CertificateExpiry, IssuerKeys, Metrics};
pub use revocations::RevocationMetrics;
pub use sessions::{Refresh, SessionMetrics, SignIn};
pub use shard::WorkerId;
