//! `user list`: who is there.

use serde_json::{Value, json};

use crate::cli::columns::{columns, listed};
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::passwords::PasswordHash;
use crate::store::User;

/// List all users by name. Hashes of passwords are never shown, only how they were made
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// As JSON, with claims and times
    #[arg(long)]
    json: bool,
}

impl List {
    /// Lists the users.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let users = Operator::with_store(&self.config, |operator| {
            operator.all(async |store, last: Option<&User>, most| {
                store.users(last.map(|user| &user.name), most).await
            })
        })?;
        if self.json {
            let users: Vec<Value> = users.iter().map(to_json).collect();
            write_out(format_args!("{:#}\n", json!({ "users": users })))?;
        } else {
            write_out(to_text(&users))?;
        }
        Ok(Exit::OK)
    }
}

fn to_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "name": user.name.as_str(),
        "password": user.password.as_ref().map(|hash| hash.kind().name()),
        "password_outdated": user.password.as_ref().is_some_and(PasswordHash::is_outdated),
        "roles": user.grants.roles(),
        "scopes": user.grants.scopes(),
        "claims": user.grants.claims(),
        "disabled": user.disabled,
        "created": user.created.to_string(),
        "changed": user.changed.to_string(),
        "password_changed": user.password_changed.to_string(),
    })
}

fn to_text(users: &[User]) -> String {
    let heads = ["NAME", "STATE", "PASSWORD", "ROLES", "SCOPES", "CREATED"];
    columns(heads, users.iter().map(row))
}

fn row(user: &User) -> [String; 6] {
    let state = if user.disabled { "disabled" } else { "enabled" };
    let password = match &user.password {
        None => "none".to_owned(),
        Some(hash) if hash.kind().is_weak() => format!("{} (weak)", hash.kind().name()),
        Some(hash) => hash.kind().name().to_owned(),
    };
    [
        user.name.to_string(),
        state.to_owned(),
        password,
        listed(user.grants.roles()),
        listed(user.grants.scopes()),
        user.created.strftime("%Y-%m-%d").to_string(),
    ]
}
