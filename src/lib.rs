//! Portcullis: a reverse-proxy authentication gateway.
//!
//! The modules stand in layers, and each imports only from lower ones (`tests/layering.rs` holds the table):
//!
//! | layer | modules | idea |
//! |---|---|---|
//! | 0 | [`clock`] [`secret`] [`json`] [`metrics`] | time is an argument; a secret cannot print itself |
//! | 1 | [`jwt`] [`headers`] [`net`] [`passwords`] | pure rules of tokens, fields and passwords; sockets |
//! | 2 | [`config`] | gateway.toml, parsed into a model that cannot be wrong |
//! | 3 | [`routing`] [`keys`] [`upstream`] [`store`] | which route, which keys, which server; what outlives the process |
//! | 4 | [`snapshot`] [`revocation`] [`token_cache`] | what one request sees; what is no longer believed; what a worker remembers |
//! | 5 | [`gate`] [`issuer`] [`revocation_feed`] | the product: one synchronous decision; tokens of our own; what the store revokes |
//! | 6 | [`proxy`] [`reload`] | from the decision to the upstream and back |
//! | 7 | [`explain`] | why a request is admitted or refused, step by step |
//! | 8 | [`server`] [`admin`] [`telemetry`] | listeners, workers, connections, and the operator's view |
//! | 9 | [`app`] | one process |
//! | 10 | [`cli`] | the commands |

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod explain;
pub mod gate;
pub mod headers;
pub mod issuer;
pub mod json;
pub mod jwt;
pub mod keys;
pub mod metrics;
pub mod net;
pub mod passwords;
pub mod proxy;
pub mod reload;
pub mod revocation;
pub mod revocation_feed;
pub mod routing;
pub mod secret;
pub mod server;
pub mod snapshot;
pub mod store;
pub mod telemetry;
pub mod token_cache;
pub mod upstream;
