//! A token that passed every check, and what it takes to stay so.

use std::sync::Arc;

use crate::clock::UnixTime;

use super::verify::check_times;
use super::{
    ClaimsSet, Issuer, IssuerPolicy, JoseHeader, KeyIdentity, KeyPlace, TokenError, VerifyingKey,
};

/// A token that passed every check that does not depend on the route.
///
/// It remembers under which policy and by which key it did, and holds no key: one that is removed is gone.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    pub(super) claims: ClaimsSet,
    pub(super) header: Arc<JoseHeader>,
    pub(super) policy: Arc<IssuerPolicy>,
    pub(super) key: KeyIdentity,
    /// What the key was called, if the header does not say it.
    pub(super) key_name: Option<Box<str>>,
}

impl VerifiedToken {
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &ClaimsSet {
        &self.claims
    }

    /// The `kid` of its header, or else that of the key that verified it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref().or(self.key_name.as_deref())
    }

    /// `iss`, as the policy has it.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.policy.issuer
    }

    /// Where its issuer's tokens name their audience: `aud`, or `client_id`.
    #[must_use]
    pub fn audience_claim(&self) -> &str {
        &self.policy.audience_claim
    }

    /// Which of `issuers` would verify it now as it was: the one with an equal policy, if the key that it finds for this
    /// token's `kid` and `alg` is still the one that did.
    ///
    /// `None`: whether the token is good has to be found out anew.
    #[must_use]
    pub fn issuer_among(&self, issuers: &[Arc<Issuer>]) -> Option<usize> {
        self.place_among(issuers).map(|place| place.issuer)
    }

    /// The same, with the place of the key.
    #[must_use]
    pub fn place_among(&self, issuers: &[Arc<Issuer>]) -> Option<KeyPlace> {
        issuers.iter().enumerate().find_map(|(index, issuer)| {
            // Equal pointers are equal without a look; the rest is compared whole.
            if issuer.policy != self.policy {
                return None;
            }
            let place = self.place_of_key(issuer)?;
            Some(KeyPlace::new(issuers, index, place))
        })
    }

    /// The whole look-up again, not a search for the key: another key under the same `kid` is not this token's.
    fn place_of_key(&self, issuer: &Issuer) -> Option<usize> {
        let (kid, algorithm) = (self.header.kid.as_deref(), self.key.algorithm);
        let (place, key) = issuer.keys.find_with_place(kid, algorithm).ok()?;
        let same =
            key.identity(algorithm) == self.key && name_of(key, kid) == self.key_name.as_deref();
        same.then_some(place)
    }

    /// Checks again what time can undo: `exp`, `nbf`, and `iat` if the clock was set back.
    ///
    /// # Errors
    /// `Expired` or `NotYetValid`, as for a token that is seen for the first time.
    pub fn check_times(&self, now: UnixTime) -> Result<(), TokenError> {
        check_times(&self.claims, &self.policy, now)
    }

    /// `exp` and the issuer's leeway: from then on it is expired.
    #[must_use]
    pub fn usable_until(&self) -> Option<UnixTime> {
        let expires = self.claims.expires()?;
        Some(expires.plus(self.policy.leeway))
    }

    /// Bytes on the heap that are this token's own. The policy is its issuer's.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let name = self.key_name.as_ref().map_or(0, |name| name.len());
        self.claims.heap_bytes() + self.header.heap_bytes() + name
    }
}

/// What a key is called, where the header does not say it.
pub(super) fn name_of<'k>(key: &'k VerifyingKey, kid: Option<&str>) -> Option<&'k str> {
    match kid {
        Some(_) => None,
        None => key.kid(),
    }
}
