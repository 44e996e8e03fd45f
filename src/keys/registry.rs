//! What is known of remote sources: the last good document of each, in memory and on disk.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, UnixTime};

use super::persist::Directory;
use super::{HeldSet, RefusedSet, SourceId};

/// How far ahead of our clock a set from disk may have been fetched: clocks of two machines differ.
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// How much newer a set must be than its file, for a file that would say the same otherwise.
const REWRITE: Duration = Duration::from_mins(1);

/// The last good JWK Set of every remote source. Made once for a process; refreshers put sets into it, and whoever builds a
/// snapshot takes them from it.
///
/// Its methods may read and write files: call them where blocking is allowed. A file that cannot be read or written is said
/// once and costs nothing but a start without the provider.
pub struct RemoteKeySets {
    clock: Clock,
    /// `None`: nothing is kept on disk.
    directory: Option<Directory>,
    known: Mutex<Known>,
    /// Held while a file is written: what is written last is what is newest.
    writing: Mutex<Writing>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<SourceId, Slot>,
    /// The sources of the configuration in force, once there is one.
    in_force: Option<HashSet<SourceId>>,
}

/// What is known of one source, once its file was looked at.
#[derive(Default)]
struct Slot {
    set: Option<Arc<HeldSet>>,
    /// What the set before this one held.
    replaced: Option<BTreeSet<String>>,
    /// Of when the set on disk is, if it says the same.
    on_disk: Option<UnixTime>,
    /// Whether it was said that a set from disk is too old, or of the future.
    told: bool,
    /// Whether the set was in force at some time of our clock.
    served: bool,
}

#[derive(Default)]
struct Writing {
    /// Whether the last attempt failed, which was said then.
    failed: bool,
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
    pub fn new(state_directory: &Path, clock: Clock) -> Self {
        Self {
            directory: Some(Directory::of(state_directory)),
            clock,
            ..Self::none()
        }
    }

    /// Knows nothing, and keeps nothing on disk: for commands that only look.
    #[must_use]
    pub fn none() -> Self {
        Self {
            clock: Clock::System,
            directory: None,
            known: Mutex::default(),
            writing: Mutex::default(),
        }
    }

    /// The set in force for a source: from memory, or the first time from disk. `None` if there is none that was fetched at
    /// most `stale_for` ago.
    #[must_use]
    pub fn current(&self, id: &SourceId, stale_for: Duration) -> Option<Arc<HeldSet>> {
        self.look(id);
        let now = self.clock.now();
        lock(&self.known)
            .slots
            .get_mut(id)?
            .current(id, now, stale_for)
    }

    /// What is held of a source, in force or too old, as far as memory knows.
    pub(super) fn held(&self, id: &SourceId) -> Option<Arc<HeldSet>> {
        lock(&self.known).slots.get(id)?.set.clone()
    }

    /// Takes a document that was fetched at `now`; [`RemoteKeySets::keep`] writes it to disk. Nothing is taken for a source
    /// that has left the configuration: its last fetch may end after that.
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
        self.look(id);
        let mut known = lock(&self.known);
        if !known.is_in_force(id) {
            return Ok(SetChange::Same);
        }
        Ok(known.slots.entry(id.clone()).or_default().put(new))
    }

    /// The provider said at `now` that its set is still the one in force (304). False if there is none: then the next request
    /// must not be conditional.
    pub fn confirm(&self, id: &SourceId, now: UnixTime) -> bool {
        self.look(id);
        let mut known = lock(&self.known);
        let in_force = known.is_in_force(id);
        let slot = known.slots.get_mut(id).filter(|_| in_force);
        slot.is_some_and(|slot| slot.confirm(now))
    }

    /// Forgets all sources but these: to be called when a configuration has come into force, before its sources are fetched.
    ///
    /// Files of other sources stay while their keys could serve, so that a change of the configuration can be taken back while
    /// a provider is down.
    pub fn retain(&self, ids: &[SourceId]) {
        {
            let mut known = lock(&self.known);
            known.slots.retain(|id, _| ids.contains(id));
            known.in_force = Some(ids.iter().cloned().collect());
        }
        if let Some(directory) = &self.directory {
            let _alone = lock(&self.writing);
            directory.sweep(ids, self.clock.now());
        }
    }

    /// Nothing is written while this is held.
    #[cfg(test)]
    pub(super) fn stop_the_disk(&self) -> MutexGuard<'_, impl Sized + use<>> {
        lock(&self.writing)
    }

    /// Looks for the file of a source that nothing is known of yet.
    fn look(&self, id: &SourceId) {
        if lock(&self.known).slots.contains_key(id) {
            return;
        }
        let loaded = match &self.directory {
            Some(directory) => directory.load(id).unwrap_or_else(|error| {
                tracing::warn!(
                    issuer = &**id.issuer(),
                    file = %directory.file(id).display(),
                    %error,
                    "a kept key set is not used"
                );
                None
            }),
            None => None,
        };
        // Whoever was faster knows as much.
        let mut known = lock(&self.known);
        let slot = known.slots.entry(id.clone());
        slot.or_insert_with(|| Slot::of_disk(loaded));
    }

    /// Writes the set of a source to disk, if the file does not say the same. A step of its own: a slow or hanging disk delays
    /// no key.
    pub fn keep(&self, id: &SourceId) {
        let Some(directory) = &self.directory else {
            return;
        };
        let mut writing = lock(&self.writing);
        let set = {
            let known = lock(&self.known);
            let due = known.slots.get(id).filter(|slot| slot.is_write_due());
            due.and_then(|slot| slot.set.clone())
        };
        let Some(set) = set else { return };
        match directory.store(id, &set) {
            Ok(()) => {
                writing.failed = false;
                if let Some(slot) = lock(&self.known).slots.get_mut(id) {
                    slot.written(&set);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut writing.failed, true) {
                    tracing::warn!(
                        issuer = &**id.issuer(),
                        file = %directory.file(id).display(),
                        %error,
                        "fetched keys cannot be kept: a restart needs the provider"
                    );
                }
            }
        }
    }
}

impl Default for RemoteKeySets {
    fn default() -> Self {
        Self::none()
    }
}

impl Known {
    fn is_in_force(&self, id: &SourceId) -> bool {
        self.in_force.as_ref().is_none_or(|ids| ids.contains(id))
    }
}

impl Slot {
    fn of_disk(set: Option<HeldSet>) -> Self {
        Self {
            on_disk: set.as_ref().map(|set| set.fetched),
            set: set.map(Arc::new),
            ..Self::default()
        }
    }

    fn current(
        &mut self,
        id: &SourceId,
        now: UnixTime,
        stale_for: Duration,
    ) -> Option<Arc<HeldSet>> {
        let set = self.set.as_mut()?;
        let problem = if now.plus(CLOCK_SKEW) < set.fetched {
            if self.served || !set.from_disk {
                // Our own clock was set back; from here on the set ages again.
                Arc::make_mut(set).fetched = now;
                return Some(Arc::clone(set));
            }
            "it is of the future"
        } else if set.is_stale(now, stale_for) {
            "it is too old"
        } else {
            self.served = true;
            return Some(Arc::clone(set));
        };
        if set.from_disk && !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                issuer = &**id.issuer(),
                source = &**id.name(),
                fetched = %set.fetched,
                error = problem,
                "a kept key set is not used"
            );
        }
        None
    }

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
        self.on_disk = None;
        let alternates = self.replaced.as_ref() == Some(new.contents());
        self.replaced = Some(old.contents().clone());
        SetChange::Changed {
            shrunk: new.keys() * 2 < old.keys(),
            alternates,
        }
    }

    fn confirm(&mut self, now: UnixTime) -> bool {
        let Some(set) = self.set.as_mut() else {
            return false;
        };
        let set = Arc::make_mut(set);
        set.fetched = now;
        set.from_disk = false;
        true
    }

    fn is_write_due(&self) -> bool {
        match (&self.set, self.on_disk) {
            (Some(set), Some(on_disk)) => {
                set.fetched < on_disk || on_disk.plus(REWRITE) <= set.fetched
            }
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// That set was written; it may have changed meanwhile.
    fn written(&mut self, written: &HeldSet) {
        let same = |set: &Arc<HeldSet>| set.contents() == written.contents();
        if self.set.as_ref().is_some_and(same) {
            self.on_disk = Some(written.fetched);
        }
    }
}

/// Locks, also after a panic of another holder: what is behind is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
