//! Claim headers: every spelling a client may send is removed, then ours are inserted.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::json::{ClaimPath, Object, Value};

use super::names::{begins_with, fold, is_disguised, is_reserved, is_spelling, remove_where};

/// The names that no client may set, in any spelling, as the union over the whole configuration.
#[derive(Clone, Debug, Default)]
pub struct StripSet {
    /// Whole names, folded, by length.
    exact: Vec<Box<str>>,
    /// What patterns begin with, folded.
    prefixes: Vec<Box<str>>,
    /// A bit for each first byte of a name or prefix: most fields of a request end here.
    first_bytes: u64,
}

impl StripSet {
    /// From claim header names and `strip` patterns (a name, or a prefix followed by `*`).
    ///
    /// `*` alone would take every field, Host with them, and is ignored; the configuration refuses it.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut set = Self::default();
        for name in names {
            let (stem, list) = match name.strip_suffix('*') {
                Some(stem) => (stem, &mut set.prefixes),
                None => (name, &mut set.exact),
            };
            let folded: Box<str> = stem.bytes().map(|byte| char::from(fold(byte))).collect();
            let Some(&first) = folded.as_bytes().first() else {
                continue;
            };
            set.first_bytes |= bit(first);
            if !list.contains(&folded) {
                list.push(folded);
            }
        }
        set.exact.sort_unstable_by_key(|name| name.len());
        set
    }

    /// Whether a field of that name is one of ours, spelled in any way: case, and `_`, `.`, space for `-` (as any other
    /// byte that is no letter or digit).
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(&first) = name.as_bytes().first() else {
            return false;
        };
        if self.first_bytes & bit(fold(first)) == 0 {
            return false;
        }
        let shorter = self.exact.partition_point(|own| own.len() < name.len());
        self.exact[shorter..]
            .iter()
            .take_while(|own| own.len() == name.len())
            .any(|own| is_spelling(name, own))
            || self.prefixes.iter().any(|own| begins_with(name, own))
    }

    /// Removes every such field, and every field that is `Transfer-Encoding`, `Host`, `Authorization` and their like in
    /// another spelling: an upstream that folds names would read it as the real one. Without one, this allocates
    /// nothing.
    pub fn strip(&self, headers: &mut HeaderMap) {
        remove_where(headers, |name| self.matches(name) || is_disguised(name));
    }
}

/// Letters have a bit each; what shares one costs a comparison.
fn bit(byte: u8) -> u64 {
    1 << (byte % 64)
}

/// How an array claim becomes field lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ArrayStyle {
    /// One line, elements joined with `,`; each element is encoded so that it holds none.
    #[default]
    Csv,
    /// One line with the JSON text.
    Json,
    /// A line for each element.
    Repeat,
}

/// One field that carries a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHeader {
    /// Its name.
    pub name: HeaderName,
    /// The claim it carries.
    pub claim: ClaimPath,
    /// What an array becomes.
    pub array: ArrayStyle,
}

/// The claim headers of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimHeaders(pub Vec<ClaimHeader>);

impl ClaimHeaders {
    /// Inserts the fields for `claims`; an absent claim, and `null`, adds nothing.
    ///
    /// Nor does an empty array, except as JSON; a `null` inside an array is left out, except there.
    pub fn insert(&self, claims: &Object, headers: &mut HeaderMap) {
        for header in &self.0 {
            let Some(value) = header.claim.find(claims) else {
                continue;
            };
            match (value, header.array) {
                (Value::Array(elements), ArrayStyle::Csv) => {
                    let texts: Vec<String> = elements.iter().filter_map(encode_element).collect();
                    if !texts.is_empty() {
                        put(headers, &header.name, texts.join(","));
                    }
                }
                (Value::Array(elements), ArrayStyle::Repeat) => {
                    headers.remove(&header.name);
                    for text in elements.iter().filter_map(encode_element) {
                        if let Ok(line) = HeaderValue::try_from(text) {
                            headers.append(header.name.clone(), line);
                        }
                    }
                }
                (value, ArrayStyle::Csv | ArrayStyle::Json | ArrayStyle::Repeat) => {
                    if let Some(text) = encode_value(value) {
                        put(headers, &header.name, text);
                    }
                }
            }
        }
    }
}

fn put(headers: &mut HeaderMap, name: &HeaderName, text: String) {
    // Encoded text is a field value.
    if let Ok(line) = HeaderValue::try_from(text) {
        headers.insert(name.clone(), line);
    }
}

/// A value that stands alone in its field: `%`, controls, DEL and non-ASCII bytes are percent-encoded, and a space at
/// either end, which would be lost (RFC 9110 §5.5): ` alice` must not become `alice`.
///
/// Strings, numbers and booleans as text, arrays and objects as JSON; `null` is nothing.
fn encode_value(value: &Value) -> Option<String> {
    encode(value, b'%')
}

/// An element of `csv` and `repeat`: as [`encode_value`], and `,` too.
fn encode_element(value: &Value) -> Option<String> {
    encode(value, b',')
}

/// Whether a claim header may not have that name: hop-by-hop, framing, routing, credential, cookie, forwarding fields.
#[must_use]
pub fn is_reserved_name(name: &HeaderName) -> bool {
    is_reserved(name.as_str())
}

/// `special` is encoded besides what always is.
fn encode(value: &Value, special: u8) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("true".to_owned()),
        Value::Bool(false) => Some("false".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(encode_text(text, special)),
        Value::Array(_) | Value::Object(_) => Some(encode_text(&value.to_json(), special)),
    }
}

fn encode_text(text: &str, special: u8) -> String {
    let mut encoded = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (index, byte) in text.bytes().enumerate() {
        let edge = byte == b' ' && (index == 0 || index == last);
        if matches!(byte, b' '..=b'~') && byte != b'%' && byte != special && !edge {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests;
