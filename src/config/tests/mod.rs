//! Whole texts: what they become, and what is said about them.

mod bad;
mod bad_issuers;
mod bad_keys;
mod bad_local_issuer;
mod bad_routes;
mod bad_server;
mod bad_token_places;
mod environment;
mod good;
mod local_issuer;
mod local_warnings;
mod remote_keys;
mod rules;
mod store;
