//! Claim headers: every spelling a client may send is removed, then ours are inserted.

use http::{HeaderMap, HeaderName};

use crate::json::{ClaimPath, Object, Value};

/// The names that no client may set, in any spelling, as the union over the whole configuration.
#[derive(Clone, Debug, Default)]
pub struct StripSet {}

impl StripSet {
    /// From claim header names and `strip` patterns (a name, or a prefix followed by `*`).
    #[must_use]
    pub fn new<'n>(_names: impl IntoIterator<Item = &'n str>) -> Self {
        todo!("headers helper")
    }

    /// Whether a field of that name is one of ours, spelled in any way: case, and `_`, `.`, space for `-`.
    #[must_use]
    pub fn matches(&self, _name: &str) -> bool {
        todo!()
    }

    /// Removes every such field. Without one, this allocates nothing.
    pub fn strip(&self, _headers: &mut HeaderMap) {
        todo!()
    }
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
    pub fn insert(&self, _claims: &Object, _headers: &mut HeaderMap) {
        todo!("headers helper")
    }
}

/// A value that stands alone in its field: `%`, controls, DEL and non-ASCII bytes are percent-encoded.
#[must_use]
pub fn encode_value(_value: &Value) -> Option<String> {
    todo!()
}

/// An element of `csv` and `repeat`: as [`encode_value`], and `,` too.
#[must_use]
pub fn encode_element(_value: &Value) -> Option<String> {
    todo!()
}

/// Whether a claim header may not have that name: hop-by-hop, framing, routing, credential, cookie, forwarding fields.
#[must_use]
pub fn is_reserved_name(_name: &HeaderName) -> bool {
    todo!("headers helper")
}
