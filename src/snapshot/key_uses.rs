//! What counts for the keys of a snapshot: looked up when it is built, so that nobody looks anything up later.

use std::sync::Arc;

use crate::jwt::{Issuer, VerifyingKey};
use crate::metrics::{KeyName, KeyUse, KeyUses};

/// The uses of a snapshot's keys.
#[derive(Debug, Default)]
pub struct SnapshotKeyUses {
    uses: Arc<KeyUses>,
    /// Of all keys of all issuers, one after another: by the number of a key's place.
    in_force: Vec<Arc<KeyUse>>,
    /// By issuer: keys that were removed, the last one first.
    retired: Vec<Vec<Arc<KeyUse>>>,
}

impl SnapshotKeyUses {
    /// Of the keys of `issuers`.
    #[must_use]
    pub fn of(issuers: &[Arc<Issuer>], uses: &Arc<KeyUses>) -> Self {
        let mut found = Self {
            uses: Arc::clone(uses),
            ..Self::default()
        };
        for issuer in issuers {
            let of_issuer = uses.of(&issuer.name, issuer.keys.iter().map(name_of));
            found.in_force.extend(of_issuer.in_force);
            found.retired.push(of_issuer.retired);
        }
        found
    }

    /// Of other keys, counted in the same place.
    #[must_use]
    pub fn with(&self, issuers: &[Arc<Issuer>]) -> Self {
        Self::of(issuers, &self.uses)
    }

    /// Of the keys in force, in the order of their numbers.
    pub fn in_force(&self) -> std::slice::Iter<'_, Arc<KeyUse>> {
        self.in_force.iter()
    }

    /// Of the key of that name which the issuer of that index had last, and has no longer.
    #[must_use]
    pub fn retired(&self, issuer: usize, kid: &str) -> Option<&Arc<KeyUse>> {
        let mut keys = self.retired.get(issuer)?.iter();
        keys.find(|key| key.kid() == Some(kid))
    }
}

/// What tells a key apart, for counting.
#[must_use]
pub fn name_of(key: &VerifyingKey) -> KeyName<'_> {
    KeyName {
        kid: key.kid(),
        thumbprint: key.thumbprint(),
    }
}
