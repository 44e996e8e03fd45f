//! `healthcheck`: 0 or 1, for an image without a shell or curl.

use http::Method;

use super::admin_client::AdminOptions;
use super::failure::{Exit, Failure};
use super::output::{printable, write_out};

/// Ask the running gateway whether it is ready: exits with 0 or 1
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    admin: AdminOptions,
    /// Ask whether it lives (/livez) instead: a draining gateway lives and is not ready
    #[arg(long)]
    live: bool,
}

impl Healthcheck {
    /// Asks once.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let path = if self.live { "/livez" } else { "/readyz" };
        let answer = self.admin.client()?.ask(Method::GET, path, None)?;
        let said = String::from_utf8_lossy(&answer.body);
        write_out(format_args!("{}\n", printable(said.trim_end())))?;
        Ok(if answer.status.is_success() {
            Exit::OK
        } else {
            Exit::FAILED
        })
    }
}
