//! What the local issuer counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of sign-ins and refreshes. The issuer is one task among many of the control runtime, so one place will do.
#[derive(Debug, Default)]
pub struct SessionMetrics {
    sign_ins: [AtomicU64; SignIn::ALL.len()],
    refreshes: [AtomicU64; Refresh::ALL.len()],
    passwords: AtomicU64,
}

/// What came of a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum SignIn {
    /// They fit.
    Success,
    /// They did not, or there is nobody of that name.
    Refused,
    /// Somebody was wrong too often before.
    Throttled,
    /// Too many passwords waited to be hashed.
    Overloaded,
    /// Nobody found out: the store was away, or something failed.
    Failed,
}

impl SignIn {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Refused,
        Self::Throttled,
        Self::Overloaded,
        Self::Failed,
    ];

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
        }
    }
}

/// What came of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Refresh {
    /// It was the one in force.
    Rotated,
    /// It was used a moment before, and its successor was given once more.
    Repeated,
    /// It was used long before: its session was ended.
    Reused,
    /// It continues nothing.
    Refused,
    /// Nobody found out, or the request was wrong in another way.
    Failed,
}

impl Refresh {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 5] = [
        Self::Rotated,
        Self::Repeated,
        Self::Reused,
        Self::Refused,
        Self::Failed,
    ];

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Repeated => "repeated",
            Self::Reused => "reused",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl SessionMetrics {
    /// A sign-in was answered: `portcullis_sign_ins_total{outcome}`.
    pub fn signed_in(&self, outcome: SignIn) {
        self.sign_ins[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A refresh was answered: `portcullis_refreshes_total{outcome}`.
    pub fn refreshed(&self, outcome: Refresh) {
        self.refreshes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many passwords are being hashed or wait: `portcullis_password_queue`.
    pub fn passwords(&self, queued: usize) {
        let queued = u64::try_from(queued).unwrap_or(u64::MAX);
        self.passwords.store(queued, Ordering::Relaxed);
    }

    /// Sign-ins with that outcome.
    #[must_use]
    pub fn sign_ins(&self, outcome: SignIn) -> u64 {
        self.sign_ins[outcome as usize].load(Ordering::Relaxed)
    }

    /// Refreshes with that outcome.
    #[must_use]
    pub fn refreshes(&self, outcome: Refresh) -> u64 {
        self.refreshes[outcome as usize].load(Ordering::Relaxed)
    }

    pub(super) fn queued(&self) -> u64 {
        self.passwords.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_stand_at_their_own_index() {
        for (index, outcome) in SignIn::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, outcome) in Refresh::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
