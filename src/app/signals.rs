//! The signals of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::reload::ReloadHandle;

/// The signals that mean something, and those that shall not kill.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for TERM, INT or QUIT, and reloads at each HUP until then.
    pub(super) async fn end(&mut self, reload: &ReloadHandle) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                _ = self.hangup.recv() => drop(reload.reload(false).await),
                // Standard output is never reopened, and no binary is swapped: their default would end the process.
                _ = self.user1.recv() => {}
                _ = self.user2.recv() => {}
            }
        }
    }
}
