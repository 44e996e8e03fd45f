//! `client list`: who is there.

use serde_json::{Value, json};

use crate::cli::columns::{columns, listed};
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::store::Client;

/// List all clients by id. Nothing of their secrets is shown
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// As JSON, with times
    #[arg(long)]
    json: bool,
}

impl List {
    /// Lists the clients.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let clients = Operator::with_store(&self.config, |operator| {
            operator.all(async |store, last: Option<&Client>, most| {
                store.clients(last.map(|client| &*client.id), most).await
            })
        })?;
        if self.json {
            let clients: Vec<Value> = clients.iter().map(to_json).collect();
            write_out(format_args!("{:#}\n", json!({ "clients": clients })))?;
        } else {
            let heads = ["ID", "STATE", "KIND", "SCOPES", "CREATED"];
            write_out(columns(heads, clients.iter().map(row)))?;
        }
        Ok(Exit::OK)
    }
}

fn to_json(client: &Client) -> Value {
    json!({
        "id": client.id,
        "public": client.secret.is_none(),
        "scopes": client.scopes,
        "disabled": client.disabled,
        "created": client.created.to_string(),
        "changed": client.changed.to_string(),
    })
}

fn row(client: &Client) -> [String; 5] {
    let state = if client.disabled {
        "disabled"
    } else {
        "enabled"
    };
    let kind = if client.secret.is_some() {
        "secret"
    } else {
        "public"
    };
    [
        client.id.to_string(),
        state.to_owned(),
        kind.to_owned(),
        listed(&client.scopes),
        client.created.strftime("%Y-%m-%d").to_string(),
    ]
}
