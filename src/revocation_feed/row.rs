//! A line of the store's list.

use crate::clock::UnixTime;
use crate::revocation::{Revocation, RevocationKind, RevocationTarget};

/// What the store says of a target: one of several revocations that stand beside each other, or that all of them so far are
/// taken back. A row never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Grows with every change, in the order in which changes are committed.
    pub(super) number: i64,
    /// `iss`
    pub(super) issuer: Box<str>,
    pub(super) kind: RevocationKind,
    pub(super) value: Box<str>,
    pub(super) before: Option<UnixTime>,
    pub(super) until: Option<UnixTime>,
    /// It takes back those of its target that have smaller numbers.
    pub(super) removed: bool,
}

impl Row {
    pub(super) fn target(&self) -> RevocationTarget<'_> {
        RevocationTarget::new(self.kind, &self.value)
    }

    /// What it refuses, unless it takes back.
    pub(super) fn revocation(&self) -> Option<Revocation<'_>> {
        (!self.removed).then(|| Revocation {
            issuer: &self.issuer,
            target: self.target(),
            before: self.before,
            until: self.until,
        })
    }
}
