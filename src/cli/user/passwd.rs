//! `user passwd`: a new password.

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::store::UserName;

use super::password_entry::PasswordOptions;

/// Set the password of a user, or take it away with `--no-password`
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Passwd {
    #[command(flatten)]
    config: ConfigFile,
    /// Name of the user
    name: UserName,
    #[command(flatten)]
    password: PasswordOptions,
}

impl Passwd {
    /// Sets the password.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let entry = self.password.entry()?;
        let name = &self.name;
        let (user, hash) = Operator::with_store(&self.config, |operator| {
            // Before anyone types a password for nothing.
            let user = operator.user(name)?;
            let hash = entry.hash(name)?;
            let tokens = operator.tokens();
            operator.ask(async |store, actor| {
                store
                    .set_password(name, hash.as_ref(), tokens.as_ref(), actor)
                    .await
            })?;
            Ok((user, hash))
        })?;
        let done = if hash.is_some() { "set" } else { "taken away" };
        write_out(format_args!("password of {} {done}\n", user.name))?;
        Ok(Exit::OK)
    }
}
