//! What the tokens of a user say.

use serde_json::{Map, Value};

/// Claims that the gateway sets itself, or that other specifications give a meaning: none of them is a user's to carry.
const RESERVED_CLAIMS: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "scope",
    "roles",
    "client_id",
    "cnf",
    "act",
    "azp",
    "typ",
    "events",
    "at_hash",
    "c_hash",
    "nonce",
    "auth_time",
    "acr",
    "amr",
];

/// Most roles, and most scopes, of a user.
const MAX_NAMES: usize = 100;

/// Most bytes of a user's claims as JSON: tokens carry them, and tokens have limits.
const MAX_CLAIM_BYTES: usize = 4096;

/// What the tokens of a user say besides who it is: roles, scopes and further claims, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    roles: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    claims: Map<String, Value>,
}

/// Why roles, scopes or claims are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A role is empty, longer than 255 bytes, or holds a control.
    #[error("`{0}` is no role: 1 to 255 bytes without controls")]
    Role(String),
    /// A scope has other characters than RFC 6749 §3.3 has.
    #[error("`{0}` is no scope: 1 to 255 printable ASCII characters without blank, `\"` and `\\`")]
    Scope(String),
    /// More than 100 roles or scopes.
    #[error("more than 100 roles or scopes")]
    TooMany,
    /// A claim that the gateway sets.
    #[error("`{0}` is a claim that the gateway sets, or that has a meaning of its own")]
    ReservedClaim(String),
    /// A claim without a name, or with a control in it.
    #[error("`{0}` is no name of a claim")]
    ClaimName(String),
    /// More than 4 KiB of claims.
    #[error("the claims are longer than 4096 bytes as JSON")]
    ClaimsTooLong,
}

impl Grants {
    /// Checks what a user is to carry. Roles and scopes that stand there twice are taken once.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(
        roles: impl IntoIterator<Item = impl Into<Box<str>>>,
        scopes: impl IntoIterator<Item = impl Into<Box<str>>>,
        claims: Map<String, Value>,
    ) -> Result<Self, GrantError> {
        let roles = once_each(roles)?;
        let scopes = once_each(scopes)?;
        if let Some(role) = roles.iter().find(|role| !is_name(role)) {
            return Err(GrantError::Role(shown(role)));
        }
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(GrantError::Scope(shown(scope)));
        }
        for name in claims.keys() {
            if RESERVED_CLAIMS.contains(&name.as_str()) {
                return Err(GrantError::ReservedClaim(name.clone()));
            }
            if !is_name(name) {
                return Err(GrantError::ClaimName(shown(name)));
            }
        }
        let grants = Self {
            roles,
            scopes,
            claims,
        };
        if grants.claims_json().len() > MAX_CLAIM_BYTES {
            return Err(GrantError::ClaimsTooLong);
        }
        Ok(grants)
    }

    /// In the order in which they were given.
    #[must_use]
    pub fn roles(&self) -> &[Box<str>] {
        &self.roles
    }

    /// In the order in which they were given.
    #[must_use]
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// Further claims.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claims as they are stored.
    pub(super) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }
}

fn once_each(
    names: impl IntoIterator<Item = impl Into<Box<str>>>,
) -> Result<Vec<Box<str>>, GrantError> {
    let mut kept: Vec<Box<str>> = Vec::new();
    for name in names {
        let name = name.into();
        if kept.contains(&name) {
            continue;
        }
        if kept.len() == MAX_NAMES {
            return Err(GrantError::TooMany);
        }
        kept.push(name);
    }
    Ok(kept)
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`.
fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Enough of a wrong name to find it by.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
