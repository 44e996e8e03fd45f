//! One process: configuration to running gateway to exit code.

use std::net::SocketAddr;

use crate::clock::Clock;
use crate::proxy::AccessLogSink;
use crate::reload::Source;

/// What a gateway is started from.
pub struct Options {
    /// Its configuration.
    pub source: Source,
    /// Its time.
    pub clock: Clock,
    /// Where access-log lines go; `None` is what `[log]` says.
    pub access_log: Option<Box<dyn AccessLogSink>>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration, or a file it names: exit 78.
    #[error("{0}")]
    Config(String),
    /// An address is taken: exit 69.
    #[error(transparent)]
    Listen(#[from] crate::net::ListenError),
    /// The system refused threads or sockets: exit 1.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// A running gateway. Dropping it cuts everything off.
pub struct Gateway {}

impl Gateway {
    /// Starts workers, control runtime, admin listener and reloader.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(_options: Options) -> Result<Self, StartError> {
        todo!("founder")
    }
    /// Where clients connect, in the order of `listen`, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }
    /// Where the admin listener is.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        todo!()
    }
    /// Reloads: the same as HUP and `POST /reload`.
    pub fn reload(&self, _dry_run: bool) -> crate::reload::ReloadReport {
        todo!()
    }
    /// Drains as TERM does, waits for the end. True if nothing was cut off.
    pub fn stop(self) -> bool {
        todo!()
    }
    /// Serves until TERM or INT: HUP reloads, a second TERM or INT cuts. Returns the exit code.
    pub fn run(self) -> u8 {
        todo!()
    }
}
