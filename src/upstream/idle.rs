//! The connections of one worker that wait for a request, and their way back.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::net::Deadlines;

use super::connection::{Connection, Stream};
use super::{Address, Upstream};

/// The idle connections of one worker.
pub(super) struct Idle(Rc<Home>);

/// Where connections go when they are not used.
pub(super) struct Home {
    deadlines: Deadlines,
    all: RefCell<HashMap<u64, Line, foldhash::fast::RandomState>>,
}

/// The idle connections to one address, the one that was used last at the end.
#[derive(Default)]
struct Line(VecDeque<Rc<Connection>>);

impl Idle {
    /// None yet.
    pub(super) fn new(deadlines: &Deadlines) -> Self {
        Self(Rc::new(Home {
            deadlines: deadlines.clone(),
            all: RefCell::default(),
        }))
    }

    /// A connection that comes here when its first request is over.
    pub(super) fn connection(
        &self,
        upstream: &Arc<Upstream>,
        address: &Address,
        stream: Stream,
    ) -> Rc<Connection> {
        let (now, home) = (self.0.deadlines.now(), Rc::downgrade(&self.0));
        Connection::new(stream, upstream, address.id, now, home)
    }

    /// The connection to an address that was used last and can take a request.
    pub(super) fn take(&self, address: &Address) -> Option<Rc<Connection>> {
        let now = self.0.deadlines.now();
        loop {
            // The borrow ends here: what is over is dropped, and closed, outside of it.
            let last = self.0.all.borrow_mut().get_mut(&address.id)?.0.pop_back()?;
            if is_usable(&last, now) {
                return Some(last);
            }
        }
    }

    /// Closes what was idle too long or has ended, and what belongs to upstreams that `keep` does not name.
    pub(super) fn sweep(&self, keep: &dyn Fn(u64) -> bool) {
        let now = self.0.deadlines.now();
        self.0.all.borrow_mut().retain(|_, line| {
            line.0
                .retain(|one| keep(one.upstream.id) && is_usable(one, now));
            !line.0.is_empty()
        });
    }
}

/// Whether it is open, and idle for no longer than the upstream is trusted to keep it open.
fn is_usable(connection: &Connection, now: Instant) -> bool {
    let idle = now.saturating_duration_since(connection.idle_since.get());
    idle < connection.upstream.config.idle_timeout && connection.is_quiet()
}

impl Home {
    /// A connection whose request is over.
    pub(super) fn put(&self, connection: Rc<Connection>) {
        let most = connection.upstream.config.max_idle;
        if most == 0 {
            return;
        }
        connection.idle_since.set(self.deadlines.now());
        let mut all = self.all.borrow_mut();
        let line = all.entry(connection.address).or_default();
        // The one that was used longest ago is the likeliest to be closed soon.
        if line.0.len() >= most {
            line.0.pop_front();
        }
        line.0.push_back(connection);
    }
}
