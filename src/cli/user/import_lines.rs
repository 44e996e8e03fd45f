//! The lines of a file with users: parsed, and everything that is wrong with them found at once.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::cli::output::printable;
use crate::passwords::PasswordHash;
use crate::store::{Grants, NewUser, UserName};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// `name:hash`, as Apache and nginx read it.
    Htpasswd,
    /// A JSON object on each line.
    Json,
}

/// A line that is wrong. It shows names, and never a hash.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct BadLine {
    number: usize,
    what: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, printable(&self.what))
    }
}

/// Parses all users.
///
/// # Errors
/// Every line that is wrong.
pub(super) fn parse(text: &[u8], format: Format) -> Result<Vec<NewUser>, Vec<BadLine>> {
    let (mut users, mut bad) = (Vec::new(), Vec::new());
    let mut first_lines = HashMap::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let user = match user_of(line.trim_ascii(), format) {
            Ok(Some(user)) => user,
            Ok(None) => continue,
            Err(what) => {
                bad.push(BadLine { number, what });
                continue;
            }
        };
        if let Some(first) = first_lines.insert(user.name().key().to_owned(), number) {
            let what = format!("{} stands in line {first} too", user.name());
            bad.push(BadLine { number, what });
        }
        users.push(user);
    }
    if bad.is_empty() { Ok(users) } else { Err(bad) }
}

/// The user of a line; none of an empty one and of a comment.
fn user_of(line: &[u8], format: Format) -> Result<Option<NewUser>, String> {
    // Editors of some systems begin a file with it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    match format {
        Format::Htpasswd => user_of_htpasswd(line),
        Format::Json => user_of_json(line),
    }
    .map(Some)
}

/// What follows a second colon is a comment, as for Apache and nginx.
fn user_of_htpasswd(line: &str) -> Result<NewUser, String> {
    let mut fields = line.split(':');
    let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
        return Err("not name:hash".to_owned());
    };
    let name = parse_name(name)?;
    Ok(NewUser::new(name, Some(parse_hash(hash)?)))
}

fn user_of_json(line: &str) -> Result<NewUser, String> {
    let mut object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // Its own words may show a value.
        format!("no JSON object (column {})", error.column())
    })?;
    let name = match object.remove("name") {
        Some(Value::String(name)) => parse_name(&name)?,
        _ => return Err("no \"name\" that is a text".to_owned()),
    };
    let password = match object.remove("hash") {
        None | Some(Value::Null) => None,
        Some(Value::String(hash)) => Some(parse_hash(&hash)?),
        Some(_) => return Err("\"hash\" is no text".to_owned()),
    };
    let roles = texts(object.remove("roles"), "roles")?;
    let scopes = texts(object.remove("scopes"), "scopes")?;
    let claims = match object.remove("claims") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err("\"claims\" is no object".to_owned()),
    };
    let disabled = match object.remove("disabled") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(disabled)) => disabled,
        Some(_) => return Err("\"disabled\" is neither true nor false".to_owned()),
    };
    if let Some(unknown) = object.keys().next() {
        return Err(format!(
            "\"{unknown}\" is not known: name, hash, roles, scopes, claims, disabled"
        ));
    }
    let grants = Grants::new(roles, scopes, claims).map_err(|error| error.to_string())?;
    let user = NewUser::new(name, password).with_grants(grants);
    Ok(if disabled { user.disabled() } else { user })
}

fn parse_name(text: &str) -> Result<UserName, String> {
    UserName::parse(text).map_err(|error| format!("the name {error}"))
}

fn parse_hash(text: &str) -> Result<PasswordHash, String> {
    PasswordHash::parse(text.trim_ascii_end()).map_err(|error| error.to_string())
}

fn texts(value: Option<Value>, member: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("\"{member}\" is no array of texts");
    let values = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(wrong()),
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    values.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
