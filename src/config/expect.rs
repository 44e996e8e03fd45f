//! A value of the right type, or an error at its place.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::context::At;
use super::raw::{Node, Table, Text, Value};
use super::reader::Reader;
use super::units::{format_duration, format_size, parse_duration, parse_size};

impl<'a> Reader<'a> {
    pub(super) fn expect_text(&self, key: &str, node: &'a Node) -> Option<At<&'a Text>> {
        let Some(text) = node.text() else {
            self.wrong_kind(key, node, "a string");
            return None;
        };
        Some(At {
            value: text,
            origin: node.origin.clone(),
        })
    }

    pub(super) fn expect_texts(&self, key: &str, node: &'a Node) -> Vec<At<&'a Text>> {
        let nodes = match (node.list(), node.text()) {
            (Some(nodes), _) => nodes,
            (None, Some(_)) => std::slice::from_ref(node),
            (None, None) => {
                self.wrong_kind(key, node, "a list of strings");
                return Vec::new();
            }
        };
        let texts = nodes.iter().filter_map(|node| self.expect_text(key, node));
        texts.filter(|text| self.refuse_empty(key, text)).collect()
    }

    pub(super) fn expect_table(&self, key: &str, node: &'a Node) -> Option<&'a Table> {
        let table = node.table();
        if table.is_none() {
            self.wrong_kind(key, node, "a table");
        }
        table
    }

    pub(super) fn expect_number(
        &self,
        key: &str,
        node: &Node,
        range: &RangeInclusive<usize>,
    ) -> Option<usize> {
        let Value::Integer(number) = node.value else {
            self.wrong_kind(key, node, "a whole number");
            return None;
        };
        let found = usize::try_from(number).ok().filter(|n| range.contains(n));
        if found.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = if *most == usize::MAX {
                format!("`{key}` is {number}; at least {least}")
            } else {
                format!("`{key}` is {number}; {least} to {most} are possible")
            };
            self.context.error(&node.origin, message);
        }
        found
    }

    pub(super) fn expect_duration(
        &self,
        key: &str,
        node: &Node,
        range: &RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let duration = self.expect_unit(key, node, "a duration, as in \"30s\"", parse_duration)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let (least, most) = (
            format_duration(*range.start()),
            format_duration(*range.end()),
        );
        let message = format!(
            "`{key}` is {}; {least} to {most} are possible",
            format_duration(duration)
        );
        self.context.error(&node.origin, message);
        None
    }

    pub(super) fn expect_size(
        &self,
        key: &str,
        node: &Node,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let size = self.expect_unit(key, node, "a size, as in \"64KiB\"", parse_size)?;
        if range.contains(&size) {
            return Some(size);
        }
        let (least, most) = (format_size(*range.start()), format_size(*range.end()));
        let message = format!(
            "`{key}` is {}; {least} to {most} are possible",
            format_size(size)
        );
        self.context.error(&node.origin, message);
        None
    }

    pub(super) fn expect_unit<T>(
        &self,
        key: &str,
        node: &Node,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match (&node.value, node.text()) {
            (_, Some(text)) => parse(&text.value).map_err(|message| match &text.raw {
                // The parser's message quotes the value, which may be nobody's business.
                Some(raw) => format!("`{raw}` is not {expected}"),
                None => message,
            }),
            // A bare number has a message of its own: which unit is missing.
            (Value::Integer(number), None) => parse(&number.to_string()),
            (_, None) => {
                self.wrong_kind(key, node, expected);
                return None;
            }
        };
        match parsed {
            Ok(value) => Some(value),
            Err(message) => {
                self.context
                    .error(&node.origin, format!("`{key}`: {message}"));
                None
            }
        }
    }

    /// Reports an empty string; whether there is something.
    pub(super) fn refuse_empty(&self, key: &str, text: &At<&Text>) -> bool {
        let empty = text.value.value.is_empty();
        if empty {
            self.context
                .error(&text.origin, format!("`{key}` holds an empty string"));
        }
        !empty
    }
}
