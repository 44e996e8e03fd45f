//! One issuer: its policy and its keys.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;

use super::{AlgorithmSet, KeySet};

/// What an issuer's tokens must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerPolicy {
    /// `iss`, compared exactly.
    pub issuer: Box<str>,
    /// Our names in the audience claim; at least one.
    pub audiences: Vec<Box<str>>,
    /// Whether one of them suffices.
    pub audience_match: AudienceMatch,
    /// Where the audience stands: `aud`, or `client_id` for Cognito.
    pub audience_claim: Box<str>,
    /// What is accepted in `alg`.
    pub algorithms: AlgorithmSet,
    /// Clock skew allowed on `exp`, `nbf` and `iat`: at most five minutes.
    pub leeway: Duration,
    /// Claims that must be there besides `exp`, `iss` and the audience.
    pub require: Vec<Box<str>>,
    /// Accepted `typ` values, lower case, without `application/`; an absent `typ` counts as `jwt`.
    pub token_types: Vec<Box<str>>,
    /// Longest time between `iat` and `exp`, if limited; then `iat` must be there.
    pub max_lifetime: Option<Duration>,
    /// Whether tokens bound to a sender (`cnf`) pass as bearer tokens.
    pub accept_cnf: bool,
}

impl IssuerPolicy {
    /// The moment at which no token is valid any more that was issued by now, or by `before`; `None` if nothing limits how
    /// long tokens live.
    ///
    /// With a longest life each token has an `iat`, which lies in the future by no more than the leeway.
    #[must_use]
    pub fn over_by(&self, before: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
        let last = before.unwrap_or_else(|| now.plus(self.leeway));
        let longest = self.max_lifetime?;
        Some(last.plus(longest).plus(self.leeway))
    }

    /// How long from now on any token may be admitted that was issued by now; `lifetime` is its longest life where the policy
    /// has none. The clock that issued it, and the one that it is checked by, may each be off by the leeway.
    #[must_use]
    pub fn admitted_for(&self, lifetime: Duration) -> Duration {
        self.leeway + self.max_lifetime.unwrap_or(lifetime) + self.leeway
    }
}

/// Whether one audience suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AudienceMatch {
    /// Any of them.
    #[default]
    Any,
    /// All of them.
    All,
}

/// An issuer whose tokens are checked: policy and keys in force.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in gateway.toml.
    pub name: Arc<str>,
    /// What its tokens must say. Shared: whoever remembers a token remembers its policy with it, but never the keys.
    pub policy: Arc<IssuerPolicy>,
    /// Its keys.
    pub keys: KeySet,
}

/// Where a key stands among those of several issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// Its issuer, by index.
    pub issuer: usize,
    /// Its number among the keys of all issuers, one after another, from 0.
    pub key: usize,
}

impl KeyPlace {
    /// Of a key of `issuers[issuer]`, which has that place among the issuer's own.
    pub(super) fn new(issuers: &[Arc<Issuer>], issuer: usize, place: usize) -> Self {
        let before = issuers.iter().take(issuer).map(|other| other.keys.len());
        Self {
            issuer,
            key: before.sum::<usize>() + place,
        }
    }
}
