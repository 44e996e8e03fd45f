//! `run`: serve.

use std::io::ErrorKind;

use crate::app::{self, Gateway, Options, StartError};
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
        })
        .map_err(explain_taken)?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = ?gateway.addresses(),
            admin = gateway.admin_address().map(tracing::field::display),
            "serving"
        );
        Ok(Exit::of_gateway(gateway.run()))
    }
}

/// Two gateways on one machine most often meet at the admin listener, which neither configuration mentions.
fn explain_taken(error: StartError) -> Failure {
    match error {
        StartError::Listen(ref listen) if listen.source.kind() == ErrorKind::AddrInUse => {
            Failure::Taken {
                error,
                option: "`listen` of [server] or of [admin]",
            }
        }
        StartError::Listen(_) | StartError::Config(_) | StartError::System(_) => {
            Failure::Start(error)
        }
    }
}
