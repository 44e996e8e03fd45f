//! `revoke list`: what is revoked.

use serde_json::{Value, json};

use crate::cli::columns::columns;
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::clock::UnixTime;
use crate::store::StoredRevocation;

/// Revocations that are asked for at once.
const PAGE: u32 = 1000;

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
        let revocations = Operator::with_store(&self.config, all)?;
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

fn all(operator: &Operator) -> Result<Vec<StoredRevocation>, Failure> {
    let mut revocations = Vec::new();
    let mut number = 0;
    loop {
        let page = operator.ask(async |store, _| store.revocations_after(number, PAGE).await)?;
        let Some(last) = page.last() else {
            return Ok(revocations);
        };
        number = last.number;
        revocations.extend(page.into_iter().filter(|revocation| !revocation.removed));
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
