//! `client disable` and `client enable`: whether a client gets tokens.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::store::{ClientError, FIRST_PARTY_CLIENT};

/// Disable a client: it gets no tokens, and those that it has are refused from now on, with the sessions begun by it
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Disable {
    #[command(flatten)]
    which: Which,
}

/// Enable a client that was disabled. What was ended stays so
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Enable {
    #[command(flatten)]
    which: Which,
}

#[derive(Clone, Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    config: ConfigFile,
    /// Its `client_id`
    id: String,
}

impl Disable {
    /// Disables the client.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        self.which.set_disabled(true)
    }
}

impl Enable {
    /// Enables the client.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        self.which.set_disabled(false)
    }
}

impl Which {
    /// Succeeds too when there is nothing to change: what was asked for is so.
    fn set_disabled(&self, disabled: bool) -> Result<Exit, Failure> {
        let id = &self.id;
        not_our_own(id)?;
        let changed = Operator::with_store(&self.config, |operator| {
            let tokens = operator.tokens();
            operator.ask(async |store, actor| {
                store
                    .set_client_disabled(id, disabled, tokens.as_ref(), actor)
                    .await
            })
        })?;
        let state = if disabled { "disabled" } else { "enabled" };
        let already = if changed { "" } else { " already" };
        write_out(format_args!("client {id} is {state}{already}\n"))?;
        Ok(Exit::OK)
    }
}

/// The client of those who sign in at `/login` is always there, and is not in the table.
///
/// # Errors
/// It is that one.
pub(super) fn not_our_own(id: &str) -> Result<(), Failure> {
    if id.eq_ignore_ascii_case(FIRST_PARTY_CLIENT) {
        return Err(ClientError::Reserved.into());
    }
    Ok(())
}
