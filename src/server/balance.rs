//! Which worker serves a connection. The kernel spreads them by a hash, and few of them unevenly: what one worker has
//! accepted, another may serve.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::pulse::Pulse;
use super::shutdown::Stages;
use super::slots::{Counted, Open, Slot};

/// A connection on its way from the worker that accepted it to the one that serves it.
pub(super) struct Handed {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) slot: Slot,
}

/// All workers, as one of them sees them.
pub(super) struct Balance {
    members: Arc<[Member]>,
    own: usize,
    pulse: Pulse,
}

/// A worker as the others see it.
pub(super) struct Member {
    open: Arc<Open>,
    inbox: mpsc::Sender<Handed>,
}

impl Member {
    /// A worker without connections, and what is handed to it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Handed>) {
        let (inbox, handed) = mpsc::channel(ON_THEIR_WAY);
        let open = Arc::default();
        (Self { open, inbox }, handed)
    }
}

impl Balance {
    /// As the worker of the number `own` sees it, which is one of `members`.
    pub(super) fn new(members: Arc<[Member]>, own: usize, pulse: Pulse) -> Self {
        Self {
            members,
            own,
            pulse,
        }
    }

    /// The number of the worker's own connections.
    pub(super) fn own(&self) -> &Arc<Open> {
        &self.members[self.own].open
    }

    /// Counts one more connection for the worker that serves it: the way to it, or `None` for this worker itself.
    ///
    /// Numbers only grow while several workers accept, so one that has not changed since it was found to be the least
    /// is the least still: they stay even however many accept at once.
    pub(super) fn place(&self) -> (Counted, Option<mpsc::Permit<'_, Handed>>) {
        let now = self.pulse.now();
        loop {
            let (chosen, seen) = choose(self.own, self.members.len(), |worker| {
                let takes = worker == self.own || self.pulse.is_well(worker, now);
                takes.then(|| self.members[worker].open.count())
            });
            let member = &self.members[chosen];
            // Before it is counted: a worker that closes its inbox waits for whoever has a permit.
            let way = if chosen == self.own {
                None
            } else {
                match member.inbox.try_reserve() {
                    Ok(permit) => Some(permit),
                    // It is draining, has ended, or does not get on with those on their way.
                    Err(_) => return (self.own().enter(), None),
                }
            };
            if let Some(counted) = member.open.enter_as_seen(seen) {
                return (counted, way);
            }
        }
    }
}

/// The worker that serves a connection which `own` has accepted, and its number of connections. That of a worker which
/// takes none is `None`.
///
/// `own` keeps it unless it has more than the least loaded one, by an eighth where there are many: handing over has its
/// cost, and the hash gets better with their number. So the numbers differ by at most one up to 8 connections a worker.
fn choose(own: usize, workers: usize, open: impl Fn(usize) -> Option<usize>) -> (usize, usize) {
    let mine = open(own).unwrap_or_default();
    // From the next one on, so that workers which accept at once do not all turn to the first.
    let others = (1..workers).map(|step| (own + step) % workers);
    let least = others
        .filter_map(|worker| Some((worker, open(worker)?)))
        .min_by_key(|(_, open)| *open);
    match least {
        Some((worker, least)) if mine > least + least / 8 => (worker, least),
        Some(_) | None => (own, mine),
    }
}

/// Takes what is handed over until the drain, then all that is on its way: the others keep what they accept from then on.
pub(super) async fn receive(
    mut inbox: mpsc::Receiver<Handed>,
    stages: &Stages,
    arrived: &dyn Fn(Handed),
) {
    loop {
        let handed = tokio::select! {
            biased;
            () = stages.draining() => break,
            handed = inbox.recv() => handed,
        };
        match handed {
            Some(handed) => arrived(handed),
            None => return,
        }
    }
    inbox.close();
    while let Some(handed) = inbox.recv().await {
        arrived(handed);
    }
}

/// Most connections on their way to one worker.
const ON_THEIR_WAY: usize = 128;

#[cfg(test)]
mod tests;
