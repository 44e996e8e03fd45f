//! How many connections there are: of the process, of one client, of a worker.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::config::Limits;

/// Gives out the right to one more connection, to one worker.
pub(super) struct Slots {
    total: Arc<dyn Total>,
    clients: Arc<Clients>,
    worker: Arc<Open>,
}

/// The process's number of connections, wherever it is kept.
pub(super) trait Total: Send + Sync {
    fn connections(&self) -> &AtomicUsize;
}

/// Connections of each client while `connections_per_client` is set: one lock for the process, taken when a connection
/// opens and closes, and never otherwise.
#[derive(Default)]
pub(super) struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// The open connections of one worker, upgraded ones included, and those that are on their way to it. All workers read
/// it, and change it when they hand one over.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Open {
    count: AtomicUsize,
    none_left: Notify,
}

/// One open connection, until it is dropped: on whatever thread its last bytes are dropped.
pub(super) struct Slot {
    // In this order: a worker without connections has given back all of them.
    _admitted: Admitted,
    _counted: Counted,
}

/// A connection within the limits of the process and of its client.
pub(super) struct Admitted {
    total: Arc<dyn Total>,
    client: Option<(IpAddr, Arc<Clients>)>,
}

/// A connection in the number of a worker.
pub(super) struct Counted(Arc<Open>);

impl Slots {
    /// `total` and `clients` are the process's, `worker` is of the worker itself.
    pub(super) fn new(total: Arc<dyn Total>, clients: Arc<Clients>, worker: Arc<Open>) -> Self {
        Self {
            total,
            clients,
            worker,
        }
    }

    /// One more connection of this client; `None` where a limit is reached.
    pub(super) fn admit(&self, client: IpAddr, limits: &Limits) -> Option<Admitted> {
        let total = self.total.connections();
        if total.fetch_add(1, Relaxed) >= limits.connections {
            total.fetch_sub(1, Relaxed);
            return None;
        }
        // From here on dropping it gives everything back.
        let mut admitted = Admitted {
            total: Arc::clone(&self.total),
            client: None,
        };
        if let Some(most) = limits.connections_per_client {
            let client = network(client);
            if !self.clients.enter(client, most) {
                return None;
            }
            admitted.client = Some((client, Arc::clone(&self.clients)));
        }
        Some(admitted)
    }

    /// Open connections of this worker.
    pub(super) fn open(&self) -> usize {
        self.worker.count()
    }

    /// Until this worker has no connection.
    pub(super) async fn none_left(&self) {
        loop {
            // Before the look: a change in between is not lost.
            let changed = self.worker.none_left.notified();
            if self.open() == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Open {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// One more.
    pub(super) fn enter(self: &Arc<Self>) -> Counted {
        self.count.fetch_add(1, Relaxed);
        Counted(Arc::clone(self))
    }

    /// One more if there still are as many as were seen.
    pub(super) fn enter_as_seen(self: &Arc<Self>, seen: usize) -> Option<Counted> {
        self.count
            .compare_exchange(seen, seen + 1, Relaxed, Relaxed)
            .is_ok()
            .then(|| Counted(Arc::clone(self)))
    }
}

impl Slot {
    pub(super) fn new(admitted: Admitted, counted: Counted) -> Self {
        Self {
            _admitted: admitted,
            _counted: counted,
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.total.connections().fetch_sub(1, Relaxed);
        if let Some((client, clients)) = &self.client {
            clients.leave(*client);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Relaxed) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

impl Clients {
    fn enter(&self, client: IpAddr, most: usize) -> bool {
        // Nothing that holds the lock can panic in between, so a poisoned one is whole.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.entry(client).or_insert(0);
        let enters = *open < most;
        if enters {
            *open += 1;
        } else if *open == 0 {
            clients.remove(&client);
        }
        enters
    }

    fn leave(&self, client: IpAddr) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = clients.get_mut(&client) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, an IPv6 /64.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use futures_util::FutureExt as _;

    use super::super::connection::tests::limits;
    use super::*;

    impl Total for AtomicUsize {
        fn connections(&self) -> &AtomicUsize {
            self
        }
    }

    pub(crate) fn slots() -> Slots {
        Slots::new(
            Arc::new(AtomicUsize::new(0)),
            Arc::default(),
            Arc::default(),
        )
    }

    impl Slots {
        /// A connection that this worker serves.
        pub(crate) fn take(&self, client: IpAddr, limits: &Limits) -> Option<Slot> {
            let admitted = self.admit(client, limits)?;
            Some(Slot::new(admitted, self.worker.enter()))
        }
    }

    fn client(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_process_has_one_limit() {
        let first = slots();
        let second = Slots::new(Arc::clone(&first.total), Arc::default(), Arc::default());
        let limits = Limits {
            connections: 2,
            ..limits()
        };
        let one = first.take(client("192.0.2.1"), &limits).unwrap();
        let two = second.take(client("192.0.2.1"), &limits).unwrap();
        assert!(first.take(client("192.0.2.1"), &limits).is_none());
        assert_eq!((first.open(), second.open()), (1, 1));
        drop(one);
        assert_eq!(first.total.connections().load(Relaxed), 1);
        assert!(first.take(client("192.0.2.1"), &limits).is_some());
        drop(two);
    }

    #[test]
    fn clients_have_a_limit_and_an_ipv6_network_is_one() {
        let slots = slots();
        let limits = Limits {
            connections_per_client: Some(2),
            ..limits()
        };
        for (first, same, other) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1"),
            ("::ffff:192.0.2.9", "192.0.2.9", "::ffff:192.0.2.8"),
        ] {
            let one = slots.take(client(first), &limits).unwrap();
            let two = slots.take(client(same), &limits).unwrap();
            assert!(slots.take(client(first), &limits).is_none(), "{first}");
            assert!(slots.take(client(other), &limits).is_some());
            drop((one, two));
        }
        assert_eq!(
            slots.total.connections().load(Relaxed),
            0,
            "a refused one gives back"
        );
        assert!(
            slots.clients.0.lock().unwrap().is_empty(),
            "nothing is kept of clients that left"
        );
    }

    #[test]
    fn a_connection_is_counted_only_while_the_number_is_as_it_was_seen() {
        let open = Arc::<Open>::default();
        let one = open.enter_as_seen(0).unwrap();
        assert!(open.enter_as_seen(0).is_none(), "another was faster");
        assert_eq!(open.count(), 1);
        drop(one);
        assert_eq!(open.count(), 0);
    }

    #[test]
    fn the_last_connection_is_noticed() {
        let slots = slots();
        assert!(slots.none_left().now_or_never().is_some());
        let slot = slots.take(client("192.0.2.1"), &limits()).unwrap();
        let mut left = Box::pin(slots.none_left());
        assert!(left.as_mut().now_or_never().is_none());
        drop(slot);
        assert!(left.as_mut().now_or_never().is_some());
    }
}
