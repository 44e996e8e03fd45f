//! Where an issuer's keys come from: files, secrets, keys made for trying out, and identity providers.

mod connect;
mod discovery;
mod fetch;
mod freshness;
mod generate;
mod held_set;
mod load;
mod persist;
pub mod private_file;
mod refresher;
mod registry;
mod report;
mod requester;
mod schedule;
#[cfg(test)]
mod scripted;
mod set;
mod shown;
mod source;
mod source_id;
mod status;
mod stored;
#[cfg(test)]
pub(crate) mod testing;

pub use connect::ConnectError;
pub use discovery::{DiscoveryError, jwks_uri};
pub use fetch::{Document, FetchError, Fetched, KeyClient};
pub use generate::{GeneratedKey, GeneratedSecret, generated_key, generated_secret};
pub use held_set::{HeldSet, RefusedSet};
pub use load::{KeysError, LoadedKeys, LocalKeys, load, load_remote};
pub use refresher::Refreshers;
pub use registry::{RemoteKeySets, SetChange};
pub use report::{KeyVerdict, Lifetimes, ReportedKey, report_keys};
pub use requester::{KeyRequest, KeyRequester, KeyRequests};
pub use set::{SetError, usable_keys};
pub use source::{RemoteSource, SourceError};
pub use source_id::SourceId;
pub use status::{KeySourceStatuses, SourceState, SourceStatus, SourceWarning};
