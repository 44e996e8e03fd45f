//! gateway.toml as a compiler reads it: `raw` is what was typed, `resolve` turns it into the `model` that cannot be
//! wrong, and every error names its place. All errors are found in one pass.
//!
//! One file for each idea: `raw` and `source` hold the text as a tree with places, `interpolate` and `overrides` fill
//! it in from files and the environment, `reader` takes keys out of tables (and so knows which keys there are), `expect`
//! takes values out of keys, and `server`, `issuers` (with `keys`, `remote_keys` and `key_url`), `upstreams`, `routes`,
//! `claims`, `token_places`, `store`, `local_issuer` (with `issuer_url`), `logout` build the model. Nothing here opens a key or a certificate, or connects to anything.

mod check;
mod claims;
mod context;
mod defaults;
mod error;
mod expect;
mod interpolate;
mod issuer_url;
mod issuers;
mod key_url;
mod keys;
mod local_issuer;
mod logout;
mod model;
mod names;
mod overrides;
mod paths;
mod raw;
mod reader;
mod reference;
mod remote_keys;
mod requirements;
mod resolve;
mod routes;
mod rules;
mod server;
mod source;
mod store;
mod suggest;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token_places;
mod units;
mod upstreams;

pub use check::{WARNING_CODES, Warning, warnings};
pub use error::{ConfigError, ConfigErrors, Place};
pub use key_url::{KeyUrlError, KeyUrlRules, parse_key_url};
pub use model::{
    Admin, AdminAccess, Authentication, BackChannelLogout, BadSignatureLimits, Certificates,
    Condition, Config, Host, HostPattern, Issuer, IssuerUrl, KeyLocation, KeyRefresh, KeySource,
    Keys, LOCAL_ISSUER, LOCAL_ISSUER_ROUTE, Limits, LocalIssuer, Log, LogFormat, Override, Pattern,
    PemFile, Preflight, RemoteKeys, Requirements, Route, Rule, SecretOrigin, SecretUse, Server,
    Signing, StoreConfig, StoreFailure, StoreUrl, Test, TokenPlace, Upstream, UpstreamUrl,
};
pub use reference::{Key, reference};
pub use resolve::{Environment, load, parse};
pub use source::Places;
pub(crate) use suggest::hint as suggestion;
pub use units::{format_duration, parse_duration};
