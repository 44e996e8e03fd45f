//! `user disable` and `user enable`: whether a user may sign in.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::store::UserName;

/// Disable a user: it stays, with its password, and may not sign in
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Disable {
    #[command(flatten)]
    whom: Whom,
}

/// Enable a user that was disabled
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Enable {
    #[command(flatten)]
    whom: Whom,
}

#[derive(Clone, Debug, clap::Args)]
struct Whom {
    #[command(flatten)]
    config: ConfigFile,
    /// Name of the user
    name: UserName,
}

impl Disable {
    /// Disables the user.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        self.whom.set_disabled(true)
    }
}

impl Enable {
    /// Enables the user.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        self.whom.set_disabled(false)
    }
}

impl Whom {
    /// Succeeds too when there is nothing to change: what was asked for is so.
    fn set_disabled(&self, disabled: bool) -> Result<Exit, Failure> {
        let name = &self.name;
        let changed = Operator::with_store(&self.config, |operator| {
            let tokens = operator.tokens();
            operator.ask(async |store, actor| {
                store
                    .set_disabled(name, disabled, tokens.as_ref(), actor)
                    .await
            })
        })?;
        let state = if disabled { "disabled" } else { "enabled" };
        let already = if changed { "" } else { " already" };
        write_out(format_args!("user {name} is {state}{already}\n"))?;
        Ok(Exit::OK)
    }
}
