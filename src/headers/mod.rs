//! Rules of HTTP fields (RFC 9110, 9112, 9113), as plain functions on a `HeaderMap`.
//!
//! Pure: no I/O and no clock. Strip comes before insert, and every line of a field counts.

mod authorization;
mod challenge;
mod connection;
mod cookies;
mod forwarded;
mod host;
mod identity;
mod length;
mod names;
mod origin;
mod path;
mod query;
mod size;
mod subprotocol;
mod target;
mod trailers;

pub use authorization::{CredentialsError, bearer_token, has_bearer};
pub use challenge::{Challenge, challenge};
pub use connection::{
    ConnectionOptionError, Upgrade, refuse_connection_option, remove_hop_by_hop,
    remove_response_hop_by_hop,
};
pub use cookies::{CookieNames, RepeatedCookie, cookie, join_cookies, remove_cookies};
pub use forwarded::{Client, TrustedProxies, append_via, client_of, request_id_of, set_forwarded};
pub use identity::{
    ArrayStyle, ClaimFields, ClaimHeader, ClaimHeaders, FieldWriter, HeaderSetId, StripSet,
    is_reserved_name,
};
pub use length::{ContentLengthError, add_content_length, content_length};
pub use names::remove_spellings;
pub use origin::is_same_origin;
pub use path::{laxest_reading, without_prefix};
pub use query::{AmbiguousParameter, query_parameter, remove_from_urls, without_parameter};
pub use size::{field_bytes, head_bytes};
pub use subprotocol::{
    SubprotocolError, offers_subprotocol, remove_subprotocol, subprotocol_token,
};
pub use target::{PathAllow, Target, TargetError};
pub use trailers::strip_trailers;
