//! `user add`: a new user.

use serde_json::{Map, Value};

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::{printable, write_out};
use crate::store::{Grants, NewUser, StoreError, UserName};

use super::password_entry::PasswordOptions;

/// Add a user
///
/// The password is asked for on the terminal, twice. What `--role`, `--scope` and `--claim` say, the tokens of this user
/// are to carry.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Add {
    #[command(flatten)]
    config: ConfigFile,
    /// Name: 1 to 255 bytes. Case and form make no difference: `Alice` and `alice` are one user
    name: UserName,
    #[command(flatten)]
    password: PasswordOptions,
    /// A role; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A further claim, as `name=json`; may be repeated
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim_argument)]
    claims: Vec<(String, Value)>,
}

/// `tier="gold"`, `level=3`, `teams=["a","b"]`
fn claim_argument(text: &str) -> Result<(String, Value), String> {
    let (name, json) = text
        .split_once('=')
        .ok_or("write it as NAME=JSON, such as level=3")?;
    let value = serde_json::from_str(json).map_err(|_| {
        format!("what follows {name}= is no JSON; a text needs its quotes: '{name}=\"..\"'")
    })?;
    Ok((name.to_owned(), value))
}

impl Add {
    /// Adds the user.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let (entry, grants) = (self.password.entry()?, self.grants()?);
        let name = &self.name;
        let added = Operator::with_store(&self.config, |operator| {
            // Before anyone types a password for nothing.
            if let Some(there) = operator.ask(async |store, _| store.user(name).await)? {
                return Err(StoreError::AlreadyExists(there.name.to_string()).into());
            }
            let user = NewUser::new(name.clone(), entry.hash(name)?).with_grants(grants);
            operator.ask(async |store, actor| store.add_user(&user, actor).await)
        })?;
        let without = if added.password.is_some() {
            ""
        } else {
            ", without a password"
        };
        write_out(format_args!("user {} added{without}\n", added.name))?;
        Ok(Exit::OK)
    }

    fn grants(&self) -> Result<Grants, Failure> {
        let mut claims = Map::new();
        for (name, value) in &self.claims {
            if claims.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::Usage(format!("--claim {name}: given twice")));
            }
        }
        Grants::new(
            self.roles.iter().cloned(),
            self.scopes.iter().cloned(),
            claims,
        )
        .map_err(|error| Failure::Usage(printable(&error.to_string())))
    }
}
