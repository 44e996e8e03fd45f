//! The claims set (RFC 7519 §4).

use crate::clock::UnixTime;
use crate::json::{Object, Value};

use super::TokenError;

/// A claims set whose registered claims have the right types.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimsSet {
    all: Object,
    expires: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
}

impl ClaimsSet {
    /// Parses an encoded payload.
    ///
    /// # Errors
    /// `Malformed`: encoding, JSON, a duplicate member at any depth, not an object, or an ill-typed `exp`, `nbf`, `iat`,
    /// `iss`, `aud`, `sub`. Which one is in the error's detail.
    pub fn parse(_encoded: &[u8]) -> Result<Self, TokenError> {
        todo!("jwt helper")
    }

    /// All claims.
    #[must_use]
    pub fn all(&self) -> &Object {
        &self.all
    }
    /// A top-level claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }
    /// A top-level claim that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.all.get(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
    /// `exp`: fractions count up, so that a whole-second clock decides alike.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }
    /// `nbf`
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }
    /// `iat`
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// The scopes: members of `scope` (a string, RFC 8693 §4.2) or of `scp` (a string or an array).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let _ = &self.all;
        todo!("jwt helper") as std::vec::IntoIter<&str>
    }
}
