//! Where an issuer's keys come from: files, secrets, keys made for trying out, and identity providers.

mod connect;
mod discovery;
mod fetch;
mod generate;
mod load;
mod set;
mod source;

pub use connect::ConnectError;
pub use discovery::{DiscoveryError, jwks_uri};
pub use fetch::{Document, FetchError, Fetched, KeyClient};
pub use generate::{GeneratedKey, generated_key};
pub use load::{KeysError, LoadedKeys, load};
pub use set::{SetError, usable_keys};
pub use source::{RemoteSource, SourceError};
