//! What a worker has at hand for every request.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::{ArcSwap, Cache};

use crate::clock::Clock;
use crate::gate::{Peer, WorkerMemory};
use crate::headers::StripSet;
use crate::issuer::IssuerHandle;
use crate::metrics::{RouteMetrics, WorkerId, WorkerMetrics};
use crate::net::{ConnectionState, Deadlines};
use crate::revocation::RevocationSet;
use crate::snapshot::Snapshot;
use crate::upstream::Pools;

use super::AccessLog;
use super::ongoing::Ongoings;
use super::request_id::RequestIds;

/// Where the snapshot in force stands: `reload` alone stores into it.
pub type Publisher = Arc<ArcSwap<Snapshot>>;

/// What all threads share.
pub struct SharedState {
    /// The snapshot in force.
    pub snapshot: Publisher,
    /// The revocations in force.
    pub revocations: Arc<ArcSwap<RevocationSet>>,
    /// Where requests go that the gateway answers itself.
    pub issuer: IssuerHandle,
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
    /// Its reader of the revocations.
    pub revocations: RefCell<Cache<Arc<ArcSwap<RevocationSet>>, Arc<RevocationSet>>>,
    /// Its upstream connections.
    pub pools: Rc<Pools>,
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
}

/// The snapshot that one request sees, however long it lasts.
///
/// The count is the worker's own: a request costs no write to memory that workers share.
pub type RequestSnapshot = Rc<InForce>;

/// A snapshot as one worker holds it.
pub struct InForce {
    snapshot: Arc<Snapshot>,
    /// For bodies, which may last for days: they keep this, and not the snapshot, so that old keys go.
    pub(super) strip: Rc<StripSet>,
    /// For bodies of requests.
    pub(super) strip_trailers: Rc<StripSet>,
}

impl Deref for InForce {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl WorkerContext {
    /// The snapshot in force. An idle worker calls it once a second too, so that it holds no old keys.
    pub fn current_snapshot(&self) -> RequestSnapshot {
        let mut reader = self.snapshot.borrow_mut();
        let published = reader.load();
        let mut current = self.local.current.borrow_mut();
        match &*current {
            Some(held) if Arc::ptr_eq(&held.snapshot, published) => Rc::clone(held),
            _ => Rc::clone(current.insert(Rc::new(InForce {
                snapshot: Arc::clone(published),
                strip: Rc::new(published.strip.clone()),
                strip_trailers: Rc::new(published.strip_trailers.clone()),
            }))),
        }
    }

    /// Ends what goes on with a token that was revoked. The worker's clock calls it, several times a second.
    pub fn end_revoked(&self) {
        let mut reader = self.revocations.borrow_mut();
        self.local.ongoing.look(reader.load());
    }

    /// Lends the worker's memory and the revocations in force. An idle worker calls it once a second too.
    ///
    /// After a panic in `decide` the worker has no memory, and begins anew.
    pub fn with_memory<T>(&self, decide: impl FnOnce(&mut WorkerMemory, &RevocationSet) -> T) -> T {
        let mut reader = self.revocations.borrow_mut();
        let revocations = reader.load();
        self.local.with_memory(|memory| decide(memory, revocations))
    }
}

/// What a worker needs for requests, made anew with the worker.
pub struct WorkerLocal {
    pub(super) request_ids: RequestIds,
    /// Taken out for each decision, and put back: what a panic was in the middle of never comes back.
    memory: Cell<Option<Box<WorkerMemory>>>,
    worker: WorkerId,
    /// Bytes of its token cache.
    token_cache: Cell<u64>,
    current: RefCell<Option<RequestSnapshot>>,
    pub(super) ongoing: Rc<Ongoings>,
}

impl WorkerLocal {
    /// Of a worker that has served nothing yet, with so many bytes for verified tokens.
    #[must_use]
    pub fn new(worker: WorkerId, token_cache: u64) -> Self {
        Self {
            worker,
            request_ids: RequestIds::new(),
            memory: Cell::default(),
            token_cache: Cell::new(token_cache),
            current: RefCell::default(),
            ongoing: Rc::default(),
        }
    }

    /// The token cache may take so many bytes from now on. A change empties it.
    pub fn resize_token_cache(&self, bytes: u64) {
        if self.token_cache.replace(bytes) != bytes {
            self.with_memory(|memory| memory.resize_token_cache(bytes));
        }
    }

    fn with_memory<T>(&self, use_it: impl FnOnce(&mut WorkerMemory) -> T) -> T {
        let mut memory = match self.memory.take() {
            Some(memory) => memory,
            None => Box::new(WorkerMemory::of_worker(self.worker, self.token_cache.get())),
        };
        let result = use_it(&mut memory);
        self.memory.set(Some(memory));
        result
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
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::gate::MemoryCounts;

    #[test]
    fn a_panic_in_the_middle_of_a_decision_takes_the_memory_with_it() {
        let local = WorkerLocal::new(WorkerId(0), 1 << 20);
        let address = |memory: &mut WorkerMemory| std::ptr::from_mut(memory).addr();
        let first = local.with_memory(address);
        assert_eq!(local.with_memory(address), first, "the same one each time");
        let panicking = || local.with_memory(|_| panic!("for the test"));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        assert!(local.memory.take().is_none());
        local.with_memory(|memory| assert_eq!(memory.take_counts(), MemoryCounts::default()));
        assert!(local.memory.take().is_some(), "and another one is kept");
    }
}
