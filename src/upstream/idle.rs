//! The connections of one worker that wait for a request, and their way back.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;

use crate::net::Deadlines;

use super::outgoing::Outgoing;
use super::sent::Reusable;
use super::{Address, Upstream};

/// The idle connections of one worker.
pub(super) struct Idle<B>(Rc<Shared<B>>);

struct Shared<B> {
    deadlines: Deadlines,
    all: RefCell<HashMap<u64, Line<B>, foldhash::fast::RandomState>>,
}

/// The idle connections to one address, the one that was used last at the end.
struct Line<B>(VecDeque<Rc<Connection<B>>>);

/// One connection, made once and used for many requests, one at a time.
pub(super) struct Connection<B> {
    pub(super) sender: RefCell<SendRequest<Outgoing<B>>>,
    /// Set when bytes come.
    pub(super) heard: Arc<AtomicBool>,
    pub(super) upstream: Arc<Upstream>,
    address: u64,
    idle_since: Cell<Instant>,
    home: Weak<Shared<B>>,
}

impl<B> Idle<B> {
    /// None yet.
    pub(super) fn new(deadlines: &Deadlines) -> Self {
        Self(Rc::new(Shared {
            deadlines: deadlines.clone(),
            all: RefCell::default(),
        }))
    }

    /// A connection that comes here when its first request is over.
    pub(super) fn connection(
        &self,
        upstream: &Arc<Upstream>,
        address: &Address,
        sender: SendRequest<Outgoing<B>>,
        heard: Arc<AtomicBool>,
    ) -> Rc<Connection<B>> {
        Rc::new(Connection {
            sender: RefCell::new(sender),
            heard,
            upstream: Arc::clone(upstream),
            address: address.id,
            idle_since: Cell::new(self.0.deadlines.now()),
            home: Rc::downgrade(&self.0),
        })
    }

    /// The connection to an address that was used last and is ready for a request.
    pub(super) fn take(&self, address: &Address) -> Option<Rc<Connection<B>>> {
        let now = self.0.deadlines.now();
        let mut all = self.0.all.borrow_mut();
        let line = &mut all.get_mut(&address.id)?.0;
        let mut place = line.len();
        while let Some(next) = place.checked_sub(1) {
            place = next;
            let one = &line[place];
            if one.is_over(now) {
                line.remove(place);
            } else if one.sender.borrow().is_ready() {
                return line.remove(place);
            }
            // What is neither is still writing the body of a request that was answered early, or its task has not
            // run since: another time.
        }
        None
    }

    /// Closes what was idle too long, and what belongs to upstreams that `keep` does not name.
    pub(super) fn sweep(&self, keep: &dyn Fn(u64) -> bool) {
        let now = self.0.deadlines.now();
        self.0.all.borrow_mut().retain(|_, line| {
            line.0
                .retain(|one| keep(one.upstream.id) && !one.is_over(now));
            !line.0.is_empty()
        });
    }
}

impl<B> Connection<B> {
    /// Whether it is closed, or has been idle for longer than the upstream is trusted to keep it open.
    fn is_over(&self, now: Instant) -> bool {
        let idle = now.saturating_duration_since(self.idle_since.get());
        idle >= self.upstream.config.idle_timeout || self.sender.borrow().is_closed()
    }
}

impl<B> Reusable for Connection<B> {
    fn give_back(self: Rc<Self>) {
        let Some(home) = self.home.upgrade() else {
            return;
        };
        let most = self.upstream.config.max_idle;
        if most == 0 || self.sender.borrow().is_closed() {
            return;
        }
        self.idle_since.set(home.deadlines.now());
        let mut all = home.all.borrow_mut();
        let line = all.entry(self.address).or_insert_with(Line::default);
        // The one that was used longest ago is the likeliest to be closed soon.
        if line.0.len() >= most {
            line.0.pop_front();
        }
        line.0.push_back(self);
    }
}

impl<B> Default for Line<B> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}
