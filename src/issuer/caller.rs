//! Who asks with an access token: by `Authorization`, or by the cookie of a browser.

use http::Method;
use uuid::Uuid;

use crate::clock::UnixTime;
use crate::headers::{CredentialsError, RepeatedCookie, bearer_token};
use crate::jwt::{TokenError, VerifiedToken, verify};
use crate::revocation::TokenFacts;
use crate::store::Family;

use super::cookies::Cookies;
use super::respond::Refusal;
use super::service::Call;

/// A user with a session, and the token that proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// `sub`
    pub(super) user: Uuid,
    /// `sid`
    pub(super) session: Uuid,
}

/// An access token of ours that was verified.
pub(super) struct OwnToken(VerifiedToken);

impl Caller {
    /// Who sent a request.
    ///
    /// # Errors
    /// No good token, a token of a client, or a cookie that another origin made the browser send.
    pub(super) fn of(call: &Call) -> Result<Self, Refusal> {
        let token = presented(call)?;
        let token = OwnToken::verify(call, token)?;
        let id = |claim| {
            token
                .text(claim)
                .and_then(|text| Uuid::try_parse(text).ok())
        };
        match (id("sub"), id("sid")) {
            (Some(user), Some(session)) => Ok(Self { user, session }),
            (None, _) | (_, None) => Err(Refusal::NotAUser),
        }
    }

    /// The session and its user, as the store has them now.
    ///
    /// # Errors
    /// `Revoked`, if it is over: the list of revocations says so a moment later.
    pub(super) async fn family(&self, call: &Call) -> Result<Family, Refusal> {
        let family = call.store().await?.family(self.session).await?;
        family
            .filter(|family| family.user.id == self.user && is_live(family, call.now()))
            .ok_or(Refusal::Revoked)
    }
}

/// Whether a session goes on, and its user may go on.
pub(super) fn is_live(family: &Family, now: UnixTime) -> bool {
    let session = &family.session;
    session.ended.is_none() && session.expires.as_second() > now.seconds() && !family.user.disabled
}

/// The token of a request. One by cookie is only taken for what changes something if a page of ours asks.
fn presented(call: &Call) -> Result<&[u8], Refusal> {
    let headers = &call.asked.headers;
    match bearer_token(headers) {
        Ok(token) => return Ok(token),
        Err(CredentialsError::Absent) => {}
        Err(CredentialsError::Repeated | CredentialsError::NotBearer) => {
            return Err(Refusal::Credentials);
        }
    }
    let cookies = Cookies::of(call.local()?).ok_or(Refusal::NoToken)?;
    let token = match cookies.access(headers) {
        Ok(token) => token.ok_or(Refusal::NoToken)?,
        Err(RepeatedCookie) => return Err(Refusal::Credentials),
    };
    let safe = [Method::GET, Method::HEAD].contains(&call.asked.method);
    if !safe && !cookies.is_same_origin(headers) {
        return Err(Refusal::CrossOrigin);
    }
    Ok(token)
}

impl OwnToken {
    /// Verifies an access token of ours, as a route does that admits the local issuer alone.
    ///
    /// # Errors
    /// `Token`, `Revoked`; `Revocations`, while nobody can tell.
    pub(super) fn verify(call: &Call, token: &[u8]) -> Result<Self, Refusal> {
        let local = call.local()?.issuer;
        let now = call.now();
        let verified = {
            let snapshot = call.service.snapshot.load();
            let limit = snapshot.limits.token_bytes;
            if token.len() > limit {
                return Err(Refusal::Token(TokenError::TooLong { limit }));
            }
            let verified = verify(token, &snapshot.issuers, |issuer| issuer == local, now);
            verified.map_err(|error| {
                if error == TokenError::KeysUnavailable {
                    // Not the client's fault: the keys are not there yet.
                    Refusal::NoKeys
                } else {
                    Refusal::Token(error)
                }
            })?
        };
        let revocations = call.service.revocations.load();
        if !revocations.is_current(now) {
            return Err(Refusal::Revocations);
        }
        let facts = TokenFacts {
            issuer: verified.iss(),
            kid: verified.kid(),
            claims: verified.claims(),
        };
        let checked = revocations.check(&facts, None);
        checked.map_err(|_| Refusal::Revoked)?;
        Ok(Self(verified))
    }

    /// A claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.0.claims().text(claim)
    }

    /// The token.
    pub(super) fn verified(&self) -> &VerifiedToken {
        &self.0
    }
}
