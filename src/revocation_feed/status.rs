//! What is known of the list, for those who ask.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::config::StoreFailure;

/// The state of the list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// Where it came from; `None` until there is one.
    pub origin: Option<ListOrigin>,
    /// How many revocations it has.
    pub revocations: usize,
    /// The number of the last change that it knows, if it came from the store.
    pub newest: Option<i64>,
    /// When it was last known to be the list of the store.
    pub confirmed: Option<UnixTime>,
    /// Why the store did not answer, since it last did.
    pub failure: Option<String>,
    /// What happens to tokens when it is too old.
    pub fail: StoreFailure,
    /// How old it may be.
    pub stale_for: Duration,
}

/// Where a list came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOrigin {
    /// The copy on disk.
    Copy,
    /// The store.
    Store,
}

impl ListOrigin {
    /// As `/status` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Store => "store",
        }
    }
}

impl FeedStatus {
    pub(super) fn new(fail: StoreFailure, stale_for: Duration) -> Self {
        Self {
            origin: None,
            revocations: 0,
            newest: None,
            confirmed: None,
            failure: None,
            fail,
            stale_for,
        }
    }

    /// Whether it is young enough to be believed.
    #[must_use]
    pub fn is_current(&self, now: UnixTime) -> bool {
        self.confirmed
            .is_some_and(|confirmed| now < confirmed.plus(self.stale_for))
    }

    /// What is wrong with it, in a few words; `None` if nothing is.
    #[must_use]
    pub fn problem(&self, now: UnixTime) -> Option<String> {
        if self.is_current(now) {
            return None;
        }
        let what = match self.confirmed {
            None => "the list was not loaded yet".to_owned(),
            Some(confirmed) => format!("the list is of {confirmed}, which is too long ago"),
        };
        let why = self.failure.as_ref();
        Some(why.map_or_else(|| what.clone(), |why| format!("{what}: {why}")))
    }
}
