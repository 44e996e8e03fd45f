//! `keys list`: which keys each issuer's tokens are checked with, how they are used, and whether one can go.

use http::Method;

use crate::cli::admin_client::{AdminClient, AdminOptions};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Colour, write_err, write_out};
use crate::clock::Clock;

use super::offline;
use super::report::Report;

/// List the keys of each issuer: where they come from, how they are used, and whether one can be retired
///
/// Asks the running gateway, since only it knows what tokens come in.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    admin: AdminOptions,
    /// Ask nobody: read key files, and what the gateway has kept of fetched keys. A key with `generate` is made if it is not there
    /// yet, as `run` would
    #[arg(long)]
    offline: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Lists the keys.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        if self.offline {
            offline::list(&self.admin.config().load()?, self.json)?;
            return Ok(Exit::OK);
        }
        self.ask(&self.admin.client()?)
    }

    fn ask(&self, client: &AdminClient) -> Result<Exit, Failure> {
        let answer = match client.ask(Method::GET, "/keys", None) {
            Err(Failure::Admin(error)) if error.is_silence() => {
                return Err(Failure::NoGateway {
                    error,
                    instead: "`portcullis keys list --offline` reads the key files, and what was kept of fetched keys",
                });
            }
            other => other?,
        };
        let report = answer
            .status
            .is_success()
            .then(|| Report::parse(&answer.body));
        let Some(Some(report)) = report else {
            write_err(format_args!(
                "error: the answer is {}, not a report on keys",
                answer.status
            ));
            return Ok(Exit::FAILED);
        };
        if self.json {
            write_out(format_args!("{:#}\n", report.json()))?;
        } else {
            write_out(report.render(Clock::System.now(), Colour::of_stdout()))?;
        }
        Ok(Exit::OK)
    }
}
