//! `run`: serve.

use crate::app::{self, Gateway, Options};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::reload::Source;
use crate::telemetry;

use super::check::refused_codes;
use super::config_file::ConfigFile;
use super::failure::{Exit, Failure};
use super::output::write_err;

/// Serve until TERM or INT. HUP reloads.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigFile,
}

impl Run {
    /// Starts the gateway, and serves.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        // First of all: who reloads right after starting must not end what starts.
        app::outlive_hangup()?;
        let environment = Environment::of_process();
        let file = self.config.find(&environment)?;
        let config = config::load(&file, &environment)?;
        let warnings = config::warnings(&config);
        for warning in &warnings {
            write_err(warning);
        }
        // What `check` refuses must not run because nobody called `check`.
        if let Some(codes) = refused_codes(&warnings, false) {
            return Err(Failure::RefusedSettings { codes });
        }
        let _last_lines = telemetry::start(config.log.format);
        let gateway = Gateway::start(Options {
            source: Source::File(file, environment),
            clock: Clock::System,
            access_log: None,
        })?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = ?gateway.addresses(),
            admin = gateway.admin_address().map(tracing::field::display),
            "serving"
        );
        Ok(Exit::of_gateway(gateway.run()))
    }
}
