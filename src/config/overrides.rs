//! `PORTCULLIS__SERVER__LISTEN=..`: keys set by the environment, in place of those of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::interpolate::read_file;
use super::raw::{Node, Table, Text, Value, parse_value};
use super::reference::reference;
use super::source::Origin;
use super::suggest;

const PREFIX: &str = "PORTCULLIS__";
const FILE_SUFFIX: &str = "__FILE";

/// Sets what `PORTCULLIS__` variables say. They come in the order of their names, so a table before its keys.
pub(super) fn apply(root: &mut Table, context: &Context<'_>) {
    let variables: BTreeMap<&str, &str> = context
        .environment
        .0
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    for (name, value) in &variables {
        let origin = Origin::Variable(Arc::from(*name));
        let path = without_file(name);
        let from_file = path != *name;
        if from_file && variables.contains_key(path) {
            context.error_hint(
                &origin,
                format!("`{path}` is set too"),
                "set one of the two",
            );
            continue;
        }
        let Some(text) = value_of(value, from_file, &origin, context) else {
            continue;
        };
        context.remember_value(name);
        context.remember_value(&text.value);
        let segments: Vec<String> = path[PREFIX.len()..]
            .split("__")
            .map(str::to_ascii_lowercase)
            .collect();
        if let Err(problem) = set(root, "", &segments, text, &origin) {
            let hint = problem.hint.or_else(|| nearest_variable(root, path));
            context.error_with(&origin, problem.message, hint);
        }
    }
}

fn value_of(given: &str, from_file: bool, origin: &Origin, context: &Context<'_>) -> Option<Text> {
    if !from_file {
        return Some(Text::plain(given.to_owned()));
    }
    let path = context.directory.join(given);
    match read_file(&path) {
        Ok(value) => {
            context.remember_file(&path);
            Some(Text {
                value,
                raw: Some(given.to_owned()),
                files: vec![path],
            })
        }
        Err(message) => {
            context.error(origin, message);
            None
        }
    }
}

struct Problem {
    message: String,
    hint: Option<String>,
}

/// Sets the key at `segments` below the table that is called `name` in the reference.
fn set(
    table: &mut Table,
    name: &str,
    segments: &[String],
    text: Text,
    origin: &Origin,
) -> Result<(), Problem> {
    let unknown = || Problem {
        message: "the variable names no key".to_owned(),
        hint: None,
    };
    let Some((key, rest)) = segments.split_first() else {
        return Err(unknown());
    };
    let known = reference()
        .iter()
        .find(|known| known.table == name && known.name == key)
        .ok_or_else(unknown)?;
    if rest.is_empty() {
        let value =
            parse_value(&text.value, origin).filter(|value| !matches!(value, Value::Text(_)));
        let node = match value {
            Some(value) => Node {
                origin: origin.clone(),
                value,
                as_typed: Some(text),
            },
            None => Node {
                origin: origin.clone(),
                value: Value::Text(text),
                as_typed: None,
            },
        };
        table.set(known.name, node);
        return Ok(());
    }
    let inner_name = if name.is_empty() {
        known.name.to_owned()
    } else {
        format!("{name}.{}", known.name)
    };
    if !reference().iter().any(|key| key.table == inner_name) {
        return Err(unknown());
    }
    let node = if matches!(known.name, "issuers" | "upstreams" | "routes") && name.is_empty() {
        return set_in_list(table, known.name, rest, text, origin);
    } else {
        table.get_or_insert_table(known.name, origin)
    };
    if let Value::Array(_) = node.value {
        return Err(in_a_list(known.name, rest, origin));
    }
    let Value::Table(inner) = &mut node.value else {
        return Err(Problem {
            message: format!("`{}` of the file is not a table", known.name),
            hint: None,
        });
    };
    set(inner, &inner_name, rest, text, origin)
}

/// Tables without names cannot be told apart in a variable; the whole list can be set.
fn in_a_list(key: &str, rest: &[String], origin: &Origin) -> Problem {
    let whole = match origin {
        Origin::Variable(name) => rest.iter().rev().fold(without_file(name), |name, segment| {
            let end = name.len().saturating_sub("__".len() + segment.len());
            name.get(..end).unwrap_or_default()
        }),
        Origin::File(..) => "",
    };
    Problem {
        message: format!("`{key}` of the file is a list, whose tables have no names"),
        hint: Some(format!("set `{whole}` as a whole")),
    }
}

fn without_file(name: &str) -> &str {
    name.strip_suffix(FILE_SUFFIX).unwrap_or(name)
}

/// Sets a key of the table in a list that has the name `segments[0]`.
fn set_in_list(
    table: &mut Table,
    list: &str,
    segments: &[String],
    text: Text,
    origin: &Origin,
) -> Result<(), Problem> {
    let mut entries = table.entries.iter_mut();
    let entry = entries.find(|entry| entry.name == list);
    let nodes: &mut [Node] = match entry.map(|entry| &mut entry.node.value) {
        Some(Value::Array(nodes)) => nodes,
        Some(_) | None => &mut [],
    };
    let Some((wanted, rest)) = segments.split_first() else {
        return Ok(());
    };
    let mut names = Vec::new();
    for node in nodes {
        let Value::Table(inner) = &mut node.value else {
            continue;
        };
        let Some(name) = name_of(inner) else { continue };
        if segment(&name) == *wanted {
            return set(inner, list, rest, text, origin);
        }
        names.push(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Err(Problem {
        message: format!("none of [[{list}]] is named `{wanted}`"),
        hint: suggest::hint(wanted, &names),
    })
}

fn name_of(table: &Table) -> Option<String> {
    Some(table.get("name")?.text()?.value.clone())
}

/// A name as it stands in a variable, in lower case: what is no letter or digit is `_`.
fn segment(name: &str) -> String {
    name.to_ascii_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The variable most like `wanted`.
fn nearest_variable(root: &Table, wanted: &str) -> Option<String> {
    let mut candidates = Vec::new();
    for key in reference() {
        let tables: Vec<&str> = key.table.split('.').filter(|t| !t.is_empty()).collect();
        let names = match tables.first() {
            Some(list @ (&"issuers" | &"upstreams" | &"routes")) => names_in(root, list),
            _ => vec![String::new()],
        };
        for name in names {
            let mut segments: Vec<String> = tables.iter().map(|t| t.to_ascii_uppercase()).collect();
            if !name.is_empty() {
                segments.insert(1, segment(&name).to_ascii_uppercase());
            }
            segments.push(key.name.to_ascii_uppercase());
            candidates.push(format!("{PREFIX}{}", segments.join("__")));
        }
    }
    // The prefix would count as letters that fit.
    let short = |name: &str| name.get(PREFIX.len()..).unwrap_or_default().to_owned();
    let found = suggest::nearest(
        &short(wanted),
        candidates.iter().map(|name| &name[PREFIX.len()..]),
    )?;
    Some(format!("did you mean `{PREFIX}{found}`?"))
}

fn names_in(root: &Table, list: &str) -> Vec<String> {
    let nodes = root.get(list).and_then(Node::list).unwrap_or_default();
    let tables = nodes.iter().filter_map(Node::table);
    tables.filter_map(name_of).collect()
}
