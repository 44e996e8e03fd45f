//! Logout tokens (`OpenID` Connect Back-Channel Logout 1.0 §2.4, §2.6): what a provider says has ended.
//!
//! Signed with the same keys as access tokens, and told from them by everything that can be looked at: `typ`, `events`, the
//! missing `nonce`, and an audience of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::json::Value;

use super::claims::texts;
use super::verify::check_begun;
use super::{
    ClaimsSet, CompactJws, Issuer, IssuerPolicy, JoseHeader, PreparedKeys, TokenError, Unobserved,
    UnverifiedToken,
};

/// The member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long after its `iat` one is taken, besides the leeway: a provider that is not heard tries again.
const YOUNG: Duration = Duration::from_mins(5);

/// Most bytes of `jti`, `sid` and `sub`: more is no name.
const MOST_BYTES: usize = 1024;

/// What a provider says, once it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Its own name: each is taken once.
    pub jti: Box<str>,
    /// Who has signed out ..
    pub subject: LoggedOut,
    /// .. and when the provider said so, by its clock.
    pub issued_at: UnixTime,
    /// From when on it would not be taken any more.
    pub over: UnixTime,
}

/// What has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    /// The session with this `sid`.
    Session(Box<str>),
    /// Every session of this `sub` (§2.4: there is no `sid`).
    Subject(Box<str>),
}

/// Why a logout token is refused. As with [`TokenError`], `Display` is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenError {
    /// As any token would be.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Its `iat` is too long ago.
    #[error("issued at {0}, too long ago")]
    TooOld(UnixTime),
    /// `events` is not that of a logout.
    #[error("`events` says nothing of a logout")]
    Event,
    /// A `nonce`, which ID tokens have and logout tokens must not.
    #[error("there is a nonce")]
    Nonce,
    /// Neither `sub` nor `sid`.
    #[error("neither `sub` nor `sid`")]
    Nobody,
    /// One of the names is empty, too long or no text.
    #[error("`{0}` is no name")]
    NoName(&'static str),
}

impl LogoutToken {
    /// Verifies one of `issuers[issuer]`, sent to its client `client_id`.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(
        token: &[u8],
        issuers: &[Arc<Issuer>],
        issuer: usize,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Self, LogoutTokenError> {
        let jws = CompactJws::parse(token)?;
        let header = Arc::new(JoseHeader::parse(jws.header)?);
        let signed = UnverifiedToken::read(
            jws,
            &header,
            issuers,
            |index| index == issuer,
            now,
            &mut Unobserved,
        )
        .map_err(|unreadable| unreadable.error)?
        .check_signature(&mut PreparedKeys::default(), &mut Unobserved)?;
        let (claims, policy) = signed.claims_of_another_kind();
        Self::check(&header, claims, policy, client_id, now)
    }

    /// §2.6 from the third step on: the signature is right.
    fn check(
        header: &JoseHeader,
        claims: &ClaimsSet,
        policy: &IssuerPolicy,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Self, LogoutTokenError> {
        // §2.4 recommends a type of its own; providers of before write `JWT` or none.
        if !header.is_type(&["logout+jwt".into(), "jwt".into()]) {
            return Err(TokenError::WrongType("typ").into());
        }
        let audience = claims.get("aud");
        let mut audience = audience.as_ref().and_then(texts).into_iter().flatten();
        if !audience.any(|name| name == client_id) {
            return Err(TokenError::WrongAudience.into());
        }
        let issued_at = claims
            .issued_at()
            .ok_or_else(|| TokenError::MissingClaim("iat".into()))?;
        check_begun("iat", Some(issued_at), policy, now)?;
        let over = issued_at.plus(YOUNG + policy.leeway);
        if now >= over {
            return Err(LogoutTokenError::TooOld(issued_at));
        }
        check_event(claims)?;
        if claims.get("nonce").is_some() {
            return Err(LogoutTokenError::Nonce);
        }
        let jti = name(claims, "jti")?.ok_or_else(|| TokenError::MissingClaim("jti".into()))?;
        let subject = match (name(claims, "sid")?, name(claims, "sub")?) {
            (Some(sid), _) => LoggedOut::Session(sid),
            (None, Some(sub)) => LoggedOut::Subject(sub),
            (None, None) => return Err(LogoutTokenError::Nobody),
        };
        Ok(Self {
            jti,
            subject,
            issued_at,
            over,
        })
    }
}

/// An object with the member, whose value is an object. Other members may stand beside it (RFC 8417 §2.2).
fn check_event(claims: &ClaimsSet) -> Result<(), LogoutTokenError> {
    let events = claims.get("events");
    let event = events
        .as_ref()
        .and_then(Value::as_object)
        .and_then(|events| events.get(EVENT));
    match event {
        Some(Value::Object(_)) => Ok(()),
        Some(_) | None => Err(LogoutTokenError::Event),
    }
}

/// A claim that is a name, where it stands.
fn name(claims: &ClaimsSet, claim: &'static str) -> Result<Option<Box<str>>, LogoutTokenError> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    match value.as_str() {
        Some(text) if !text.is_empty() && text.len() <= MOST_BYTES => Ok(Some(text.into())),
        Some(_) | None => Err(LogoutTokenError::NoName(claim)),
    }
}

#[cfg(test)]
mod tests;
