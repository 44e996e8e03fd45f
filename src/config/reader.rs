//! Takes keys out of a table. Each key is named once, with its type and its default: what was not asked for is an
//! unknown key, and [`super::reference()`] lists what was.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::context::{At, Context};
use super::raw::{Entry, Node, Table, Text, Value};
use super::reference::{Key, reference};
use super::source::Origin;
use super::suggest;
use super::units::{format_duration, format_size};

/// Reads one table.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context<'a>,
    /// Where the table stands; its parent, when it is absent.
    pub(super) origin: Origin,
    /// The table's name without indexes: `server.limits`, `issuers.keys`.
    name: &'static str,
    /// `None`: the table is absent, and so is each of its keys.
    table: Option<&'a Table>,
    asked: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        context: &'a Context<'a>,
        name: &'static str,
        table: Option<&'a Table>,
        origin: Origin,
    ) -> Self {
        Self {
            context,
            origin,
            name,
            table,
            asked: Vec::new(),
        }
    }

    /// The value of a key of any shape; every other method stands on this one. `default` is TOML.
    pub(super) fn node(
        &mut self,
        key: &'static str,
        default: impl FnOnce() -> Option<String>,
    ) -> Option<&'a Node> {
        self.asked.push(key);
        self.context.record(|| Key {
            table: self.name,
            name: key,
            default: default(),
        });
        self.table?.get(key)
    }

    /// The origin of a key's value, or of the table.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        let node = self.table.and_then(|table| table.get(key));
        node.map_or_else(|| self.origin.clone(), |node| node.origin.clone())
    }

    /// Whether the table is there.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the key is set.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    /// The names that nobody has asked for yet.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &str> {
        let entries = self.table.iter().flat_map(|table| &table.entries);
        let names = entries.map(|entry| entry.name.as_str());
        names.filter(|name| !self.asked.contains(name))
    }

    /// Whether the key is set to a list of nothing.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let node = self.table.and_then(|table| table.get(key));
        node.and_then(Node::list).is_some_and(<[Node]>::is_empty)
    }

    /// A string without default.
    pub(super) fn text(&mut self, key: &'static str) -> Option<At<&'a Text>> {
        let node = self.node(key, || None)?;
        self.expect_text(key, node)
    }

    /// A string that must be there and not empty.
    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<At<&'a Text>> {
        let found = self.text(key);
        if !self.has(key) {
            self.missing(key, example);
        }
        found.filter(|text| self.refuse_empty(key, text))
    }

    /// A string.
    pub(super) fn text_or(&mut self, key: &'static str, default: &str) -> At<String> {
        let node = self.node(key, || Some(quoted(default)));
        let found = node.and_then(|node| self.expect_text(key, node));
        found
            .filter(|text| self.refuse_empty(key, text))
            .map_or_else(
                || At {
                    value: default.to_owned(),
                    origin: self.origin_of(key),
                },
                |text| At {
                    value: text.value.value.clone(),
                    origin: text.origin,
                },
            )
    }

    /// A string whose default is not read like one that was typed; `None` if it is absent, or wrong.
    pub(super) fn text_with_default(
        &mut self,
        key: &'static str,
        default: &str,
    ) -> Option<At<&'a Text>> {
        let node = self.node(key, || Some(quoted(default)))?;
        let text = self.expect_text(key, node)?;
        self.refuse_empty(key, &text).then_some(text)
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let Some(node) = self.node(key, || Some(default.to_string())) else {
            return default;
        };
        if let Value::Boolean(boolean) = node.value {
            return boolean;
        }
        self.wrong_kind(key, node, "true or false");
        default
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> usize {
        let node = self.node(key, || Some(default.to_string()));
        node.and_then(|node| self.expect_number(key, node, &range))
            .unwrap_or(default)
    }

    /// A whole number within `range`, or `"off"`; `default` is `None` for `"off"`.
    pub(super) fn number_or_off(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        default: Option<usize>,
    ) -> Option<usize> {
        let text = || default.map_or_else(|| quoted(OFF), |number| number.to_string());
        let Some(node) = self.node(key, || Some(text())) else {
            return default;
        };
        if is_off(node) {
            return None;
        }
        self.expect_number(key, node, &range)
    }

    /// A duration within `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let node = self.node(key, || Some(quoted(&format_duration(default))));
        node.and_then(|node| self.expect_duration(key, node, &range))
            .unwrap_or(default)
    }

    /// A duration within `range`, or `"off"`, which is the default.
    pub(super) fn duration_or_off(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let node = self.node(key, || Some(quoted(OFF)))?;
        if is_off(node) {
            return None;
        }
        self.expect_duration(key, node, &range)
    }

    /// A size of at least `least` and at most `most` bytes.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let node = self.node(key, || Some(quoted(&format_size(default))));
        node.and_then(|node| self.expect_size(key, node, &range))
            .unwrap_or(default)
    }

    /// A size, or `"off"`, which is `u64::MAX`; `None` if it is not set.
    pub(super) fn size_or_off(&mut self, key: &'static str, default: Option<&str>) -> Option<u64> {
        let node = self.node(key, || default.map(quoted))?;
        if is_off(node) {
            return Some(u64::MAX);
        }
        self.expect_size(key, node, &(0..=u64::MAX))
    }

    /// A size within `range`, or `"off"`, which is `None`.
    pub(super) fn size_or_none(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Option<u64> {
        let Some(node) = self.node(key, || Some(quoted(&format_size(default)))) else {
            return Some(default);
        };
        if is_off(node) {
            return None;
        }
        Some(self.expect_size(key, node, &range).unwrap_or(default))
    }

    /// One of several words; the first is the default.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> T {
        let (default, fallback) = choices[0];
        let Some(node) = self.node(key, || Some(quoted(default))) else {
            return fallback;
        };
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Some(text) = node.text() else {
            self.wrong_kind(key, node, &format!("one of {}", suggest::list(&words)));
            return fallback;
        };
        let found = choices.iter().find(|(word, _)| *word == text.value);
        let Some((_, choice)) = found else {
            let message = format!("`{}` is no value of `{key}`", text.shown());
            let hint = suggest::hint(text.shown(), &words);
            self.context.error_with(&node.origin, message, hint);
            return fallback;
        };
        *choice
    }

    /// A list of strings; a lone string is a list of one.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        default: &[&str],
    ) -> Option<Vec<At<&'a Text>>> {
        let node = self.node(key, || {
            let items: Vec<String> = default.iter().map(|item| quoted(item)).collect();
            Some(format!("[{}]", items.join(", ")))
        })?;
        Some(self.expect_texts(key, node))
    }

    /// The same without a default; `None` if it is absent or wrong, which is an error.
    pub(super) fn required_texts(&mut self, key: &'static str, example: &str) -> Vec<At<&'a Text>> {
        let Some(node) = self.node(key, || None) else {
            self.missing(key, example);
            return Vec::new();
        };
        let texts = self.expect_texts(key, node);
        if self.is_empty_list(key) {
            self.context
                .error_hint(&node.origin, format!("`{key}` is empty"), example);
        }
        texts
    }

    /// A file.
    pub(super) fn path(&mut self, key: &'static str) -> Option<At<PathBuf>> {
        let text = self.text(key)?;
        if !self.refuse_empty(key, &text) {
            return None;
        }
        let path = self.context.directory.join(&text.value.value);
        self.context.remember_file(&path);
        Some(At {
            value: path,
            origin: text.origin,
        })
    }

    /// A table; an absent one is read as an empty one.
    pub(super) fn table(&mut self, key: &'static str, name: &'static str) -> Reader<'a> {
        let node = self.node(key, || None);
        let table = node.and_then(|node| self.expect_table(key, node));
        Reader::new(self.context, name, table, self.origin_of(key))
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, key: &'static str, name: &'static str) -> Vec<Reader<'a>> {
        let Some(node) = self.node(key, || None) else {
            return Vec::new();
        };
        let Some(nodes) = node.list() else {
            self.wrong_kind(key, node, &format!("a list of tables, [[{key}]]"));
            return Vec::new();
        };
        let readers = nodes.iter().filter_map(|node| {
            let table = self.expect_table(key, node)?;
            let origin = node.origin.clone();
            Some(Reader::new(self.context, name, Some(table), origin))
        });
        readers.collect()
    }

    /// The entries of a table whose keys are free.
    pub(super) fn entries(&mut self, key: &'static str) -> &'a [Entry] {
        let Some(node) = self.node(key, || Some("{}".to_owned())) else {
            return &[];
        };
        self.expect_table(key, node)
            .map_or(&[], |table| &table.entries)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        // While the keys themselves are collected there is nothing to suggest yet.
        let Some(table) = self.table.filter(|_| !self.context.is_recording()) else {
            return;
        };
        for entry in &table.entries {
            if self.asked.contains(&entry.name.as_str()) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", entry.name, section(self.name));
            let hint = unknown_key_hint(&entry.name, self.name, &self.asked);
            self.context.error_with(&entry.origin, message, hint);
        }
    }

    /// `expected .., found ..`
    pub(super) fn wrong_kind(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("`{key}` takes {expected}, not {}", node.kind());
        self.context.error(&node.origin, message);
    }

    /// A key that must be there is not.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let message = format!("{} has no `{key}`", section(self.name));
        self.context.error_hint(&self.origin, message, example);
    }
}

/// The word that switches something off.
pub(super) const OFF: &str = "off";

fn is_off(node: &Node) -> bool {
    node.text().is_some_and(|text| text.value == OFF)
}

/// A TOML string.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// How a table is written: `[server.limits]`, `[[routes]]`, `keys of [[issuers]]`.
pub(super) fn section(name: &str) -> String {
    match name {
        "" => "the file".to_owned(),
        "issuers" | "upstreams" | "routes" => format!("[[{name}]]"),
        _ => match name.split_once('.') {
            Some((table @ ("issuers" | "upstreams" | "routes"), key)) => {
                format!("`{key}` of [[{table}]]")
            }
            _ => format!("[{name}]"),
        },
    }
}

/// Where an unknown key belongs, or what was meant by it.
fn unknown_key_hint(wanted: &str, table: &str, known: &[&str]) -> Option<String> {
    if let Some(found) = suggest::nearest(wanted, known.iter().copied()) {
        return Some(format!("did you mean `{found}`?"));
    }
    let elsewhere = |fits: &dyn Fn(&Key) -> bool| -> Vec<String> {
        let mut places: Vec<String> = Vec::new();
        for key in reference()
            .iter()
            .filter(|key| key.table != table && fits(key))
        {
            let place = section(key.table);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    };
    let places = elsewhere(&|key| key.name == wanted);
    if !places.is_empty() {
        return Some(format!("`{wanted}` belongs in {}", places.join(" or ")));
    }
    let names = reference().iter().map(|key| key.name);
    if let Some(found) = suggest::nearest(wanted, names) {
        let places = elsewhere(&|key| key.name == found);
        return Some(format!(
            "did you mean `{found}` in {}?",
            places.join(" or ")
        ));
    }
    suggest::hint(wanted, known)
}
