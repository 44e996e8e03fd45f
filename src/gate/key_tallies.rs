//! Where a worker counts what the keys of a snapshot are used for.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::jwt::{KeyPlace, VerifiedToken};
use crate::metrics::{KeyTally, WorkerId};
use crate::snapshot::Snapshot;

/// The tallies of one worker for the keys of one snapshot, by their number; of nobody in particular there are none.
#[derive(Default)]
pub(super) struct KeyTallies(Vec<Arc<KeyTally>>);

impl KeyTallies {
    /// Those for the keys of `snapshot`.
    pub(super) fn of(worker: WorkerId, snapshot: &Snapshot) -> Self {
        let keys = snapshot.key_uses.in_force();
        Self(keys.filter_map(|key| key.tally(worker).cloned()).collect())
    }

    /// A token of the key is good. Nothing is looked up: this is a part of every decision on a known token.
    #[inline]
    pub(super) fn accepted(&self, place: KeyPlace, now: UnixTime) {
        if let Some(tally) = self.0.get(place.key) {
            tally.accepted(now.seconds());
        }
    }

    /// The key has verified a token, or would do so again.
    pub(super) fn verified(&self, place: KeyPlace, token: &VerifiedToken) {
        if let Some(tally) = self.0.get(place.key) {
            let claims = token.claims();
            let (expires, issued_at) = (claims.expires(), claims.issued_at());
            let lifetime = expires.zip(issued_at).map(|(to, from)| to.since(from));
            tally.verified(expires.map(UnixTime::seconds), lifetime);
        }
    }
}
