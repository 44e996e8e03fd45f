//! JSON as tokens need it: a member that stands twice is an error at any depth (RFC 7519 §4, RFC 8725 §2.4).

use std::fmt::{self, Write as _};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;
use serde_json::error::Category;

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

impl Value {
    /// The text, if it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The value as JSON text, without spaces; members in their order.
    ///
    /// # Panics
    /// Never: there is no value that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Names are strings and numbers are finite.
        serde_json::to_string(self).expect("invariant: a parsed value is JSON")
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(object) => object.serialize(serializer),
        }
    }
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

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            members.serialize_entry(&**name, value)?;
        }
        members.end()
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
/// As [`JsonError`] says. `Syntax` too: values nested 128 deep or deeper, numbers beyond the range of a double, lone
/// surrogates, a byte order mark.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    // Once for all of it: `from_slice` would look at each string again.
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        // The visitor takes every kind of value: the only thing it complains of itself is a repeated name.
        Category::Data => JsonError::DuplicateMember,
        Category::Syntax | Category::Eof | Category::Io => JsonError::Syntax,
    })
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        let mut seen = 0_u64;
        while let Some(name) = access.next_key::<Box<str>>()? {
            let mark = 1 << name_class(&name);
            if seen & mark != 0
                && members.len() < FEW_MEMBERS
                && members.iter().any(|(other, _)| *other == name)
            {
                return Err(de::Error::custom(JsonError::DuplicateMember));
            }
            seen |= mark;
            members.push((name, access.next_value()?));
        }
        if members.len() > FEW_MEMBERS && has_duplicates(&members) {
            return Err(de::Error::custom(JsonError::DuplicateMember));
        }
        Ok(Value::Object(Object(members)))
    }
}

/// Up to this many members a new name is compared with all before it, unless [`name_class`] tells it from them; beyond, all
/// are sorted once.
const FEW_MEMBERS: usize = 32;

/// One of 64 classes of names: equal names are in one class, and the names of most objects are in many.
fn name_class(name: &str) -> usize {
    let byte = |at: Option<&u8>| usize::from(at.copied().unwrap_or_default());
    let bytes = name.as_bytes();
    let middle = bytes.get(bytes.len() / 2);
    (bytes.len() + 7 * byte(bytes.first()) + 13 * byte(middle) + 31 * byte(bytes.last())) % 64
}

/// Whether a name stands twice. Sorted instead of hashed: no hostile choice of names makes it quadratic.
fn has_duplicates(members: &[(Box<str>, Value)]) -> bool {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// The way to a claim: member names from the claims set inward, such as `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath(Vec<Box<str>>);

impl ClaimPath {
    /// Parses a TOML dotted key: `realm_access.roles`, `"https://x.example/roles"`, `a."b.c"`.
    ///
    /// # Errors
    /// When the text is not a dotted key.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = split_key(rest.trim_start_matches(TOML_SPACE))?;
            names.push(name);
            let after = after.trim_start_matches(TOML_SPACE);
            if after.is_empty() {
                return Ok(Self(names));
            }
            rest = after.strip_prefix('.').ok_or(ClaimPathError)?;
        }
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

impl fmt::Display for ClaimPath {
    /// As a TOML dotted key that parses to the same path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            if !name.is_empty() && name.bytes().all(is_bare) {
                f.write_str(name)?;
            } else {
                write_quoted(name, f)?;
            }
        }
        Ok(())
    }
}

/// A basic string of TOML.
fn write_quoted(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for character in name.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            control if control.is_control() => write!(f, "\\u{:04X}", u32::from(control))?,
            plain => f.write_char(plain)?,
        }
    }
    f.write_char('"')
}

/// White space of TOML.
const TOML_SPACE: [char; 2] = [' ', '\t'];

/// Whether `byte` may stand in a key without quotes.
const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The first simple key of `text`, and what follows it.
fn split_key(text: &str) -> Result<(Box<str>, &str), ClaimPathError> {
    let first = text.bytes().next().ok_or(ClaimPathError)?;
    if first == b'"' || first == b'\'' {
        return split_quoted(text, first);
    }
    let end = text.bytes().position(|byte| !is_bare(byte));
    match text.split_at(end.unwrap_or(text.len())) {
        ("", _) => Err(ClaimPathError),
        (name, rest) => Ok((name.into(), rest)),
    }
}

/// As [`split_key`], for a key in quotes.
fn split_quoted(text: &str, quote: u8) -> Result<(Box<str>, &str), ClaimPathError> {
    let mut escaped = false;
    let inside = text.bytes().skip(1).position(|byte| {
        let ends = byte == quote && !escaped;
        escaped = quote == b'"' && byte == b'\\' && !escaped;
        ends
    });
    // Both quotes are ASCII, so the cut never falls inside a character.
    let (quoted, rest) = text.split_at(inside.ok_or(ClaimPathError)? + 2);
    // The escapes, and which characters may stand there, are TOML's: its own reader knows them.
    let name = toml::de::ValueDeserializer::parse(quoted)
        .and_then(String::deserialize)
        .map_err(|_| ClaimPathError)?;
    Ok((name.into(), rest))
}

/// A claim path that is not a TOML dotted key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a dotted key: quote names that contain dots or slashes, as in '\"https://x.example/roles\"'"
)]
pub struct ClaimPathError;

#[cfg(test)]
mod tests;
