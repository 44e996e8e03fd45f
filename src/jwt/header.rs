//! The JOSE header (RFC 7515 §4).

use super::{Algorithm, TokenError};

/// The members of a JOSE header that we use. `jwk`, `jku`, `x5u`, `x5c` and their like are never read.
#[derive(Clone, Debug, PartialEq)]
pub struct JoseHeader {
    /// `alg`
    pub algorithm: Algorithm,
    /// `kid`
    pub kid: Option<Box<str>>,
    /// `typ`, as it stands.
    pub typ: Option<Box<str>>,
}

impl JoseHeader {
    /// Parses the encoded header.
    ///
    /// # Errors
    /// `Malformed` (encoding, JSON, duplicate member, ill-typed member), `UnsupportedAlgorithm`, `CriticalHeader`
    /// (any `crit`, and `b64`: RFC 7515 §4.1.11, RFC 7797).
    pub fn parse(_encoded: &[u8]) -> Result<Self, TokenError> {
        todo!("jwt helper")
    }
}
