//! The order in which a token is checked, a stage a type: none can be left out, and only the last gives the claims away.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::json::Value;

use super::claims::texts;
use super::verified::name_of;
use super::{
    AudienceMatch, ClaimsSet, CompactJws, Issuer, IssuerPolicy, JoseHeader, KeyLookupError,
    KeyPlace, PreparedKeys, TokenCheck, TokenError, TokenObserver, Unobserved, VerifiedToken,
    VerifyingKey,
};

/// What a token says of itself, with the issuer and the key that judge it. Nothing in it is proven: there is no way to its
/// claims but [`Self::check_signature`].
pub struct UnverifiedToken<'t> {
    jws: CompactJws<'t>,
    header: &'t Arc<JoseHeader>,
    claims: ClaimsSet,
    place: KeyPlace,
    issuer: &'t Issuer,
    key: &'t VerifyingKey,
}

impl<'t> UnverifiedToken<'t> {
    /// All that can be said before the signature: payload, `iss`, key by (issuer, kid, alg), signature length, `exp`, `nbf`.
    ///
    /// `header` is that of `jws`, parsed. `issuers` are those of the configuration, `admitted` says which of them (by index)
    /// the route admits. `observer` is told of each check that passes, as in the stages after this one.
    ///
    /// # Errors
    /// The first check that fails, and whether newer keys may help.
    pub fn read(
        jws: CompactJws<'t>,
        header: &'t Arc<JoseHeader>,
        issuers: &'t [Arc<Issuer>],
        admitted: impl Fn(usize) -> bool,
        now: UnixTime,
        observer: &mut impl TokenObserver,
    ) -> Result<Self, Unreadable> {
        let claims = ClaimsSet::parse(jws.payload)?;
        observer.passed(TokenCheck::Payload(&claims));
        let (index, issuer) = find_issuer(&claims, issuers, admitted)?;
        observer.passed(TokenCheck::Issuer(index));
        check_algorithm(header, issuer)?;
        observer.passed(TokenCheck::Algorithm);
        // Cheap, and says nothing that the sender does not know: an expired token is worth no signature check, nor new keys.
        let in_time = check_validity_period(&claims, &issuer.policy, now);
        let unreadable = |error, newer_keys: bool| Unreadable {
            error,
            newer_keys_of: (newer_keys && in_time.is_ok()).then_some(index),
        };
        let (at, key) = find_key(header, issuer).map_err(|error| unreadable(error, true))?;
        let place = KeyPlace::new(issuers, index, at);
        observer.passed(TokenCheck::Key(place));
        if !key.has_length(header.algorithm, jws.signature) {
            let newer_keys = !are_named(header, key);
            return Err(unreadable(TokenError::BadSignature, newer_keys));
        }
        observer.passed(TokenCheck::SignatureLength);
        in_time?;
        observer.passed(TokenCheck::ValidityPeriod);
        Ok(Self {
            jws,
            header,
            claims,
            place,
            issuer,
            key,
        })
    }

    /// The issuer, by index, if a signature that is not the key's may be that of a key which it has and we do not: token and
    /// key do not both have a name that says that they belong together.
    #[must_use]
    pub fn newer_keys_of(&self) -> Option<usize> {
        (!are_named(self.header, self.key)).then_some(self.place.issuer)
    }

    /// Checks the signature, with the key that [`Self::read`] found, as `keys` has it prepared.
    ///
    /// # Errors
    /// `BadSignature`; `Malformed` if it is not strict base64url.
    pub fn check_signature(
        self,
        keys: &mut PreparedKeys,
        observer: &mut impl TokenObserver,
    ) -> Result<SignedToken<'t>, TokenError> {
        let CompactJws {
            signing_input,
            signature,
            ..
        } = self.jws;
        self.key
            .check(self.header.algorithm, signing_input, signature, keys)?;
        observer.passed(TokenCheck::Signature);
        Ok(SignedToken(self))
    }
}

/// Why there is nothing in a token that could be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What the answer is.
    pub error: TokenError,
    /// An admitted issuer, by index, that may have a key for it which we do not know: the rest of the token is in order.
    pub newer_keys_of: Option<usize>,
}

impl From<TokenError> for Unreadable {
    /// For an error that no key would change.
    fn from(error: TokenError) -> Self {
        Self {
            error,
            newer_keys_of: None,
        }
    }
}

/// A token that its issuer made: from here on a claim is more than what someone wrote.
pub struct SignedToken<'t>(UnverifiedToken<'t>);

impl SignedToken<'_> {
    /// The issuer and the key that verified it.
    #[must_use]
    pub fn place(&self) -> KeyPlace {
        self.0.place
    }

    /// What it says, and what its issuer's tokens must say, for those who know that it is no access token: nothing of the
    /// claims was checked but `iss`, `exp` and `nbf`.
    pub(super) fn claims_of_another_kind(&self) -> (&ClaimsSet, &IssuerPolicy) {
        (&self.0.claims, &self.0.issuer.policy)
    }

    /// All that is left: `typ`, audience, and the other claims.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check_claims(
        self,
        now: UnixTime,
        observer: &mut impl TokenObserver,
    ) -> Result<VerifiedToken, TokenError> {
        let UnverifiedToken {
            jws: _,
            header,
            claims,
            place: _,
            issuer,
            key,
        } = self.0;
        let policy = &issuer.policy;
        check_type(header, &claims, policy)?;
        observer.passed(TokenCheck::Type);
        check_audience(&claims, policy)?;
        observer.passed(TokenCheck::Audience);
        check_required(&claims, policy)?;
        observer.passed(TokenCheck::Required);
        check_begun("iat", claims.issued_at(), policy, now)?;
        observer.passed(TokenCheck::IssuedAt);
        check_lifetime(&claims, policy)?;
        observer.passed(TokenCheck::Lifetime);
        check_sender(&claims, policy)?;
        observer.passed(TokenCheck::Sender);
        Ok(VerifiedToken {
            claims,
            header: Arc::clone(header),
            policy: Arc::clone(policy),
            key: key.identity(header.algorithm),
            key_name: name_of(key, header.kid.as_deref()).map(Into::into),
        })
    }
}

/// What each check of a claims set says by itself, in order: for whoever wants to know more than the first that fails.
///
/// It decides nothing.
#[must_use]
pub fn examine(
    header: &JoseHeader,
    claims: &ClaimsSet,
    policy: &IssuerPolicy,
    now: UnixTime,
) -> ClaimChecks {
    ClaimChecks {
        validity_period: check_validity_period(claims, policy, now),
        token_type: check_type(header, claims, policy),
        audience: check_audience(claims, policy),
        required: check_required(claims, policy),
        issued_at: check_begun("iat", claims.issued_at(), policy, now),
        lifetime: check_lifetime(claims, policy),
        sender: check_sender(claims, policy),
    }
}

/// What [`examine`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimChecks {
    /// `exp` and `nbf`.
    pub validity_period: Result<(), TokenError>,
    /// `typ`, and claims that only other kinds of token have.
    pub token_type: Result<(), TokenError>,
    /// The audience.
    pub audience: Result<(), TokenError>,
    /// Claims that must be there.
    pub required: Result<(), TokenError>,
    /// `iat` in the future.
    pub issued_at: Result<(), TokenError>,
    /// `exp − iat`
    pub lifetime: Result<(), TokenError>,
    /// `cnf`
    pub sender: Result<(), TokenError>,
}

/// Checks a token at `now`, in the order of semantics: shape, JOSE header, `iss`, key by (issuer, kid, alg), signature
/// length, `exp` and `nbf`, signature, then `typ`, audience and all other claims.
///
/// The stages in one, with keys prepared for this token alone: for whoever checks one token and remembers nothing.
///
/// # Errors
/// The first check that fails.
pub fn verify(
    token: &[u8],
    issuers: &[Arc<Issuer>],
    admitted: impl Fn(usize) -> bool,
    now: UnixTime,
) -> Result<VerifiedToken, TokenError> {
    let jws = CompactJws::parse(token)?;
    let header = Arc::new(JoseHeader::parse(jws.header)?);
    UnverifiedToken::read(jws, &header, issuers, admitted, now, &mut Unobserved)
        .map_err(|unreadable| unreadable.error)?
        .check_signature(&mut PreparedKeys::default(), &mut Unobserved)?
        .check_claims(now, &mut Unobserved)
}

/// The checks that time can undo, again, for a token that passed them all before. A clock that was set back counts too.
pub(super) fn check_times(
    claims: &ClaimsSet,
    policy: &IssuerPolicy,
    now: UnixTime,
) -> Result<(), TokenError> {
    check_validity_period(claims, policy, now)?;
    check_begun("iat", claims.issued_at(), policy, now)
}

/// The admitted issuer whose name is `iss`, compared exactly.
fn find_issuer<'i>(
    claims: &ClaimsSet,
    issuers: &'i [Arc<Issuer>],
    admitted: impl Fn(usize) -> bool,
) -> Result<(usize, &'i Issuer), TokenError> {
    let iss = claims.text("iss").ok_or(TokenError::WrongIssuer)?;
    issuers
        .iter()
        .enumerate()
        .find(|(index, issuer)| *issuer.policy.issuer == *iss && admitted(*index))
        .map(|(index, issuer)| (index, &**issuer))
        .ok_or(TokenError::WrongIssuer)
}

/// The issuer's list and the key's own algorithms both decide, never `alg` alone: this is the first of the two.
fn check_algorithm(header: &JoseHeader, issuer: &Issuer) -> Result<(), TokenError> {
    if issuer.policy.algorithms.contains(header.algorithm) {
        Ok(())
    } else {
        Err(TokenError::UnsupportedAlgorithm)
    }
}

/// The one key that may have made the signature, and its place among the issuer's.
fn find_key<'i>(
    header: &JoseHeader,
    issuer: &'i Issuer,
) -> Result<(usize, &'i VerifyingKey), TokenError> {
    issuer
        .keys
        .find_with_place(header.kid.as_deref(), header.algorithm)
        .map_err(|error| match error {
            KeyLookupError::Unknown => TokenError::UnknownKey,
            KeyLookupError::Empty => TokenError::KeysUnavailable,
        })
}

/// Whether token and key both have a name, which is the same one then.
fn are_named(header: &JoseHeader, key: &VerifyingKey) -> bool {
    header.kid.is_some() && key.kid().is_some()
}

/// `exp` and `nbf`, where they stand. RFC 7519 §4.1.4: the current time must be before `exp`, so the equal second is expired.
fn check_validity_period(
    claims: &ClaimsSet,
    policy: &IssuerPolicy,
    now: UnixTime,
) -> Result<(), TokenError> {
    if let Some(expired) = claims.expires()
        && now >= expired.plus(policy.leeway)
    {
        return Err(TokenError::Expired { expired, now });
    }
    check_begun("nbf", claims.not_before(), policy, now)
}

/// `nbf`; and `iat`, since a token from the future was made by a wrong clock, or by no issuer.
pub(super) fn check_begun(
    claim: &'static str,
    from: Option<UnixTime>,
    policy: &IssuerPolicy,
    now: UnixTime,
) -> Result<(), TokenError> {
    match from {
        Some(from) if from > now.plus(policy.leeway) => {
            Err(TokenError::NotYetValid { claim, from, now })
        }
        Some(_) | None => Ok(()),
    }
}

/// RFC 8725 §3.11, §3.12: `typ`, and the claims that only other kinds of token have.
fn check_type(
    header: &JoseHeader,
    claims: &ClaimsSet,
    policy: &IssuerPolicy,
) -> Result<(), TokenError> {
    /// ID tokens (`OpenID` Connect Core §3.1.3.6, §3.3.2.11), logout and security event tokens (RFC 8417 §2.2).
    const OF_OTHER_TOKENS: [&str; 3] = ["at_hash", "c_hash", "events"];
    if !header.is_type(&policy.token_types) {
        return Err(TokenError::WrongType("typ"));
    }
    match OF_OTHER_TOKENS
        .into_iter()
        .find(|claim| claims.has_rare(claim))
    {
        Some(claim) => Err(TokenError::WrongType(claim)),
        None => Ok(()),
    }
}

/// RFC 7519 §4.1.3: we are meant only if the audience names us.
fn check_audience(claims: &ClaimsSet, policy: &IssuerPolicy) -> Result<(), TokenError> {
    let audience = present(claims, &policy.audience_claim)?;
    let names =
        |ours: &str| texts(&audience).is_some_and(|mut named| named.any(|name| name == ours));
    let mut ours = policy.audiences.iter();
    let meant = match policy.audience_match {
        AudienceMatch::Any => ours.any(|audience| names(audience)),
        // Of no audience all would be named.
        AudienceMatch::All => ours.len() > 0 && ours.all(|audience| names(audience)),
    };
    if meant {
        Ok(())
    } else {
        Err(TokenError::WrongAudience)
    }
}

/// What must be there besides `iss`, without which no issuer was found, and the audience.
fn check_required(claims: &ClaimsSet, policy: &IssuerPolicy) -> Result<(), TokenError> {
    // A date that is there was read.
    if claims.expires().is_none() {
        return Err(TokenError::MissingClaim("exp".into()));
    }
    if policy.max_lifetime.is_some() && claims.issued_at().is_none() {
        return Err(TokenError::MissingClaim("iat".into()));
    }
    let mut added = policy.require.iter();
    added.try_for_each(|claim| present(claims, claim).map(drop))
}

/// A claim that must be there. `null` says nothing either.
fn present<'c>(claims: &'c ClaimsSet, claim: &str) -> Result<Value<'c>, TokenError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Err(TokenError::MissingClaim(claim.into())),
        Some(value) => Ok(value),
    }
}

/// `exp − iat`, if the issuer's tokens have a longest life.
fn check_lifetime(claims: &ClaimsSet, policy: &IssuerPolicy) -> Result<(), TokenError> {
    let (Some(longest), Some(expires), Some(issued_at)) =
        (policy.max_lifetime, claims.expires(), claims.issued_at())
    else {
        return Ok(());
    };
    let seconds = expires.since(issued_at);
    let lifetime = Duration::from_secs(seconds.try_into().unwrap_or_default());
    if lifetime <= longest {
        Ok(())
    } else {
        Err(TokenError::LifetimeTooLong { seconds })
    }
}

/// RFC 7800: `cnf` binds the token to a key of the sender, and whoever presents it here has proved nothing.
fn check_sender(claims: &ClaimsSet, policy: &IssuerPolicy) -> Result<(), TokenError> {
    if claims.has_rare("cnf") && !policy.accept_cnf {
        return Err(TokenError::SenderConstrained);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
