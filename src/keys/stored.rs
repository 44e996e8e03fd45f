//! The local issuer's own keys, as an operator sees them: no refresher fetches them, so nobody notes what became of a fetch.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

use super::status::{SourceState, SourceStatus};
use super::{RemoteKeySets, SourceId};

/// How long ago the store may have been asked for the keys to count as fresh: a few of the intervals at which it is.
const FRESH: Duration = Duration::from_mins(2);

/// The source whose keys the store has.
#[derive(Clone)]
pub(super) struct StoredKeys {
    pub(super) id: SourceId,
    pub(super) stale_for: Duration,
    pub(super) registry: Arc<RemoteKeySets>,
    pub(super) clock: Clock,
}

impl StoredKeys {
    /// What is known about it now.
    pub(super) fn status(&self) -> SourceStatus {
        let held = self.registry.held(&self.id);
        let now = self.clock.now();
        let state = match &held {
            None => SourceState::Never,
            Some(held) if held.is_stale(now, self.stale_for) => SourceState::Expired,
            Some(held) if held.from_disk => SourceState::FromDisk,
            Some(held) if held.is_stale(now, FRESH) => SourceState::Stale,
            Some(_) => SourceState::Fresh,
        };
        let fetched = held.as_ref().map(|held| held.fetched);
        SourceStatus {
            issuer: Arc::clone(self.id.issuer()),
            kind: "store",
            source: Arc::clone(self.id.name()),
            url: self.id.name().to_string(),
            state,
            last_attempt: None,
            last_success: fetched,
            next_attempt: None,
            serves_until: fetched.map(|fetched| fetched.plus(self.stale_for)),
            last_error: held
                .is_none()
                .then(|| "the store has given none yet".to_owned()),
            failures: 0,
            fetches: 0,
            keys: held.map_or(0, |held| held.keys()),
            warnings: Vec::new(),
            unknown_kids: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::clock::UnixTime;
    use crate::config::KeySource;
    use crate::keys::testing::{fresh_set, issuer_of};

    #[test]
    fn what_is_shown_follows_the_registry() {
        let start = UnixTime::from_seconds(1_800_000_000);
        let (clock, seconds) = Clock::manual(start);
        let directory = tempfile::tempdir().unwrap();
        let registry = || Arc::new(RemoteKeySets::new(directory.path(), clock.clone()));
        let issuer = issuer_of(vec![KeySource::Store]);
        let id = SourceId::of_store(&issuer);
        let stored = |registry: Arc<RemoteKeySets>| StoredKeys {
            id: id.clone(),
            stale_for: Duration::from_hours(1),
            registry,
            clock: clock.clone(),
        };
        let first = stored(registry());
        let status = first.status();
        assert_eq!((status.state, status.keys), (SourceState::Never, 0));
        assert!(status.last_error.is_some());
        first
            .registry
            .put(&id, fresh_set(&["a", "b"]), None, start)
            .unwrap();
        first.registry.keep(&id);
        let status = first.status();
        assert_eq!((status.state, status.keys), (SourceState::Fresh, 2));
        assert_eq!(status.last_success, Some(start));
        assert_eq!(
            status.serves_until,
            Some(start.plus(Duration::from_hours(1)))
        );
        assert_eq!((&*status.source, status.last_error), ("the store", None));
        seconds.fetch_add(180, Ordering::Relaxed);
        assert_eq!(first.status().state, SourceState::Stale);
        first.registry.confirm(&id, clock.now());
        assert_eq!(first.status().state, SourceState::Fresh);
        // Another process, which has only the disk.
        let second = stored(registry());
        second.registry.current(&id, second.stale_for).unwrap();
        assert_eq!(second.status().state, SourceState::FromDisk);
        seconds.fetch_add(7200, Ordering::Relaxed);
        assert_eq!(second.status().state, SourceState::Expired);
    }
}
