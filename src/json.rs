//! JSON as tokens need it: a member that stands twice is an error at any depth (RFC 7519 §4, RFC 8725 §2.4).

use serde_json::Number;

/// A JSON value, owned. Objects keep the order of their members, which are unique.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number; integers of 64 bits keep their value.
    Number(Number),
    /// A string, unescaped.
    String(Box<str>),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

/// The members of an object, in order, names unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(Box<str>, Value)>);

impl Object {
    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(member, _)| **member == *name)
            .map(|(_, value)| value)
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

/// Why bytes are not a JSON value that we take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), not UTF-8, or data after the value.
    #[error("not valid JSON")]
    Syntax,
    /// A member name stands twice in one object.
    #[error("a member stands twice in one object")]
    DuplicateMember,
}

/// Parses one JSON value and nothing after it.
///
/// # Errors
/// As [`JsonError`] says; nesting deeper than 128 is `Syntax`.
pub fn parse(_bytes: &[u8]) -> Result<Value, JsonError> {
    todo!("jwt helper")
}

/// The way to a claim: member names from the claims set inward, such as `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath(Vec<Box<str>>);

impl ClaimPath {
    /// Parses a TOML dotted key: `realm_access.roles`, `"https://x.example/roles"`, `a."b.c"`.
    ///
    /// # Errors
    /// When the text is not a dotted key.
    pub fn parse(_text: &str) -> Result<Self, ClaimPathError> {
        todo!("jwt helper")
    }

    /// The value at the path below `claims`.
    #[must_use]
    pub fn find<'v>(&self, claims: &'v Object) -> Option<&'v Value> {
        let (first, rest) = self.0.split_first()?;
        let mut value = claims.get(first)?;
        for name in rest {
            let Value::Object(object) = value else {
                return None;
            };
            value = object.get(name)?;
        }
        Some(value)
    }
}

/// A claim path that is not a TOML dotted key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a dotted key: quote names that contain dots or slashes, as in '\"https://x.example/roles\"'"
)]
pub struct ClaimPathError;
