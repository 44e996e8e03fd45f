//! `keys refresh`: the running gateway fetches keys now.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::admin_client::AdminOptions;
use crate::cli::arguments::moment_argument;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{printable, write_err, write_out};
use crate::clock::distance;
use crate::clock::{Clock, UnixTime};

/// Let the running gateway fetch the keys of remote issuers now
///
/// At most once per `unknown_kid_gap`: if that is not over yet, when it is. `portcullis keys list` shows what came of it.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Refresh {
    /// Only those of this issuer, by its name in the configuration
    issuer: Option<String>,
    #[command(flatten)]
    admin: AdminOptions,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Refresh {
    /// Asks for it, and says who was asked.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let client = self.admin.client()?;
        let body = match &self.issuer {
            Some(issuer) => json!({ "issuer": issuer }),
            None => json!({}),
        };
        let answer = client.ask(Method::POST, "/keys/refresh", Some(&body))?;
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        if !answer.status.is_success() {
            write_err(refusal(self.issuer.as_deref(), answer.status, &said));
            return Ok(Exit::FAILED);
        }
        if self.json {
            write_out(format_args!("{said:#}\n"))?;
        } else {
            write_out(render(&said, Clock::System.now()))?;
        }
        Ok(Exit::OK)
    }
}

fn refusal(issuer: Option<&str>, status: StatusCode, said: &Value) -> String {
    let detail = said["detail"].as_str().map(printable);
    match (issuer, detail) {
        (_, Some(detail)) => format!("error: {detail}"),
        (Some(issuer), None) => format!("error: the answer is {status} for issuer {issuer:?}"),
        (None, None) => format!("error: the answer is {status}"),
    }
}

/// A line for each source: `corp  https://login.example.com/keys: now`
fn render(said: &Value, now: UnixTime) -> String {
    let mut text = String::new();
    for source in said["sources"].as_array().into_iter().flatten() {
        let member = |name: &str| printable(source[name].as_str().unwrap_or_default());
        let when = moment_argument(&member("fetched_at"));
        let when = when.map_or_else(|_| "soon".to_owned(), |when| distance(when.max(now), now));
        let _ = writeln!(text, "{}  {}: {when}", member("issuer"), member("source"));
    }
    if text.is_empty() {
        return "no issuer has keys that are fetched\n".to_owned();
    }
    text.push_str("`portcullis keys list` shows what came of it\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_is_said_and_who_was_not_too() {
        let now = UnixTime::from_seconds(60);
        let source = |issuer: &str, at: &str| json!({ "issuer": issuer, "source": "https://a/keys", "fetched_at": at });
        let all = json!({ "sources": [
            source("corp", "1970-01-01T00:00:59Z"),
            source("partner\u{1b}", "1970-01-01T00:01:12Z"),
        ] });
        assert_eq!(
            render(&all, now),
            "corp  https://a/keys: now\npartner\\u001b  https://a/keys: in 12 seconds\n\
             `portcullis keys list` shows what came of it\n"
        );
        assert!(render(&json!({ "sources": [] }), now).starts_with("no issuer"));
        let problem = json!({ "detail": "no issuer is named x" });
        let status = StatusCode::NOT_FOUND;
        assert_eq!(
            refusal(Some("x"), status, &problem),
            "error: no issuer is named x"
        );
        assert!(refusal(None, status, &Value::Null).contains("404"));
    }
}
