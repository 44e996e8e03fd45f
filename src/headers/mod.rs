//! Rules of HTTP fields (RFC 9110, 9112, 9113), as plain functions on a `HeaderMap`.
//!
//! Pure: no I/O and no clock. Strip comes before insert, and every line of a field counts.

mod authorization;
mod challenge;
mod connection;
mod forwarded;
mod identity;
mod target;

pub use authorization::{CredentialsError, bearer_token};
pub use challenge::{Challenge, challenge};
pub use connection::{
    ConnectionOptionError, Upgrade, remove_hop_by_hop, remove_response_hop_by_hop,
};
pub use forwarded::{Client, TrustedProxies, append_via, client_of, set_forwarded};
pub use identity::{
    ArrayStyle, ClaimHeader, ClaimHeaders, StripSet, encode_element, encode_value, is_reserved_name,
};
pub use target::{PathAllow, Target, TargetError, laxest_reading};
