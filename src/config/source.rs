//! The text of the file, and places in it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::Place;
use super::raw::{Node, Table, Value};
use super::suggest::distance;

/// Where a key or a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Bytes of the file.
    File(usize, usize),
    /// An environment variable.
    Variable(Arc<str>),
}

impl Origin {
    /// The file as a whole: where something is missing.
    pub(super) const START: Self = Self::File(0, 0);
}

/// The text of the file, with the secrets in it masked: it is shown in errors.
pub(super) struct Source {
    name: PathBuf,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// Of a text that was parsed to `root`.
    pub(super) fn new(name: PathBuf, text: &str, root: &Table) -> Self {
        let mut secrets = Vec::new();
        literal_secrets(root, text, &mut secrets);
        Self::masked(name, text, &secrets)
    }

    /// Of a text that is not TOML: what follows a word like `secret` on its line is masked.
    pub(super) fn unparsed(name: PathBuf, text: &str) -> Self {
        let mut secrets = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some(after) = after_secret_name(line) {
                secrets.push(start + after..start + line.trim_end().len().max(after));
            }
            start += line.len();
        }
        Self::masked(name, text, &secrets)
    }

    fn masked(name: PathBuf, text: &str, secrets: &[Range<usize>]) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        for range in secrets.iter().chain(&credentials(text)) {
            for byte in &mut bytes[range.clone()] {
                if !matches!(*byte, b'\n' | b'\r') {
                    *byte = b'*';
                }
            }
        }
        let lines = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', &bytes).map(|end| end + 1))
            .collect();
        // Ranges end at character borders, so nothing is lost here.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self { name, text, lines }
    }

    /// The place of an origin.
    pub(super) fn place(&self, origin: &Origin) -> Place {
        let (start, end) = match origin {
            Origin::Variable(name) => {
                return Place {
                    text: name.to_string(),
                    ..Place::default()
                };
            }
            Origin::File(0, 0) => return Place::of_file(self.name.clone()),
            Origin::File(start, end) => (*start, *end),
        };
        let index = self.lines.partition_point(|line| *line <= start).max(1) - 1;
        let line_start = self.lines[index];
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let before = line.get(..start - line_start).unwrap_or(line);
        let marked = line.get(start - line_start..).unwrap_or_default();
        let marked = marked.get(..end.saturating_sub(start)).unwrap_or(marked);
        Place {
            file: self.name.clone(),
            line: index + 1,
            column: before.chars().count() + 1,
            text: line.to_owned(),
            width: marked.chars().count().max(1),
        }
    }

    /// Where `part` stands inside `origin`, or the whole of it.
    pub(super) fn narrow(&self, origin: &Origin, part: &str) -> Origin {
        if let Origin::File(start, end) = origin
            && let Some(at) = self.text.get(*start..*end).and_then(|text| text.find(part))
        {
            return Origin::File(start + at, start + at + part.len());
        }
        origin.clone()
    }
}

/// Where each key of the configuration stands: for warnings. Paths are like `routes[0].path`.
#[derive(Clone)]
pub struct Places(Arc<Index>);

struct Index {
    source: Source,
    origins: BTreeMap<String, Origin>,
}

impl Default for Places {
    /// Of a configuration that was never written down.
    fn default() -> Self {
        Self::new(Source::unparsed(PathBuf::new(), ""), &Table::default())
    }
}

impl Places {
    pub(super) fn new(source: Source, root: &Table) -> Self {
        let mut origins = BTreeMap::new();
        for entry in &root.entries {
            collect(&entry.name, &entry.node, &mut origins);
        }
        Self(Arc::new(Index { source, origins }))
    }

    /// The place of a key; of the table it would stand in when it is not set.
    #[must_use]
    pub fn of(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(origin) = self.0.origins.get(path) {
                return self.0.source.place(origin);
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.0.source.place(&Origin::START),
            }
        }
    }

    /// The path of one source of an issuer's keys: `keys` is a table, or a list of tables with a source in each.
    pub(super) fn key_source(&self, issuer: usize, source: usize) -> String {
        let keys = format!("issuers[{issuer}].keys");
        let listed = format!("{keys}[{source}]");
        if self.is_set(&listed) { listed } else { keys }
    }

    /// The place of what stands in a source of an issuer's keys; of the source if it does not.
    #[must_use]
    pub fn in_key_source(&self, issuer: usize, source: usize, key: &str) -> Place {
        self.of(&format!("{}.{key}", self.key_source(issuer, source)))
    }

    /// Whether the key was set.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.0.origins.contains_key(path)
    }
}

impl fmt::Debug for Places {
    /// Not the text itself: it is long, and others' values stand in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({})", self.0.origins.len())
    }
}

fn collect(path: &str, node: &Node, origins: &mut BTreeMap<String, Origin>) {
    origins.insert(path.to_owned(), node.origin.clone());
    match &node.value {
        Value::Table(table) => {
            for entry in &table.entries {
                collect(&format!("{path}.{}", entry.name), &entry.node, origins);
            }
        }
        Value::Array(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                collect(&format!("{path}[{index}]"), node, origins);
            }
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime => {}
    }
}

/// Finds the values that are secrets written down literally; `${file:..}` and `${VAR}` are none.
fn literal_secrets(table: &Table, text: &str, found: &mut Vec<Range<usize>>) {
    for entry in &table.entries {
        let Origin::File(start, end) = entry.node.origin else {
            continue;
        };
        let is_secret = is_secret_name(&entry.name);
        match &entry.node.value {
            // Whatever stands there instead of a string, too.
            Value::Table(_) | Value::Array(_) if is_secret => found.push(start..end),
            Value::Table(inner) if entry.name == KEYS => key_secrets(inner, text, found),
            Value::Table(inner) if entry.name == LOCAL => {
                unknown_texts(inner, text, &LOCAL_TEXTS, found);
                literal_secrets(inner, text, found);
            }
            Value::Table(inner) => literal_secrets(inner, text, found),
            Value::Array(nodes) => {
                for node in nodes {
                    if let Value::Table(inner) = &node.value {
                        if entry.name == KEYS {
                            key_secrets(inner, text, found);
                        } else {
                            literal_secrets(inner, text, found);
                        }
                    } else if entry.name == KEYS {
                        found.push(start..end);
                    }
                }
            }
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime => {
                if is_secret || entry.name == KEYS {
                    found.extend(literal(start..end, text));
                }
            }
        }
    }
}

/// Of the table `keys`, what stands under no name that it has may be a secret under a wrong one.
fn key_secrets(keys: &Table, text: &str, found: &mut Vec<Range<usize>>) {
    literal_secrets(keys, text, found);
    unknown_texts(
        keys,
        text,
        &[&KEY_SOURCES[..], &KEY_OPTIONS].concat(),
        found,
    );
}

fn unknown_texts(table: &Table, text: &str, known: &[&str], found: &mut Vec<Range<usize>>) {
    for entry in &table.entries {
        if let (Value::Text(_), Origin::File(start, end)) = (&entry.node.value, &entry.node.origin)
            && !known.contains(&&*entry.name)
        {
            found.extend(literal(*start..*end, text));
        }
    }
}

/// A value that is written down; `${file:..}` and `${VAR}` alone are none.
fn literal(value: Range<usize>, text: &str) -> Option<Range<usize>> {
    let inner = text.get(value.clone()).unwrap_or_default();
    let inner = inner.trim_matches(['"', '\'']);
    let only_named = inner.starts_with("${") && inner.find('}') == Some(inner.len() - 1);
    (!only_named || inner.contains(":-")).then_some(value)
}

/// Where on a line that may be anything a secret may begin: behind the `=` that follows its name, or behind the name.
fn after_secret_name(line: &str) -> Option<usize> {
    let mut words = line.split(|c: char| !c.is_ascii_alphabetic() && c != '_');
    let names_source = KEY_SOURCES.iter().any(|name| line.contains(name));
    let word = words.find(|word| is_secret_name(word) || (*word == KEYS && !names_source))?;
    // `word` is a part of `line`, so the difference of their addresses is its offset.
    let end = word.as_ptr().addr() - line.as_ptr().addr() + word.len();
    Some(line[end..].find('=').map_or(end, |equals| end + equals + 1))
}

/// User and password of every URL, and what stands behind `password=`.
///
/// Of a database's URL everything up to the last `@`: a password that should have been percent-encoded may hold anything.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let begins = text.match_indices("://").map(|(at, mark)| at + mark.len());
    let authorities = begins.filter_map(|start| {
        let rest = &text[start..];
        let web = ["http://", "https://"];
        let is_web = web.iter().any(|scheme| text[..start].ends_with(scheme));
        let over = |c: char| ends(c) || (is_web && matches!(c, '/' | '?' | '#'));
        let authority = &rest[..rest.find(over).unwrap_or(rest.len())];
        let end = authority.rfind('@')?;
        Some(start..start + end)
    });
    let named = text.match_indices("password=").map(|(at, name)| {
        let start = at + name.len();
        let rest = &text[start..];
        let over = |c: char| ends(c) || c == '&';
        start..start + rest.find(over).unwrap_or(rest.len())
    });
    authorities.chain(named).collect()
}

/// A URL as errors may show it.
pub(super) fn without_credentials(url: &str) -> String {
    let mut shown = url.to_owned();
    for range in credentials(url) {
        shown.replace_range(range, "***");
    }
    shown
}

/// The table of an issuer's keys, and what it may hold besides a secret.
const KEYS: &str = "keys";
const KEY_SOURCES: [&str; 5] = [
    "discovery",
    "jwks_url",
    "jwks_file",
    "pem_files",
    "generate",
];
const KEY_OPTIONS: [&str; 2] = ["ca", "proxy"];

/// The table of the local issuer, and the texts it may hold besides its secret.
const LOCAL: &str = "local_issuer";
const LOCAL_TEXTS: [&str; 5] = [
    "issuer",
    "audience",
    "access_token",
    "refresh_token",
    "session",
];

/// Whether a key of that name holds a secret, or was meant to: a slip of the pen must not show it either.
fn is_secret_name(name: &str) -> bool {
    distance(name, "secret") <= 2
        || distance(name, "token") <= 1
        || distance(name, "password") <= 2
        || distance(name, "encryption_key") <= 4
}

#[cfg(test)]
mod tests {
    use super::super::raw;
    use super::*;

    fn source(text: &str) -> Source {
        let root = raw::parse(text).unwrap_or_default();
        Source::new("gateway.toml".into(), text, &root)
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = source("a = 1\r\nä = \"é\" # x\n");
        let start = "a = 1\r\nä = ".len();
        let place = source.place(&Origin::File(start, start + "\"é\"".len()));
        assert_eq!((place.line, place.column, place.width), (2, 5, 3));
        assert_eq!(place.text, "ä = \"é\" # x");
        let first = source.place(&Origin::File(0, 1));
        assert_eq!((first.line, first.column, &*first.text), (1, 1, "a = 1"));
    }

    #[test]
    fn a_value_over_several_lines_is_underlined_on_its_first() {
        let source = source("a = [\n 1,\n]\n");
        let place = source.place(&Origin::File(4, 11));
        assert_eq!((place.line, place.column, place.width), (1, 5, 1));
    }

    #[test]
    fn literal_secrets_are_masked_and_references_are_not() {
        for (text, shown) in [
            ("secret = \"hunter2\"", "secret = *********"),
            (
                "keys = { secret = \"h\", kid = 1 }",
                "keys = { secret = ***, kid = 1 }",
            ),
            ("keys = [{ secrte = 'h' }]", "keys = [{ secrte = *** }]"),
            ("token = \"${file:/run/t}\"", "token = \"${file:/run/t}\""),
            ("token = \"${A:-b}\"", "token = *********"),
            ("token = \"a${A}\"", "token = *******"),
            ("token_bytes = \"1KiB\"", "token_bytes = \"1KiB\""),
            ("token = [\"h\"]", "token = *****"),
            ("token = { value = \"h\" }", "token = ***************"),
            ("keys = \"h\"", "keys = ***"),
            ("keys = [\"h\", 1]", "keys = ********"),
            ("keys = { hmac = \"h\" }", "keys = { hmac = *** }"),
            (
                "keys = [{ jwks_url = \"h\", ca = \"c\" }, { hmac = \"h\" }]",
                "keys = [{ jwks_url = \"h\", ca = \"c\" }, { hmac = *** }]",
            ),
            (
                "keys = { discovery = \"https://u:p@h/\", proxy = \"http://u:p@h\" }",
                "keys = { discovery = \"https://***@h/\", proxy = \"http://***@h\" }",
            ),
            ("encryption_key = 'h'", "encryption_key = ***"),
            ("encrypt-key = 'h'", "encrypt-key = ***"),
            (
                "local_issuer = { key = \"h\", issuer = \"i\" }",
                "local_issuer = { key = ***, issuer = \"i\" }",
            ),
            (
                "keys = { jwks_file = \"h\" }",
                "keys = { jwks_file = \"h\" }",
            ),
            (
                "keys = { pem_files = [\"h\"] }",
                "keys = { pem_files = [\"h\"] }",
            ),
            ("url = \"http://u:p@h/@\"", "url = \"http://***@h/@\""),
            (
                "url = 'postgres://u:p/@h/d?password=p&x'",
                "url = 'postgres://****@h/d?password=*&x'",
            ),
        ] {
            assert_eq!(source(text).text, shown);
        }
        assert_eq!(
            source("secret = \"\"\"ab\nc\"\"\"").text,
            "secret = *****\n****"
        );
    }

    #[test]
    fn secrets_are_masked_in_text_that_does_not_parse() {
        for (text, shown) in [
            (
                "ok = 1\nkeys = { secret = \"hunter2\nnext = 2\n",
                "ok = 1\nkeys =********************\nnext = 2\n",
            ),
            ("token: \"hunter2\"\n", "token***********\n"),
            ("token \"hunter2\"", "token**********"),
            ("keys = hunter2", "keys =********"),
            ("encryption_key: hunter2", "encryption_key*********"),
            ("encryption-key = hunter2", "encryption-key =********"),
            ("keys = { jwks_file: \"a\" }", "keys = { jwks_file: \"a\" }"),
            ("urls: http://u:p@h", "urls: http://***@h"),
        ] {
            assert_eq!(Source::unparsed("f".into(), text).text, shown);
        }
    }

    #[test]
    fn a_key_that_is_not_set_has_the_place_of_its_table() {
        let text = "[server]\nlisten = 1\n[[routes]]\npath = 2\n";
        let root = raw::parse(text).unwrap();
        let places = Places::new(source(text), &root);
        for (path, line) in [
            ("server.listen", 2),
            ("server.limits.connections", 1),
            ("routes[0].path", 4),
            ("routes[0].name", 3),
            ("nothing", 0),
        ] {
            assert_eq!(places.of(path).line, line, "{path}");
        }
        assert!(places.is_set("server.listen") && !places.is_set("server.workers"));
    }
}
