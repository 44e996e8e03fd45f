//! A value as it stands in memory: its text once, and a list of what is where in it.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

/// A JSON value that owns all that is in it, in two pieces of memory: most tokens have thirty strings and more.
#[derive(Clone)]
pub struct Document {
    /// What was parsed; behind it the strings that had escapes, without them.
    text: String,
    /// In the order of the text: a container before what it holds, a name before its value.
    nodes: Vec<Node>,
}

/// One value, or the name of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Where in the text, in bytes.
    String {
        start: u32,
        length: u32,
    },
    /// The node behind its last element.
    Array {
        end: u32,
    },
    /// The node behind its last member.
    Object {
        end: u32,
    },
}

impl Document {
    pub(super) fn new(text: String, nodes: Vec<Node>) -> Self {
        Self { text, nodes }
    }

    /// The value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.nodes.capacity() * size_of::<Node>()
    }

    fn value(&self, at: u32) -> Value<'_> {
        let inside = |end| Nodes {
            document: self,
            next: at + 1,
            end,
        };
        match self.node(at) {
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(value),
            Node::Unsigned(value) => Value::Number(value.into()),
            Node::Signed(value) => Value::Number(value.into()),
            // The parser takes finite numbers only.
            Node::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
            Node::String { start, length } => Value::String(self.text(start, length)),
            Node::Array { end } => Value::Array(Array(inside(end))),
            Node::Object { end } => Value::Object(Object(inside(end))),
        }
    }

    fn node(&self, at: u32) -> Node {
        self.nodes[at as usize]
    }

    fn text(&self, start: u32, length: u32) -> &str {
        &self.text[start as usize..][..length as usize]
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

/// A look at a value of a [`Document`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number; integers of 64 bits keep their value.
    Number(Number),
    /// A string, unescaped.
    String(&'d str),
    /// An array.
    Array(Array<'d>),
    /// An object.
    Object(Object<'d>),
}

impl<'d> Value<'d> {
    /// The text, if it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&'d str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'d>> {
        match self {
            Self::Array(elements) => Some(*elements),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The members, if it is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<Object<'d>> {
        match self {
            Self::Object(members) => Some(*members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
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

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements.iter()),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub struct Array<'d>(Nodes<'d>);

impl<'d> Array<'d> {
    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        let mut rest = self.0;
        std::iter::from_fn(move || rest.next())
    }

    /// How many there are; it counts them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.next == self.0.end
    }
}

impl PartialEq for Array<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The members of an object, in order, names unique.
#[derive(Clone, Copy)]
pub struct Object<'d>(Nodes<'d>);

impl<'d> Object<'d> {
    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        let Nodes {
            document,
            next,
            end,
        } = self.0;
        let members = document.nodes.get(..end as usize)?;
        let text = document.text.as_bytes();
        let mut at = next;
        // Each token is asked a dozen times: most names differ in length already, and of others no value is made.
        while let Some([Node::String { start, length }, value, ..]) = members.get(at as usize..) {
            if *length as usize == name.len()
                && text[*start as usize..].starts_with(name.as_bytes())
            {
                return Some(document.value(at + 1));
            }
            at = match value {
                Node::Array { end } | Node::Object { end } => *end,
                Node::Null
                | Node::Bool(_)
                | Node::Unsigned(_)
                | Node::Signed(_)
                | Node::Float(_)
                | Node::String { .. } => at + 2,
            };
        }
        None
    }

    /// The members for whose names `choose` has something to say, and that. No value is made of the others.
    pub fn chosen<T>(
        &self,
        mut choose: impl FnMut(&str) -> Option<T>,
    ) -> impl Iterator<Item = (T, Value<'d>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while rest.next < rest.end {
                if let Some(choice) = choose(rest.name()) {
                    return Some((choice, rest.next()?));
                }
                rest.skip();
            }
            None
        })
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'d str, Value<'d>)> + use<'d> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest.next == rest.end {
                return None;
            }
            Some((rest.name(), rest.next()?))
        })
    }
}

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            members.serialize_entry(name, &value)?;
        }
        members.end()
    }
}

/// What a container holds, from `next` on.
#[derive(Clone, Copy)]
struct Nodes<'d> {
    document: &'d Document,
    next: u32,
    end: u32,
}

impl<'d> Nodes<'d> {
    /// The value at `next`, which is passed.
    fn next(&mut self) -> Option<Value<'d>> {
        if self.next == self.end {
            return None;
        }
        let value = self.document.value(self.next);
        self.skip();
        Some(value)
    }

    /// The name at `next`, which is passed.
    fn name(&mut self) -> &'d str {
        let name = self.document.node(self.next);
        self.next += 1;
        match name {
            Node::String { start, length } => self.document.text(start, length),
            Node::Null
            | Node::Bool(_)
            | Node::Unsigned(_)
            | Node::Signed(_)
            | Node::Float(_)
            | Node::Array { .. }
            | Node::Object { .. } => unreachable!("invariant: a member begins with its name"),
        }
    }

    fn skip(&mut self) {
        self.next = match self.document.node(self.next) {
            Node::Array { end } | Node::Object { end } => end,
            Node::Null
            | Node::Bool(_)
            | Node::Unsigned(_)
            | Node::Signed(_)
            | Node::Float(_)
            | Node::String { .. } => self.next + 1,
        };
    }
}
