//! `status`: what the running gateway says of itself.

use std::fmt::Write as _;

use http::Method;
use serde_json::Value;

use super::admin_client::AdminOptions;
use super::failure::{Exit, Failure};
use super::output::{printable, write_err, write_out};

/// Show version, configuration, issuers, certificates and last reload of the running gateway
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    admin: AdminOptions,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Asks, and shows the answer.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let client = self.admin.client()?;
        let answer = client.ask(Method::GET, "/status", None)?;
        let Ok(status) = serde_json::from_slice::<Value>(&answer.body) else {
            write_err(format_args!(
                "error: the answer is {}, not a status",
                answer.status
            ));
            return Ok(Exit::FAILED);
        };
        if self.json {
            write_out(format_args!("{status:#}\n"))?;
        } else {
            let mut text = String::new();
            outline(&mut text, &status, 0);
            write_out(text)?;
        }
        Ok(if answer.status.is_success() {
            Exit::OK
        } else {
            Exit::FAILED
        })
    }
}

/// The members as indented lines: whatever a later version adds is shown too.
fn outline(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = printable(name);
                let _ = write!(text, "{:1$}{name}:", "", depth * 2);
                outline_member(text, member, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(text, "{:1$}-", "", depth * 2);
                outline_member(text, item, depth);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(text, "{:2$}{}", "", scalar(value), depth * 2);
        }
    }
}

fn outline_member(text: &mut String, member: &Value, depth: usize) {
    let empty = match member {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(text, " {}", scalar(member));
            return;
        }
    };
    text.push_str(if empty { " none\n" } else { "\n" });
    outline(text, member, depth + 1);
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(word) => printable(word).replace('\n', "\\n"),
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_an_outline() {
        let status = json!({
            "generation": 3,
            "issuers": [{ "keys": ["k1"], "name": "corp" }],
            "last_reload": null,
            "version": "0.1.0",
            "upstreams": [],
        });
        let mut text = String::new();
        outline(&mut text, &status, 0);
        assert_eq!(
            text,
            "generation: 3\nissuers:\n  -\n    keys:\n      - k1\n    name: corp\n\
             last_reload: none\nupstreams: none\nversion: 0.1.0\n"
        );
    }

    #[test]
    fn a_line_feed_in_a_value_stays_in_its_line() {
        assert_eq!(scalar(&json!("a\nb")), "a\\nb");
    }
}
