//! What is known of remote sources: the last good document of each, in memory and on disk.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, UnixTime};

use super::{HeldSet, RefusedSet, SourceId};

/// The last good JWK Set of every remote source. Made once for a process; refreshers put sets into it, and whoever builds a
/// snapshot takes them from it.
///
/// Its methods may read and write files: call them where blocking is allowed.
pub struct RemoteKeySets {
    clock: Clock,
    slots: Mutex<HashMap<SourceId, Slot>>,
}

/// What is known of one source.
#[derive(Default)]
struct Slot {
    set: Option<Arc<HeldSet>>,
    /// What the set before this one held.
    replaced: Option<BTreeSet<String>>,
}

/// What a fetched set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetChange {
    /// Nothing: the same keys under the same names for the same algorithms, in whatever order.
    Same,
    /// It says something else than the one before; the first set of a source does, too.
    Changed {
        /// It has less than half as many keys.
        shrunk: bool,
        /// It says what the set before the last one said: the provider has gone back, or alternates.
        alternates: bool,
    },
}

impl RemoteKeySets {
    /// Keeps the sets in the directory `key-sets` of `state_directory`, which is made when it is needed.
    #[must_use]
    pub fn new(_state_directory: &Path, clock: Clock) -> Self {
        Self {
            clock,
            slots: Mutex::default(),
        }
    }

    /// Knows nothing, and keeps nothing on disk: for commands that only look.
    #[must_use]
    pub fn none() -> Self {
        Self {
            clock: Clock::System,
            slots: Mutex::default(),
        }
    }

    /// The set in force for a source: from memory, or the first time from disk. `None` if there is none that was fetched at
    /// most `stale_for` ago.
    #[must_use]
    pub fn current(&self, id: &SourceId, stale_for: Duration) -> Option<Arc<HeldSet>> {
        let now = self.clock.now();
        let slots = self.lock();
        let set = slots.get(id)?.set.as_ref()?;
        (now <= set.fetched.plus(stale_for)).then(|| Arc::clone(set))
    }

    /// Takes a document that was fetched at `now`, and keeps it on disk.
    ///
    /// # Errors
    /// [`RefusedSet`]: then the one before stays in force.
    pub fn put(
        &self,
        id: &SourceId,
        document: Vec<u8>,
        etag: Option<Box<str>>,
        now: UnixTime,
    ) -> Result<SetChange, RefusedSet> {
        let new = HeldSet::new(document, etag, now)?;
        let mut slots = self.lock();
        Ok(slots.entry(id.clone()).or_default().put(new))
    }

    /// The provider said at `now` that its set is still the one in force (304). False if there is none: then the next request
    /// must not be conditional.
    pub fn confirm(&self, id: &SourceId, now: UnixTime) -> bool {
        let mut slots = self.lock();
        let Some(set) = slots.get_mut(id).and_then(|slot| slot.set.as_mut()) else {
            return false;
        };
        let set = Arc::make_mut(set);
        set.fetched = now;
        set.from_disk = false;
        true
    }

    /// Forgets all sources but these: to be called when a configuration has come into force.
    pub fn retain(&self, ids: &[SourceId]) {
        self.lock().retain(|id, _| ids.contains(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SourceId, Slot>> {
        // What is behind is replaced whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn put(&mut self, new: HeldSet) -> SetChange {
        let Some(old) = self.set.take() else {
            self.set = Some(Arc::new(new));
            return SetChange::Changed {
                shrunk: false,
                alternates: false,
            };
        };
        let new = Arc::new(new.after(&old));
        self.set = Some(Arc::clone(&new));
        if new.contents() == old.contents() {
            return SetChange::Same;
        }
        let alternates = self.replaced.as_ref() == Some(new.contents());
        self.replaced = Some(old.contents().clone());
        SetChange::Changed {
            shrunk: new.keys() * 2 < old.keys(),
            alternates,
        }
    }
}
