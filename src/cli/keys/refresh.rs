//! `keys refresh`: the running gateway fetches keys now.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::admin_client::AdminOptions;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{printable, write_err, write_out};

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
            write_out(render(&said))?;
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

/// `fetching: corp, partner`
fn render(said: &Value) -> String {
    let issuers: Vec<String> = said["issuers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|issuer| issuer.as_str().map(printable))
        .collect();
    if issuers.is_empty() {
        return "no issuer has keys that are fetched\n".to_owned();
    }
    format!(
        "fetching: {}\n`portcullis keys list` shows what came of it\n",
        issuers.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_is_said_and_who_was_not_too() {
        let all = json!({ "issuers": ["corp", "partner\u{1b}"] });
        assert!(render(&all).starts_with("fetching: corp, partner\\u001b\n"));
        assert!(render(&json!({ "issuers": [] })).starts_with("no issuer"));
        let problem = json!({ "detail": "no issuer is named x" });
        let status = StatusCode::NOT_FOUND;
        assert_eq!(
            refusal(Some("x"), status, &problem),
            "error: no issuer is named x"
        );
        assert!(refusal(None, status, &Value::Null).contains("404"));
    }
}
