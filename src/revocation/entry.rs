//! A revocation as it is kept: a digest and two dates.

use crate::clock::UnixTime;

use super::digest::Digest;
use super::kind::Revocation;

/// 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    pub(super) dates: Dates,
}

/// What an entry refuses, and for how long it is kept. Seconds since 1970; the last number is for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Dates {
    before: u32,
    until: u32,
}

impl Dates {
    /// Those of a revocation.
    pub(super) fn of(revocation: &Revocation<'_>) -> Self {
        Self {
            before: seconds(revocation.before),
            until: seconds(revocation.until),
        }
    }

    /// From where they are kept.
    pub(super) fn unpack(packed: PackedDates) -> Self {
        Self {
            before: u32::from_le_bytes(packed.before),
            until: u32::from_le_bytes(packed.until),
        }
    }

    /// To be kept.
    pub(super) fn pack(self) -> PackedDates {
        PackedDates {
            before: self.before.to_le_bytes(),
            until: self.until.to_le_bytes(),
        }
    }

    /// Whether a token of that `iat` is refused.
    pub(super) fn refuses(self, issued_at: UnixTime) -> bool {
        self.before == FOR_EVER || issued_at.seconds() <= i64::from(self.before)
    }

    /// Whether this refuses every token that `other` refuses.
    pub(super) fn refuses_all_of(self, other: Self) -> bool {
        self.before >= other.before
    }

    /// Whether this makes `other` superfluous: it refuses as much for as long.
    pub(super) fn covers(self, other: Self) -> bool {
        self.refuses_all_of(other) && self.until >= other.until
    }

    /// The second from which on it may be forgotten.
    pub(super) fn until(self) -> u32 {
        self.until
    }

    /// Whether it may be forgotten at `now`, as of [`present`].
    pub(super) fn is_over(self, now: u32) -> bool {
        self.until <= now
    }
}

/// [`Dates`] without alignment.
#[derive(Clone, Copy)]
pub(super) struct PackedDates {
    pub(super) before: [u8; 4],
    pub(super) until: [u8; 4],
}

/// A date that never comes.
pub(super) const FOR_EVER: u32 = u32::MAX;

/// `now` as entries count: never [`FOR_EVER`], which therefore is never over.
pub(super) fn present(now: UnixTime) -> u32 {
    seconds(Some(now)).min(FOR_EVER - 1)
}

/// What does not fit refuses more tokens, and is kept longer, never the other way round.
fn seconds(date: Option<UnixTime>) -> u32 {
    date.map_or(FOR_EVER, |date| {
        u32::try_from(date.seconds().max(0)).unwrap_or(FOR_EVER)
    })
}
