//! From text to a document.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::Document;
use super::document::Node;

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
pub fn parse(bytes: &[u8]) -> Result<Document, JsonError> {
    parse_owned(bytes.to_vec())
}

/// As [`parse`], of bytes that the document can keep.
///
/// # Errors
/// As [`parse`].
pub fn parse_owned(bytes: Vec<u8>) -> Result<Document, JsonError> {
    // Once for all of it: `from_slice` would look at each string again.
    let mut text = String::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
    // Positions are of 32 bits, and strings without their escapes are as long again at most.
    if text.len() > MOST_BYTES {
        return Err(JsonError::Syntax);
    }
    let mut builder = Builder {
        text: &text,
        unescaped: String::new(),
        nodes: Vec::with_capacity(text.len() / BYTES_OF_A_NODE + 2),
    };
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    (&mut builder)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| match error.classify() {
            // The visitor takes every kind of value: the only thing it complains of itself is a repeated name.
            Category::Data => JsonError::DuplicateMember,
            Category::Syntax | Category::Eof | Category::Io => JsonError::Syntax,
        })?;
    let Builder {
        text: _,
        unescaped,
        nodes,
    } = builder;
    text.push_str(&unescaped);
    Ok(Document::new(text, nodes))
}

/// Most bytes of a text.
const MOST_BYTES: usize = 1 << 30;

/// Bytes of text for each name and value of usual claims. A text with more of them makes the list grow once or twice.
const BYTES_OF_A_NODE: usize = 14;

/// A document in the making.
struct Builder<'t> {
    text: &'t str,
    unescaped: String,
    nodes: Vec<Node>,
}

impl<'t> Builder<'t> {
    /// A string that stands in the text as it is.
    fn in_text(&mut self, string: &'t str) {
        let start = string.as_ptr().addr() - self.text.as_ptr().addr();
        self.nodes.push(node_of(start, string));
    }

    /// A string that had escapes.
    fn besides(&mut self, string: &str) {
        let start = self.text.len() + self.unescaped.len();
        self.unescaped.push_str(string);
        self.nodes.push(node_of(start, string));
    }

    /// The index of the next node.
    fn next(&self) -> u32 {
        position(self.nodes.len())
    }

    fn string(&self, node: Node) -> &str {
        let Node::String { start, length } = node else {
            return "";
        };
        let (start, length) = (start as usize, length as usize);
        match start.checked_sub(self.text.len()) {
            Some(start) => &self.unescaped[start..][..length],
            None => &self.text[start..][..length],
        }
    }

    /// The names of an object from its first node to the last that there is.
    fn names(&self, first: usize) -> impl Iterator<Item = &str> {
        let mut at = first;
        std::iter::from_fn(move || {
            let name = *self.nodes.get(at)?;
            at = match self.nodes.get(at + 1) {
                Some(Node::Array { end } | Node::Object { end }) => *end as usize,
                Some(_) | None => at + 2,
            };
            Some(self.string(name))
        })
    }
}

fn node_of(start: usize, string: &str) -> Node {
    Node::String {
        start: position(start),
        length: position(string.len()),
    }
}

/// No position is beyond twice [`MOST_BYTES`], and a node takes a byte of text.
fn position(at: usize) -> u32 {
    u32::try_from(at).expect("invariant: the text is short enough")
}

impl<'de> DeserializeSeed<'de> for &mut Builder<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Builder<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated members")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.nodes.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.nodes.push(Node::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.nodes.push(Node::Signed(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.nodes.push(Node::Unsigned(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.nodes.push(Node::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.in_text(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.besides(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let array = self.nodes.len();
        self.nodes.push(Node::Array { end: 0 });
        while access.next_element_seed(&mut *self)?.is_some() {}
        self.nodes[array] = Node::Array { end: self.next() };
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let object = self.nodes.len();
        self.nodes.push(Node::Object { end: 0 });
        let first = object + 1;
        let (mut seen, mut members) = (0_u64, 0);
        loop {
            let at = self.nodes.len();
            // A name is a string, and a string is one node.
            if access.next_key_seed(&mut *self)?.is_none() {
                break;
            }
            let name = self.string(self.nodes[at]);
            let mark = 1 << name_class(name);
            if seen & mark != 0
                && members < FEW_MEMBERS
                && self.names(first).take(members).any(|other| other == name)
            {
                return Err(de::Error::custom(JsonError::DuplicateMember));
            }
            seen |= mark;
            members += 1;
            access.next_value_seed(&mut *self)?;
        }
        if members > FEW_MEMBERS && has_duplicates(self.names(first).collect()) {
            return Err(de::Error::custom(JsonError::DuplicateMember));
        }
        self.nodes[object] = Node::Object { end: self.next() };
        Ok(())
    }
}

/// Up to this many members a new name is compared with all before it, unless [`name_class`] tells it from them; beyond, all
/// are sorted once.
pub(super) const FEW_MEMBERS: usize = 32;

/// One of 64 classes of names: equal names are in one class, and the names of most objects are in many.
fn name_class(name: &str) -> usize {
    let byte = |at: Option<&u8>| usize::from(at.copied().unwrap_or_default());
    let bytes = name.as_bytes();
    let middle = bytes.get(bytes.len() / 2);
    (bytes.len() + 7 * byte(bytes.first()) + 13 * byte(middle) + 31 * byte(bytes.last())) % 64
}

/// Whether a name stands twice. Sorted instead of hashed: no hostile choice of names makes it quadratic.
fn has_duplicates(mut names: Vec<&str>) -> bool {
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
