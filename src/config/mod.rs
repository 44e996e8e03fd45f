//! gateway.toml as a compiler reads it: `raw` is what was typed, `resolve` turns it into the `model` that cannot be
//! wrong, and every error names its place. All errors are found in one pass.

mod check;
mod defaults;
mod error;
mod model;
mod raw;
mod resolve;
mod units;

pub use check::{Warning, warnings};
pub use error::{ConfigError, ConfigErrors, Place};
pub use model::{
    Admin, AdminAccess, AuthMode, Certificates, Config, Host, HostPattern, Issuer, KeySource,
    Limits, Log, LogFormat, PemFile, Preflight, Route, Rule, Server, Test, Upstream, UpstreamUrl,
};
pub use resolve::{Environment, load, parse};
pub use units::{parse_duration, parse_size};
