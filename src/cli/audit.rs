//! `audit`: who did what, when.

use serde_json::{Value, json};

use crate::store::{AuditEvent, AuditFilter, UserName};

use super::columns::columns;
use super::config_file::ConfigFile;
use super::failure::{Exit, Failure};
use super::operator::Operator;
use super::output::write_out;

/// Show who did what: the latest events of the store's audit trail, the newest first
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Audit {
    #[command(flatten)]
    config: ConfigFile,
    /// Only what was done to this user
    #[arg(long, value_name = "NAME")]
    user: Option<UserName>,
    /// How many events
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// Shows the events.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let filter = AuditFilter {
            user: self.user.clone(),
            ..AuditFilter::default()
        };
        let events = Operator::with_store(&self.config, |operator| {
            // Users stay for good, so a name that nobody has was mistyped.
            if let Some(name) = &self.user {
                operator.user(name)?;
            }
            operator.ask(async |store, _| store.audit(&filter, self.limit).await)
        })?;
        if self.json {
            let events: Vec<Value> = events.iter().map(to_json).collect();
            write_out(format_args!("{:#}\n", json!({ "events": events })))?;
        } else {
            let heads = [
                "TIME", "BY", "ACTION", "USER", "CLIENT", "ADDRESS", "DETAIL",
            ];
            write_out(columns(heads, events.iter().map(row)))?;
        }
        Ok(Exit::OK)
    }
}

fn to_json(event: &AuditEvent) -> Value {
    json!({
        "number": event.number,
        "at": event.at.to_string(),
        "means": event.means,
        "who": event.who,
        "action": event.action,
        "user": event.user.map(|id| id.to_string()),
        "user_name": event.user_name,
        "session": event.session.map(|id| id.to_string()),
        "client": event.client,
        "address": event.address,
        "detail": event.detail,
    })
}

fn row(event: &AuditEvent) -> [String; 7] {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        event.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        format!("{} {}", event.means, event.who),
        event.action.to_string(),
        or_dash(event.user_name.as_deref()),
        or_dash(event.client.as_deref()),
        or_dash(event.address.as_deref()),
        or_dash(event.detail.as_deref()),
    ]
}
