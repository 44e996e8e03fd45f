//! `revoke list`: what is revoked.

use serde_json::{Value, json};

use crate::cli::columns::columns;
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::clock::UnixTime;
use crate::store::StoredRevocation;

/// List what is revoked, the oldest first
#[derive(Clone, Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Lists the revocations.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let mut revocations = Operator::with_store(&self.config, |operator| {
            operator.all(async |store, last: Option<&StoredRevocation>, most| {
                let number = last.map_or(0, |last| last.number);
                store.revocations_after(number, most).await
            })
        })?;
        revocations.retain(|revocation| !revocation.removed);
        if self.json {
            let revocations: Vec<Value> = revocations.iter().map(to_json).collect();
            write_out(format_args!(
                "{:#}\n",
                json!({ "revocations": revocations })
            ))?;
        } else {
            let heads = [
                "NUMBER",
                "ISSUER",
                "KIND",
                "VALUE",
                "ISSUED UNTIL",
                "KEPT UNTIL",
            ];
            write_out(columns(heads, revocations.iter().map(row)))?;
        }
        Ok(Exit::OK)
    }
}

fn time(seconds: Option<i64>) -> Option<String> {
    seconds.map(|seconds| UnixTime::from_seconds(seconds).to_string())
}

fn to_json(revocation: &StoredRevocation) -> Value {
    json!({
        "number": revocation.number,
        "issuer": revocation.issuer,
        "kind": revocation.kind,
        "value": revocation.value,
        "before": time(revocation.before),
        "until": time(revocation.until),
    })
}

fn row(revocation: &StoredRevocation) -> [String; 6] {
    let or = |text: Option<String>, none: &str| text.unwrap_or_else(|| none.to_owned());
    [
        revocation.number.to_string(),
        revocation.issuer.to_string(),
        revocation.kind.to_string(),
        revocation.value.to_string(),
        or(time(revocation.before), "-"),
        or(time(revocation.until), "taken back"),
    ]
}
