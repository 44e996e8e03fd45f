//! The compact serialization (RFC 7515 §7.1): exactly three parts.

use super::TokenError;

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct CompactJws<'t> {
    /// The encoded JOSE header.
    pub header: &'t [u8],
    /// The encoded payload.
    pub payload: &'t [u8],
    /// The encoded signature.
    pub signature: &'t [u8],
    /// What is signed: header, dot, payload (RFC 7515 §5.1).
    pub signing_input: &'t [u8],
}

impl<'t> CompactJws<'t> {
    /// Splits a token.
    ///
    /// # Errors
    /// `Malformed` unless there are exactly three parts, header and payload not empty.
    pub fn parse(_token: &'t [u8]) -> Result<Self, TokenError> {
        todo!("jwt helper")
    }
}
