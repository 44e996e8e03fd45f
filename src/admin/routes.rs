//! The endpoints.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::Metrics;
use crate::proxy::SharedState;
use crate::reload::ReloadHandle;

/// What the endpoints show.
pub struct AdminState {
    /// The snapshot and the flags of the process.
    pub shared: Arc<SharedState>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Reloads.
    pub reload: ReloadHandle,
    /// The longest silence of a worker.
    pub silence: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// Serves the admin listener on the present runtime until it is dropped.
pub async fn serve(_listener: std::net::TcpListener, _state: Arc<AdminState>) {
    todo!("operations helper")
}
