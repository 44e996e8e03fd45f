//! What the tokens of a user say.

use serde_json::{Map, Value};

/// Claims that the gateway sets itself, or that other specifications give a meaning: none of them is a user's to carry.
const RESERVED_CLAIMS: [&str; 26] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "scope",
    "scp",
    "roles",
    "client_id",
    "cnf",
    "act",
    "azp",
    "cid",
    "appid",
    "typ",
    "events",
    "at_hash",
    "c_hash",
    "nonce",
    "auth_time",
    "preferred_username",
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_user_carries_keeps_its_order_and_stands_once() {
        let given = claims(json!({ "tenant": "acme", "deep": [{ "sub": 1 }] }));
        let grants = Grants::new(["b", "a", "b"], ["x:read", "y", "x:read"], given).unwrap();
        assert_eq!(grants.roles(), ["b".into(), "a".into()]);
        assert_eq!(grants.scopes(), ["x:read".into(), "y".into()]);
        assert_eq!(grants.claims()["tenant"], "acme");
        let nothing = Grants::new([""; 0], [""; 0], Map::new()).unwrap();
        assert_eq!(nothing, Grants::default());
        assert_eq!(nothing.claims_json(), "{}");
    }

    #[test]
    fn wrong_roles_and_scopes_are_told() {
        let long = "x".repeat(256);
        for role in ["", "a\nb", "\u{7f}", &long] {
            let error = Grants::new([role], [""; 0], Map::new()).unwrap_err();
            assert!(matches!(error, GrantError::Role(_)), "{role:?}");
        }
        // RFC 6749 §3.3.
        for scope in ["", "a b", "a\"b", "a\\b", "ä", "a\n", &long] {
            let error = Grants::new([""; 0], [scope], Map::new()).unwrap_err();
            assert!(matches!(error, GrantError::Scope(_)), "{scope:?}");
        }
        let many: Vec<String> = (0..=MAX_NAMES).map(|number| number.to_string()).collect();
        let no_scopes: [&str; 0] = [];
        assert!(Grants::new(many[1..].to_vec(), no_scopes, Map::new()).is_ok());
        let error = Grants::new(many, no_scopes, Map::new()).unwrap_err();
        assert_eq!(error, GrantError::TooMany);
    }

    /// The gateway reads scopes and clients of other issuers' tokens by these names, and of its own tokens, too.
    #[test]
    fn no_user_carries_a_scope_or_a_client_under_another_name() {
        for name in ["scp", "azp", "cid", "appid"] {
            let given = claims(json!({ name: "admin" }));
            let error = Grants::new([""; 0], [""; 0], given).unwrap_err();
            assert_eq!(error, GrantError::ReservedClaim(name.to_owned()));
        }
    }

    #[test]
    fn no_user_carries_a_claim_that_means_something() {
        for name in RESERVED_CLAIMS {
            let given = claims(json!({ "tenant": 1, name: "root" }));
            let error = Grants::new([""; 0], [""; 0], given).unwrap_err();
            assert_eq!(error, GrantError::ReservedClaim(name.to_owned()));
        }
        for name in ["", "a\nb"] {
            let error = Grants::new([""; 0], [""; 0], claims(json!({ name: 1 }))).unwrap_err();
            assert_eq!(error, GrantError::ClaimName(name.to_owned()));
        }
        let long = |bytes: usize| claims(json!({ "a": "x".repeat(bytes) }));
        // `{"a":""}` is eight.
        assert!(Grants::new([""; 0], [""; 0], long(MAX_CLAIM_BYTES - 8)).is_ok());
        let error = Grants::new([""; 0], [""; 0], long(MAX_CLAIM_BYTES - 7)).unwrap_err();
        assert_eq!(error, GrantError::ClaimsTooLong);
    }
}
