//! Until when the revocations in force may be believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::UnixTime;

/// Until when a list is current. Shared by a writer and every set that it published: one write, and all of them know.
///
/// A list that nobody has compared with its source for long may lack what was revoked since, so it carries a date. It is
/// read on each request that shows a token: one relaxed load.
#[derive(Clone, Debug)]
pub struct CurrentUntil(Arc<AtomicI64>);

impl CurrentUntil {
    /// Of a list that has no source, or whose age does not matter: always current.
    #[must_use]
    pub fn for_ever() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }

    /// Of a list that was not loaded yet: never current, until it is set.
    #[must_use]
    pub fn never() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }

    /// Current before `moment`, and not from then on.
    pub fn set(&self, moment: UnixTime) {
        // Relaxed: the list itself is published by a swap of its own, and a worker that sees one a moment before the other
        // is wrong by that moment only.
        self.0.store(moment.seconds(), Ordering::Relaxed);
    }

    /// Current from now on, whatever the time.
    pub fn set_for_ever(&self) {
        self.0.store(i64::MAX, Ordering::Relaxed);
    }

    /// Not current any more, whatever the time.
    pub fn set_over(&self) {
        self.0.store(i64::MIN, Ordering::Relaxed);
    }

    /// Whether the list is current at `now`.
    #[inline]
    #[must_use]
    pub fn is_current(&self, now: UnixTime) -> bool {
        now.seconds() < self.0.load(Ordering::Relaxed)
    }
}
