//! `${VAR}`, `${VAR:-default}` and `${file:/path}` in strings, filled in after parsing; `$${` stands for `${`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::context::Context;
use super::raw::{Node, Table, Text, Value};

/// Longest file that is read into a string: a secret or a token is far shorter, and `/dev/zero` has no end.
const MOST_BYTES: u64 = 1 << 20;

/// Fills in every string of a table. Values of environment variables stay as they are.
pub(super) fn fill_in(table: &mut Table, context: &Context<'_>) {
    for entry in &mut table.entries {
        fill_node(&mut entry.node, context);
    }
}

fn fill_node(node: &mut Node, context: &Context<'_>) {
    match &mut node.value {
        Value::Text(text) if text.value.contains("${") => match filled(&text.value, context) {
            Ok(filled) => *text = filled,
            Err(Problem {
                part,
                message,
                hint,
            }) => {
                let origin = context.source.narrow(&node.origin, &part);
                context.error_with(&origin, message, hint);
            }
        },
        Value::Array(nodes) => {
            for node in nodes {
                fill_node(node, context);
            }
        }
        Value::Table(inner) => fill_in(inner, context),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime => {}
    }
}

/// Why a string cannot be filled in, and which part of it is at fault.
struct Problem {
    part: String,
    message: String,
    hint: Option<String>,
}

fn filled(raw: &str, context: &Context<'_>) -> Result<Text, Problem> {
    let mut text = Text {
        raw: Some(raw.to_owned()),
        ..Text::default()
    };
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            text.value.push_str(&rest[..at]);
            text.value.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        text.value.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return Err(Problem {
                part: rest[at..].to_owned(),
                message: "`${` is never closed".to_owned(),
                hint: Some("close it with `}`, or write `$${` for the characters `${`".to_owned()),
            });
        };
        let part = &rest[at..=at + end];
        let inner = &part[2..part.len() - 1];
        let value = match inner.strip_prefix("file:") {
            Some(path) => {
                let file = context.directory.join(path);
                let value = read_file(&file).map_err(|message| Problem {
                    part: part.to_owned(),
                    message,
                    hint: None,
                })?;
                context.remember_file(&file);
                text.files.push(file);
                value
            }
            None => variable(inner, part, context)?,
        };
        context.remember_value(&value);
        text.value.push_str(&value);
        rest = &rest[at + end + 1..];
    }
    text.value.push_str(rest);
    Ok(text)
}

/// The value of `VAR` or `VAR:-default`. As in a shell, the default also stands in for an empty value.
fn variable(inner: &str, part: &str, context: &Context<'_>) -> Result<String, Problem> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(Problem {
            part: part.to_owned(),
            message: format!("`{name}` is not the name of an environment variable"),
            hint: Some(
                "write `${VAR}`, `${VAR:-default}`, `${file:/path}`, or `$${` for the characters `${`"
                    .to_owned(),
            ),
        });
    }
    match (context.environment.get(name), default) {
        (Some(value), None) => Ok(value.to_owned()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.to_owned()),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Problem {
            part: part.to_owned(),
            message: format!("the environment variable `{name}` is not set"),
            hint: Some(format!("set it, or write `${{{name}:-default}}`")),
        }),
    }
}

/// The content of a file, without one line end after it: editors and `echo` write one that no secret has.
///
/// # Errors
/// A message that names the file, and nothing of what is in it.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(format!("`{shown}` is longer than 1 MiB"));
    }
    let mut value = String::from_utf8(bytes).map_err(|_| format!("`{shown}` is not UTF-8 text"))?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    Ok(value)
}
