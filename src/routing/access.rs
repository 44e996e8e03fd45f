//! What a route asks of verified claims: scopes and rules.

use crate::config::{AuthMode, Rule};
use crate::jwt::ClaimsSet;

/// Who may pass a route.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether a token is needed.
    pub auth: AuthMode,
    /// For each issuer of the configuration, by index: whether its tokens are admitted.
    pub issuers: Box<[bool]>,
    /// All of these scopes.
    pub scopes: Vec<Box<str>>,
    /// One of these, unless empty.
    pub any_scope: Vec<Box<str>>,
    /// All of these rules.
    pub claims: Vec<Rule>,
}

/// Why good claims do not suffice: 403.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccessError<'r> {
    /// A scope is missing: which the route wants.
    InsufficientScope(&'r [Box<str>]),
    /// The rule that failed.
    ClaimMismatch(&'r Rule),
}

impl Access {
    /// Whether `claims` satisfy scopes and rules.
    ///
    /// # Errors
    /// The first that fails.
    pub fn permits(&self, _claims: &ClaimsSet) -> Result<(), AccessError<'_>> {
        todo!("headers helper")
    }
}
