//! Where the token of a request may stand.

use std::fmt;

use http::HeaderName;

/// An element of `token_from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Authorization,
    /// The whole value of this field.
    Header(HeaderName),
    /// The value of this cookie.
    Cookie(Box<str>),
    /// The value of this parameter of the query (RFC 6750 §2.3). Unreserved characters alone, so it has one spelling.
    Query(Box<str>),
    /// What stands behind this name in `Sec-WebSocket-Protocol`: browsers let a page set no other field of a handshake.
    Subprotocol(Box<str>),
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization => f.write_str("Authorization"),
            Self::Header(name) => write!(f, "the field {name}"),
            Self::Cookie(name) => write!(f, "the cookie {name}"),
            Self::Query(name) => write!(f, "the query parameter {name}"),
            Self::Subprotocol(name) => write!(f, "the subprotocol {name}"),
        }
    }
}
