//! `reload`: the same as HUP, with the answer.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use super::admin_client::AdminOptions;
use super::failure::{Exit, Failure};
use super::output::{printable, write_err, write_out};

/// Reload configuration, keys and certificates of the running gateway, and say what changed
///
/// A configuration that is wrong changes nothing and exits with 78.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    admin: AdminOptions,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Reload {
    /// Asks for a reload, and shows the report.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        // The gateway reads its own configuration: whether this one is valid is its answer, not ours.
        let client = self.admin.client()?;
        let path = if self.dry_run {
            "/reload?dry_run=true"
        } else {
            "/reload"
        };
        let answer = client.ask(Method::POST, path, Some(&json!({})))?;
        let report = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        if !report["applied"].is_boolean() {
            write_err(format_args!(
                "error: the answer is {}, not a report",
                answer.status
            ));
            return Ok(Exit::FAILED);
        }
        if self.json {
            write_out(format_args!("{report:#}\n"))?;
        } else {
            write_out(render(&report, self.dry_run))?;
        }
        if let Some(error) = report["error"].as_str() {
            write_err(printable(error));
            return Ok(Exit::CONFIG);
        }
        Ok(if answer.status.is_success() {
            Exit::OK
        } else {
            Exit::FAILED
        })
    }
}

/// The report in lines. Its error goes to standard error.
fn render(report: &Value, dry_run: bool) -> String {
    let mut text = String::new();
    let applied = report["applied"] == true;
    let changed = ["changes", "needs_restart"]
        .iter()
        .any(|member| report[member].as_array().is_some_and(|all| !all.is_empty()));
    let head = match (applied, dry_run, report["error"].is_string()) {
        (_, _, true) => "not reloaded: the configuration is wrong, the old one stays in force",
        (true, _, _) => "reloaded",
        (false, true, _) if changed => "a reload would change",
        (false, true, _) => "a reload would change nothing",
        (false, false, _) => "nothing has changed",
    };
    let _ = write!(text, "{head}");
    if let Some(generation) = report["generation"].as_u64() {
        let _ = write!(text, " (generation {generation})");
    }
    text.push('\n');
    for (member, label) in [("changes", ""), ("needs_restart", "needs a restart: ")] {
        for change in report[member].as_array().into_iter().flatten() {
            let change = printable(change.as_str().unwrap_or_default());
            let _ = writeln!(text, "  {label}{change}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_what_needs_a_restart_are_listed() {
        let report = json!({
            "applied": true, "generation": 4, "changes": ["route \"x\" added"],
            "needs_restart": ["[server] listen"], "error": null,
        });
        assert_eq!(
            render(&report, false),
            "reloaded (generation 4)\n  route \"x\" added\n  needs a restart: [server] listen\n"
        );
    }

    #[test]
    fn a_wrong_configuration_and_a_dry_run_are_told_apart() {
        let wrong = json!({ "applied": false, "generation": 3, "error": "line 1" });
        assert!(render(&wrong, false).starts_with("not reloaded"));
        let dry = json!({ "applied": false, "generation": 3, "error": null });
        assert!(render(&dry, true).starts_with("a reload would change nothing"));
        let dry = json!({ "applied": false, "changes": ["x"], "error": null });
        assert_eq!(render(&dry, true), "a reload would change\n  x\n");
        assert!(render(&dry, false).starts_with("nothing has changed"));
    }
}
