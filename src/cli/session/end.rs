//! `session end`: of one, of a user, or of everyone.

use clap::ArgGroup;
use uuid::Uuid;

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::write_out;
use crate::store::{EndReason, Ending, UserName};

/// End a session, those of a user, or all: refresh and access tokens of it are refused from now on, by every gateway
///
/// A running gateway learns of it within a second.
#[derive(Clone, Debug, clap::Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["session", "user", "all"]))]
pub(in crate::cli) struct End {
    #[command(flatten)]
    config: ConfigFile,
    /// Id of the session: `sid` in its tokens
    #[arg(value_name = "ID", value_parser = session_argument)]
    session: Option<Uuid>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    user: Option<UserName>,
    /// All sessions of all users
    #[arg(long)]
    all: bool,
}

fn session_argument(text: &str) -> Result<Uuid, &'static str> {
    Uuid::try_parse(text).map_err(
        |_| "no id of a session: `portcullis session list` shows them, and --user takes a name",
    )
}

impl End {
    /// Ends them.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let ended = Operator::with_store(&self.config, |operator| {
            let tokens = operator.tokens().ok_or(Failure::NoLocalIssuer)?;
            let which = match (self.session, &self.user) {
                (Some(session), _) => Ending::One(session),
                (None, Some(name)) => Ending::OfUser(operator.user(name)?.id),
                (None, None) => Ending::All,
            };
            if let Some(id) = self.session {
                let session = operator.ask(async |store, _| store.session(id).await)?;
                session.ok_or(Failure::NoSession(id))?;
            }
            operator.ask(async |store, actor| {
                store
                    .end_sessions(which, EndReason::Operator, Some(&tokens), actor)
                    .await
            })
        })?;
        let plural = if ended == 1 { "" } else { "s" };
        write_out(format_args!("{ended} session{plural} ended\n"))?;
        Ok(Exit::OK)
    }
}
