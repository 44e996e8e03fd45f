//! From text to a document.
//!
//! Tokens are read by our own eyes because they are read so often: one pass notes down where everything is, and copies
//! nothing. What is rare and difficult (escapes, numbers that are more than a few digits) `serde_json` reads.

use super::Document;
use super::document::Node;
use super::scan::{number, plain_bytes};

/// Why bytes are not a JSON value that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
    let mut parser = Parser {
        text: &text,
        at: 0,
        unescaped: String::new(),
        nodes: Vec::with_capacity(text.len() / BYTES_OF_A_NODE + 2),
    };
    parser.document()?;
    let Parser {
        text: _,
        at: _,
        unescaped,
        nodes,
    } = parser;
    text.push_str(&unescaped);
    Ok(Document::new(text, nodes))
}

/// Most bytes of a text.
const MOST_BYTES: usize = 1 << 30;

/// Bytes of text for each name and value of usual claims. A text with more of them makes the list grow once or twice.
const BYTES_OF_A_NODE: usize = 14;

/// Containers that may stand in each other, and one.
const TOO_DEEP: u32 = 128;

/// A document in the making.
struct Parser<'t> {
    text: &'t str,
    /// How far it was read.
    at: usize,
    unescaped: String,
    nodes: Vec<Node>,
}

impl Parser<'_> {
    /// A value and nothing else.
    fn document(&mut self) -> Result<(), JsonError> {
        self.value(0)?;
        match self.after_space() {
            None => Ok(()),
            Some(_) => Err(JsonError::Syntax),
        }
    }

    /// A value inside so many others.
    fn value(&mut self, depth: u32) -> Result<(), JsonError> {
        match self.after_space().ok_or(JsonError::Syntax)? {
            b'"' => self.string(),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b't' => self.word("true", Node::Bool(true)),
            b'f' => self.word("false", Node::Bool(false)),
            b'n' => self.word("null", Node::Null),
            _ => self.number(),
        }
    }

    /// The next byte that is no space, which is not passed.
    fn after_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// What separates two elements or ends them: `false` for `end`, which is passed like `,`.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonError> {
        let byte = self.after_space();
        self.at += 1;
        match byte {
            Some(b',') => Ok(true),
            Some(byte) if byte == end => Ok(false),
            Some(_) | None => Err(JsonError::Syntax),
        }
    }

    /// The first byte of an array or object is passed; `true` if it ends at once, and the end is passed too.
    fn begin(&mut self, depth: u32, end: u8) -> Result<bool, JsonError> {
        if depth >= TOO_DEEP {
            return Err(JsonError::Syntax);
        }
        self.at += 1;
        let is_empty = self.after_space() == Some(end);
        self.at += usize::from(is_empty);
        Ok(is_empty)
    }

    fn word(&mut self, word: &str, node: Node) -> Result<(), JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(JsonError::Syntax);
        }
        self.at += word.len();
        self.nodes.push(node);
        Ok(())
    }

    fn array(&mut self, depth: u32) -> Result<(), JsonError> {
        let array = self.nodes.len();
        self.nodes.push(Node::Array { end: 0 });
        if !self.begin(depth, b']')? {
            loop {
                self.value(depth)?;
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        self.nodes[array] = Node::Array { end: self.next() };
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result<(), JsonError> {
        let object = self.nodes.len();
        self.nodes.push(Node::Object { end: 0 });
        if !self.begin(depth, b'}')? {
            self.members(depth)?;
        }
        self.nodes[object] = Node::Object { end: self.next() };
        Ok(())
    }

    /// The members of an object, of which there is one at least, and its end.
    fn members(&mut self, depth: u32) -> Result<(), JsonError> {
        let first = self.nodes.len();
        let (mut seen, mut members) = (0_u128, 0);
        loop {
            let at = self.nodes.len();
            if self.after_space() != Some(b'"') {
                return Err(JsonError::Syntax);
            }
            // A name is a string, and a string is one node.
            self.string()?;
            let name = self.string_of(self.nodes[at]);
            let mark = 1_u128 << name_class(name);
            if seen & mark != 0
                && members < FEW_MEMBERS
                && self.names(first).take(members).any(|other| other == name)
            {
                return Err(JsonError::DuplicateMember);
            }
            seen |= mark;
            members += 1;
            if self.after_space() != Some(b':') {
                return Err(JsonError::Syntax);
            }
            self.at += 1;
            self.value(depth)?;
            if !self.goes_on(b'}')? {
                break;
            }
        }
        if members > FEW_MEMBERS && has_duplicates(self.names(first).collect()) {
            return Err(JsonError::DuplicateMember);
        }
        Ok(())
    }

    /// A string, whose first quote is here.
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at + 1;
        let end = start + plain_bytes(&self.text.as_bytes()[start..]);
        let length = end - start;
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return self.escaped_string(end);
        }
        self.at = end + 1;
        self.nodes.push(Node::String {
            start: position(start),
            length: position(length),
        });
        Ok(())
    }

    /// A string that is plain up to `end`, and not longer.
    #[cold]
    fn escaped_string(&mut self, mut end: usize) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(end) {
                // Whatever is escaped ends no string.
                Some(b'\\') => end += 2,
                Some(b'"') => break,
                // A control character, or the end of the text.
                Some(_) | None => return Err(JsonError::Syntax),
            }
            end += plain_bytes(bytes.get(end..).ok_or(JsonError::Syntax)?);
        }
        let quoted = self.text.get(self.at..=end).ok_or(JsonError::Syntax)?;
        let text: String = serde_json::from_str(quoted).map_err(|_| JsonError::Syntax)?;
        self.at = end + 1;
        self.nodes.push(Node::String {
            start: position(self.text.len() + self.unescaped.len()),
            length: position(text.len()),
        });
        self.unescaped.push_str(&text);
        Ok(())
    }

    /// A number, or nothing that JSON has.
    fn number(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let (number, length) = number(rest).ok_or(JsonError::Syntax)?;
        self.at += length;
        self.nodes.push(number);
        Ok(())
    }

    /// The index of the next node.
    fn next(&self) -> u32 {
        position(self.nodes.len())
    }

    /// What a name or string says.
    fn string_of(&self, node: Node) -> &str {
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
            Some(self.string_of(name))
        })
    }
}

/// No position is beyond twice [`MOST_BYTES`], and a node takes a byte of text.
fn position(at: usize) -> u32 {
    u32::try_from(at).expect("invariant: the text is short enough")
}

/// Up to this many members a new name is compared with all before it, unless [`name_class`] tells it from them; beyond, all
/// are sorted once.
pub(super) const FEW_MEMBERS: usize = 32;

/// One of 128 classes of names: equal names are in one class, and the names of most objects are in many.
fn name_class(name: &str) -> u32 {
    /// Odd, and half of its bits are set: each bit of what is multiplied moves those at the top.
    const SPREAD: u32 = 0x9E37_79B1;
    let bytes = name.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let last = bytes.len().saturating_sub(1);
    let length = bytes.len().to_le_bytes()[0];
    u32::from_le_bytes([length, byte(0), byte(last / 2), byte(last)]).wrapping_mul(SPREAD) >> 25
}

/// Whether a name stands twice. Sorted instead of hashed: no hostile choice of names makes it quadratic.
fn has_duplicates(mut names: Vec<&str>) -> bool {
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
