//! Reloading: validate, build, swap. The only publisher of snapshots; others send it messages.

use std::sync::Arc;

use crate::config::Environment;
use crate::proxy::Publisher;
use crate::snapshot::Fixtures;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again at each reload.
    File(std::path::PathBuf, Environment),
    /// A text that does not change (`dev`); its key and certificate files may.
    Text(String, std::path::PathBuf, Environment),
}

/// Asks for a reload. Cheap to clone.
#[derive(Clone)]
pub struct ReloadHandle {}

/// What a reload did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ReloadReport {
    /// Whether a new snapshot is in force.
    pub applied: bool,
    /// The generation in force now.
    pub generation: u64,
    /// What changed: `route "x" added`, `keys of issuer "y": kid a added, b removed`, `certificate ..`.
    pub changes: Vec<String>,
    /// What changed and needs a restart.
    pub needs_restart: Vec<String>,
    /// Why it was not applied.
    pub error: Option<String>,
    /// When, in RFC 3339.
    pub at: String,
}

impl ReloadHandle {
    /// Reloads now. `dry_run` says what would change and changes nothing.
    pub async fn reload(&self, _dry_run: bool) -> ReloadReport {
        todo!("operations helper")
    }
    /// The last reload, if there was one since the start.
    #[must_use]
    pub fn last(&self) -> Option<ReloadReport> {
        todo!()
    }
}

/// Starts the reloader on the present (control) runtime: it watches the parent directories of every file of the
/// configuration (250 ms debounce, 30 s poll as a net) and takes requests from its handle.
#[must_use]
pub fn start(_source: Source, _publisher: Publisher, _fixtures: Fixtures) -> ReloadHandle {
    let _ = Arc::new(());
    todo!("operations helper")
}
