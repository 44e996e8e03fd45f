//! Claim headers: every spelling a client may send is removed, then ours are inserted.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::json::{Array, ClaimPath, Object, Value};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimHeader {
    /// Its name.
    pub name: HeaderName,
    /// The claim it carries.
    pub claim: ClaimPath,
    /// What an array becomes.
    pub array: ArrayStyle,
}

/// A set of claim headers, which routes share and workers remember by its identity.
#[derive(Debug)]
pub struct ClaimHeaders {
    id: HeaderSetId,
    headers: Vec<ClaimHeader>,
}

/// What tells sets of claim headers of one process apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderSetId(u64);

impl ClaimHeaders {
    /// A set with an identity of its own, which no other will ever have.
    #[must_use]
    pub fn new(headers: Vec<ClaimHeader>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: HeaderSetId(NEXT.fetch_add(1, Ordering::Relaxed)),
            headers,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> HeaderSetId {
        self.id
    }

    /// What it holds.
    #[must_use]
    pub fn headers(&self) -> &[ClaimHeader] {
        &self.headers
    }

    /// The field lines for `claims`; an absent claim, and `null`, has none.
    ///
    /// Nor has an empty array, except as JSON; a `null` inside an array is left out, except there.
    #[must_use]
    pub fn fields(&self, claims: Object<'_>, writer: &mut FieldWriter) -> ClaimFields {
        let mut lines = writer.lines();
        for header in &self.headers {
            let Some(value) = header.claim.find(claims) else {
                continue;
            };
            match (value, header.array) {
                (Value::Array(elements), ArrayStyle::Csv) => lines.csv(&header.name, elements),
                (Value::Array(elements), ArrayStyle::Repeat) => {
                    for element in elements.iter() {
                        lines.line(&header.name, &element, b',');
                    }
                }
                // A value that stands alone may hold commas.
                (value, ArrayStyle::Csv | ArrayStyle::Json | ArrayStyle::Repeat) => {
                    lines.line(&header.name, &value, b'%');
                }
            }
        }
        lines.finish()
    }
}

/// Field lines that carry claims, as they go upstream. A clone of a value counts references and copies nothing.
#[derive(Debug)]
pub struct ClaimFields {
    lines: Box<[(HeaderName, HeaderValue)]>,
    /// Of the one buffer that all values are parts of.
    text_bytes: usize,
}

impl ClaimFields {
    /// Puts the lines into `headers`, in place of whatever had their names.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        let mut last = None;
        for (name, value) in &self.lines {
            if last == Some(name) {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
            last = Some(name);
        }
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // The buffer is counted: some words on the heap.
        const COUNTED: usize = 32;
        size_of_val(&*self.lines) + self.text_bytes + COUNTED
    }
}

/// What one thread writes claim fields with: its own copies of the names, and a place for values that are not finished.
///
/// A clone of a name counts references, and threads that count in the same place wait for each other's cache lines.
#[derive(Default)]
pub struct FieldWriter {
    names: Vec<HeaderName>,
    /// Empty between two uses, as [`Lines`] leaves them.
    text: String,
    ends: Vec<(HeaderName, usize)>,
}

impl FieldWriter {
    /// Names that are copied; what is beyond is shared.
    const MOST: usize = 64;
    /// Bytes of unfinished values for which the place is kept.
    const MOST_TEXT: usize = 16 * 1024;

    fn lines(&mut self) -> Lines<'_> {
        self.text.clear();
        self.text.shrink_to(Self::MOST_TEXT);
        self.ends.clear();
        Lines(self)
    }

    fn own(&mut self, name: &HeaderName) -> HeaderName {
        if let Some(own) = self.names.iter().find(|own| *own == name) {
            return own.clone();
        }
        match HeaderName::from_bytes(name.as_str().as_bytes()) {
            Ok(copy) if self.names.len() < Self::MOST => {
                self.names.push(copy.clone());
                copy
            }
            Ok(_) | Err(_) => name.clone(),
        }
    }
}

impl fmt::Debug for FieldWriter {
    /// Without what it wrote last: claims are about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldWriter")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Field lines while they are written, all into one buffer.
struct Lines<'w>(&'w mut FieldWriter);

impl Lines<'_> {
    /// One line with one value, unless it is `null`. `special` is encoded besides what always is.
    fn line(&mut self, name: &HeaderName, value: &Value<'_>, special: u8) {
        if encode(value, special, &mut self.0.text) {
            self.end(name);
        }
    }

    /// One line with all elements, unless there is none.
    fn csv(&mut self, name: &HeaderName, elements: Array<'_>) {
        let text = &mut self.0.text;
        let mut any = false;
        for element in elements.iter() {
            let before = text.len();
            if any {
                text.push(',');
            }
            if encode(&element, b',', text) {
                any = true;
            } else {
                text.truncate(before);
            }
        }
        if any {
            self.end(name);
        }
    }

    fn end(&mut self, name: &HeaderName) {
        let name = self.0.own(name);
        self.0.ends.push((name, self.0.text.len()));
    }

    fn finish(self) -> ClaimFields {
        let Self(FieldWriter { text, ends, .. }) = self;
        let text_bytes = text.len();
        let text = Bytes::copy_from_slice(text.as_bytes());
        let mut start = 0;
        let mut lines = Vec::with_capacity(ends.len());
        lines.extend(ends.drain(..).filter_map(|(name, end)| {
            let value = text.slice(start..end);
            start = end;
            // Encoded text is a field value.
            let value = HeaderValue::from_maybe_shared(value).ok()?;
            Some((name, value))
        }));
        ClaimFields {
            lines: lines.into(),
            text_bytes,
        }
    }
}

/// Whether a claim header may not have that name: hop-by-hop, framing, routing, credential, cookie, forwarding fields.
#[must_use]
pub fn is_reserved_name(name: &HeaderName) -> bool {
    is_reserved(name.as_str())
}

/// Appends a value as text; `false` for `null`, which is nothing.
///
/// Strings, numbers and booleans are text, arrays and objects JSON. `%`, controls, DEL and non-ASCII bytes are
/// percent-encoded, and a space at either end, which would be lost (RFC 9110 §5.5): ` alice` must not become `alice`.
/// So is `special`: `,` in an element of `csv` and `repeat`.
fn encode(value: &Value<'_>, special: u8, out: &mut String) -> bool {
    match value {
        Value::Null => return false,
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            // Writing into a String cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::String(text) => encode_text(text, special, out),
        Value::Array(_) | Value::Object(_) => encode_text(&value.to_json(), special, out),
    }
    true
}

fn encode_text(text: &str, special: u8, out: &mut String) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%' && byte != special;
    let edges = text.starts_with(' ') || text.ends_with(' ');
    // Most text stays as it is, and whether it does is found out sixteen bytes at a time: no branch ends the look early.
    let stays = text
        .bytes()
        .fold(!edges, |stays, byte| stays & is_plain(byte));
    if stays {
        out.push_str(text);
        return;
    }
    let last = text.len().saturating_sub(1);
    for (index, byte) in text.bytes().enumerate() {
        let edge = byte == b' ' && (index == 0 || index == last);
        if is_plain(byte) && !edge {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests;
