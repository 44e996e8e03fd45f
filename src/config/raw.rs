//! What was typed: a tree of values that know where they stand, nothing interpreted.
//!
//! Not serde: it stops at the first unknown key and the first wrong type, and all errors are to be told at once.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Origin;

/// A table; keys in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Where the key stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
    /// The text of an environment variable whose value also reads as a number, a list or a table: which of the two is
    /// meant, the key that asks for it knows.
    pub(super) as_typed: Option<Text>,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Text),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// A string.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// With everything filled in.
    pub(super) value: String,
    /// As it was typed, if something was filled in: that is what errors may show.
    pub(super) raw: Option<String>,
    /// The files that were read for it.
    pub(super) files: Vec<PathBuf>,
}

/// A syntax error.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Table {
    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.node)
    }

    /// The value of a key, for changing it; a new empty table if there is none.
    pub(super) fn get_or_insert_table(&mut self, name: &str, origin: &Origin) -> &mut Node {
        let index = self.entries.iter().position(|entry| entry.name == name);
        let index = index.unwrap_or_else(|| {
            self.set(
                name,
                Node {
                    origin: origin.clone(),
                    value: Value::Table(Self::default()),
                    as_typed: None,
                },
            );
            self.entries.len() - 1
        });
        &mut self.entries[index].node
    }

    /// Sets a key, in place of the value it may have.
    pub(super) fn set(&mut self, name: &str, node: Node) {
        let entry = Entry {
            name: name.to_owned(),
            origin: node.origin.clone(),
            node,
        };
        match self.entries.iter_mut().find(|entry| entry.name == name) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

impl Node {
    /// The string, if it is one or can be read as one.
    pub(super) fn text(&self) -> Option<&Text> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime
            | Value::Array(_)
            | Value::Table(_) => self.as_typed.as_ref(),
        }
    }

    /// The elements, if it is a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(nodes) => Some(nodes),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime
            | Value::Table(_) => None,
        }
    }

    /// The entries, if it is a table.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime
            | Value::Array(_) => None,
        }
    }

    /// What it is, for `expected .., found ..`.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "a boolean",
            Value::Datetime => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Text {
    /// Of a string that needs nothing filled in.
    pub(super) fn plain(value: String) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// What errors may show of it: never a value from a file or the environment.
    pub(super) fn shown(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.value)
    }
}

/// Parses a text.
///
/// # Errors
/// All syntax errors that were found; never empty.
pub(super) fn parse(text: &str) -> Result<Table, Vec<SyntaxError>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<SyntaxError> = errors
        .iter()
        .map(|error| SyntaxError {
            span: error.span().unwrap_or_default(),
            message: error.message().to_owned(),
        })
        .collect();
    let root = table(root.into_inner(), &mut errors);
    if errors.is_empty() {
        return Ok(root);
    }
    errors.sort_by_key(|error| error.span.start);
    Err(errors)
}

/// Parses a single value, as an environment variable may hold one; nothing of it has a place in a file.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    let mut errors = Vec::new();
    let mut parsed = node(parsed, &mut errors);
    place_all(&mut parsed, origin);
    errors.is_empty().then_some(parsed.value)
}

fn place_all(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Array(nodes) => nodes.iter_mut().for_each(|node| place_all(node, origin)),
        Value::Table(table) => {
            for entry in &mut table.entries {
                entry.origin = origin.clone();
                place_all(&mut entry.node, origin);
            }
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime => {}
    }
}

fn table(parsed: DeTable<'_>, errors: &mut Vec<SyntaxError>) -> Table {
    let mut entries: Vec<Entry> = parsed
        .into_iter()
        .map(|(key, value)| Entry {
            origin: Origin::File(key.span().start, key.span().end),
            name: key.into_inner().into_owned(),
            node: node(value, errors),
        })
        .collect();
    entries.sort_by(|a, b| a.origin.cmp(&b.origin));
    Table { entries }
}

fn node(parsed: Spanned<DeValue<'_>>, errors: &mut Vec<SyntaxError>) -> Node {
    let span = parsed.span();
    let value = match parsed.into_inner() {
        DeValue::String(text) => Value::Text(Text::plain(text.into_owned())),
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(nodes) => {
            Value::Array(nodes.into_iter().map(|value| node(value, errors)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, errors)),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
            if parsed.is_err() {
                errors.push(SyntaxError {
                    span: span.clone(),
                    message: format!("the number {integer} does not fit into 64 bits"),
                });
            }
            Value::Integer(parsed.unwrap_or_default())
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
    };
    Node {
        origin: Origin::File(span.start, span.end),
        value,
        as_typed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_where_they_stand() {
        let text = "b = 1\n[t.u]\na = \"x\"\n[[l]]\n[[l]]\n";
        let root = parse(text).unwrap();
        let names: Vec<&str> = root.entries.iter().map(|entry| &*entry.name).collect();
        assert_eq!(names, ["b", "t", "l"], "the order of the file");
        assert_eq!(root.get("b").unwrap().origin, Origin::File(4, 5));
        let Value::Array(list) = &root.get("l").unwrap().value else {
            panic!("a list");
        };
        assert_eq!(list[1].origin, Origin::File(26, 31));
    }

    #[test]
    fn all_syntax_errors_are_found() {
        let errors = parse("a = \nb = 1\nb = 2\nc = 99999999999999999999\n[\n").unwrap_err();
        assert!(errors.len() >= 4, "{errors:?}");
        assert!(errors.is_sorted_by_key(|error| error.span.start));
    }

    #[test]
    fn nesting_without_end_is_an_error_and_no_crash() {
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(parse(&format!("a = {}", "{a=".repeat(100_000))).is_err());
    }

    #[test]
    fn a_variable_may_hold_any_value() {
        let origin = Origin::Variable("V".into());
        let Some(Value::Array(nodes)) = parse_value("[\"a\", 1]", &origin) else {
            panic!("a list");
        };
        assert_eq!(nodes[1].origin, origin);
        assert!(parse_value("0.0.0.0:8443", &origin).is_none());
    }
}
