//! Where in a claims set a claim stands.

use std::fmt::{self, Write as _};

use serde::Deserialize as _;

use super::{Object, Value};

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
    pub fn find<'d>(&self, claims: Object<'d>) -> Option<Value<'d>> {
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
