//! What a connection is doing: noted by its I/O and its requests, read by what enforces limits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// What a connection is doing, as far as limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come since the last request ended: `idle_timeout`.
    Idle,
    /// A head is arriving, or the first one is awaited: `header_timeout`.
    Head,
    /// At least one request is being served.
    Serving,
    /// The client takes nothing of what there is for it: `write_timeout`.
    Blocked,
}

/// What the service and the connection's driver share about one connection. Not `Send`; the part that the I/O writes
/// is, because hyper hands the I/O of an upgraded connection on as `Send`.
#[derive(Debug)]
pub struct ConnectionState {
    moments: Arc<Moments>,
    /// Requests whose response has not ended.
    open: Cell<usize>,
    /// Requests so far.
    requests: Cell<u64>,
    /// Response bodies that gave data and were not asked for more since: the client takes nothing.
    waiting: Cell<usize>,
    /// Steps with each change that a limit is measured from.
    changes: Cell<u64>,
    /// It is to end with what it is doing.
    ending: Cell<bool>,
    /// The driver's, while it is not running.
    driver: RefCell<Option<Waker>>,
}

/// What the I/O notes. Written and read by one thread in turn, so that no order is needed.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// HTTP/1.1: a blocked write says all of a client that takes nothing.
    pub(super) http1: AtomicBool,
    /// The first byte of a head has come, and not its last.
    pub(super) within_head: AtomicBool,
    /// HTTP/1.1: the reader waits for the first byte of a next request, and has used up all that came before.
    pub(super) resting: AtomicBool,
    /// A write or flush could not go on.
    pub(super) blocked: AtomicBool,
    /// Steps with each change of `within_head` and `blocked`.
    pub(super) changes: AtomicU64,
    /// Times that all requests so far had been answered (HTTP/1.1: requests answered).
    pub(super) answered: AtomicU64,
    /// 101 is the answer: what follows is not HTTP.
    pub(super) upgraded: AtomicBool,
    /// The reader that waits for the answer to a request for an upgrade.
    pub(super) reader: AtomicWaker,
}

impl ConnectionState {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            moments: Arc::default(),
            open: Cell::new(0),
            requests: Cell::new(0),
            waiting: Cell::new(0),
            changes: Cell::new(0),
            ending: Cell::new(false),
            driver: RefCell::new(None),
        })
    }

    pub(super) fn moments(&self) -> &Arc<Moments> {
        &self.moments
    }

    /// The service got a head. Each is followed by one [`Self::request_ended`].
    pub fn request_began(&self) {
        self.open.set(self.open.get() + 1);
        self.requests.set(self.requests.get() + 1);
        self.changed();
    }

    /// A request and its response have ended; with none left the connection is idle.
    pub fn request_ended(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.moments.answered.fetch_add(1, Relaxed);
            self.moments.reader.wake();
        }
        self.changed();
    }

    /// The answer is 101: from its end on, the bytes of the client are not HTTP.
    pub fn upgraded(&self) {
        self.moments.upgraded.store(true, Relaxed);
        self.moments.reader.wake();
    }

    /// A response body gave data, and waits until the client has room for more.
    ///
    /// Over HTTP/2 hyper asks a body for more only when its stream's window has room (RFC 9113 §5.2), and no write is
    /// blocked that would tell. Over HTTP/1.1 this counts for nothing: hyper fills a buffer of its own first.
    pub fn response_waits(&self) {
        self.waiting.set(self.waiting.get() + 1);
        self.waiting_changed();
    }

    /// A response body that waited was asked for more, or dropped.
    pub fn response_goes_on(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
        self.waiting_changed();
    }

    /// What it is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let waits = self.waiting.get() > 0 && !self.moments.http1.load(Relaxed);
        let stuck = waits || self.moments.blocked.load(Relaxed);
        if stuck {
            Phase::Blocked
        } else if self.open.get() > 0 {
            Phase::Serving
        } else if self.moments.within_head.load(Relaxed) || self.requests.get() == 0 {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Whether a part of a head has come.
    #[must_use]
    pub fn is_within_head(&self) -> bool {
        self.moments.within_head.load(Relaxed)
    }

    /// No more requests: the connection ends with those that it has. Of HTTP/1.1 the answer says so.
    pub fn end(&self) {
        self.ending.set(true);
        self.changed();
    }

    /// Whether it is to end with what it is doing.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Whether an HTTP/1.1 connection holds nothing but itself: no request is open, no byte of a next one has come, and
    /// all answers have left. Whatever reads it can be taken away, and another begin with the next byte.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.phase() == Phase::Idle && self.moments.resting.load(Relaxed)
    }

    /// A number that differs whenever something has changed that a limit is measured from.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
            .get()
            .wrapping_add(self.moments.changes.load(Relaxed))
    }

    /// The driver's task, woken by the next change; `None` while it runs and looks by itself.
    pub fn set_driver(&self, waker: Option<Waker>) {
        let replaced = self.driver.replace(waker);
        drop(replaced);
    }

    fn waiting_changed(&self) {
        if !self.moments.http1.load(Relaxed) {
            self.changed();
        }
    }

    fn changed(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
        // HTTP/2 streams are tasks of their own, and one that is dropped wakes nobody else.
        let driver = self.driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
