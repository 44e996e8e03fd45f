//! What a worker has at hand for every request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::{ArcSwap, Cache};

use crate::clock::Clock;
use crate::gate::Peer;
use crate::metrics::{RouteMetrics, WorkerId, WorkerMetrics};
use crate::net::{ConnectionState, Deadlines};
use crate::snapshot::Snapshot;
use crate::upstream::Pools;

use super::request_id::RequestIds;
use super::{AccessLog, RequestBody, Tunnel};

/// Where the snapshot in force stands: `reload` alone stores into it.
pub type Publisher = Arc<ArcSwap<Snapshot>>;

/// What all threads share.
pub struct SharedState {
    /// The snapshot in force.
    pub snapshot: Publisher,
    /// The time.
    pub clock: Clock,
    /// Whether TERM was received: `/readyz` says 503 and connections are told to close.
    pub draining: AtomicBool,
    /// Client connections of the whole process.
    pub connections: AtomicUsize,
}

/// What one worker has. Not `Send`.
pub struct WorkerContext {
    /// Its number.
    pub id: WorkerId,
    /// What all threads share.
    pub shared: Arc<SharedState>,
    /// Its reader of the snapshot: a load is one comparison while nothing has changed.
    pub snapshot: RefCell<Cache<Publisher, Arc<Snapshot>>>,
    /// Its upstream connections.
    pub pools: Rc<Pools<RequestBody>>,
    /// Its coarse clock.
    pub deadlines: Deadlines,
    /// Its access log.
    pub access_log: AccessLog,
    /// Its counters.
    pub metrics: Arc<WorkerMetrics>,
    /// Counters of requests that reached no route.
    pub no_route: Arc<RouteMetrics>,
    /// What it needs for requests and nobody else touches.
    pub local: WorkerLocal,
    /// Upgraded connections that are open: they keep a drain waiting as requests do.
    pub open: Rc<Cell<usize>>,
}

/// The snapshot that one request sees, however long it lasts.
///
/// The outer count is the worker's own: a request costs no write to memory that workers share.
pub type RequestSnapshot = Rc<Arc<Snapshot>>;

impl WorkerContext {
    /// The snapshot in force. An idle worker calls it once a second too, so that it holds no old keys.
    pub fn current_snapshot(&self) -> RequestSnapshot {
        let mut reader = self.snapshot.borrow_mut();
        let published = reader.load();
        let mut current = self.local.current.borrow_mut();
        match &*current {
            Some(snapshot) if Arc::ptr_eq(snapshot, published) => Rc::clone(snapshot),
            _ => Rc::clone(current.insert(Rc::new(Arc::clone(published)))),
        }
    }
}

/// What a worker needs for requests, made anew with the worker.
pub struct WorkerLocal {
    pub(super) request_ids: RequestIds,
    current: RefCell<Option<RequestSnapshot>>,
}

impl WorkerLocal {
    /// Of a worker that has served nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            request_ids: RequestIds::new(),
            current: RefCell::default(),
        }
    }
}

impl Default for WorkerLocal {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts an upgraded connection until it is dropped.
pub struct OpenGuard(Rc<Cell<usize>>);

impl OpenGuard {
    /// One more.
    #[must_use]
    pub fn new(open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get() + 1);
        Self(Rc::clone(open))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What a connection's requests share.
pub struct ConnectionContext {
    /// Its worker.
    pub worker: Rc<WorkerContext>,
    /// Who sent it.
    pub peer: Peer,
    /// What limits are measured by.
    pub state: Rc<ConnectionState>,
    /// What the connection becomes after a 101. When hyper has given its I/O back
    /// ([`without_shutdown`](hyper::server::conn::http1::Connection::without_shutdown)), take it and run it.
    pub tunnel: RefCell<Option<Tunnel>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_connection_counts_until_it_is_dropped() {
        let open = Rc::new(Cell::new(0));
        let first = OpenGuard::new(&open);
        let second = OpenGuard::new(&open);
        assert_eq!(open.get(), 2);
        drop(first);
        assert_eq!(open.get(), 1);
        drop(second);
        assert_eq!(open.get(), 0);
    }
}
