//! Credentials → token → revocation: from the cache, or verified stage by stage.

use std::net::IpAddr;
use std::rc::Rc;

use http::request::Parts;

use crate::clock::UnixTime;
use crate::config::{Authentication, TokenPlace};
use crate::headers::{self, ClaimFields, CredentialsError, Upgrade};
use crate::jwt::{
    CompactJws, JoseHeader, KeyPlace, TokenCheck, TokenError, UnverifiedToken, VerifiedToken,
};
use crate::revocation::RevocationSet;
use crate::routing::Route;
use crate::snapshot::{CookieTokens, Snapshot};
use crate::token_cache::CachedToken;

use super::admitted_token::{AdmittedToken, find_clean};
use super::credentials::{from_places, is_harmless};
use super::memory::FoundClean;
use super::{Observer, Reason, Rejection, WorkerMemory};

/// What a token is judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'d> {
    pub(super) snapshot: &'d Snapshot,
    pub(super) revocations: &'d RevocationSet,
    pub(super) route: &'d Route,
    /// Who asks, as far as trusted proxies tell.
    pub(super) client: IpAddr,
    /// Whether the client's own connection is TLS, as far as trusted proxies tell.
    pub(super) secure: bool,
    /// The one issuer whose tokens come as a cookie, if this one did.
    pub(super) by_cookie: Option<usize>,
    pub(super) now: UnixTime,
}

/// The token of a request.
pub(super) struct Presented<'h> {
    pub(super) token: &'h [u8],
    /// Where it stands.
    pub(super) place: &'h TokenPlace,
    /// The issuer that sets the cookie, if it stands there.
    pub(super) by_cookie: Option<usize>,
}

/// A token that is good for this request, as far as its issuer goes.
pub(super) struct Accepted {
    held: Rc<CachedToken<FoundClean>>,
    place: KeyPlace,
}

impl Accepted {
    /// Its issuer, by index.
    pub(super) fn issuer(&self) -> usize {
        self.place.issuer
    }

    pub(super) fn token(&self) -> &VerifiedToken {
        self.held.token()
    }

    /// For as long as what it admits goes on.
    pub(super) fn admitted_token(&self) -> AdmittedToken {
        AdmittedToken(Rc::clone(&self.held))
    }

    /// Its claims as field lines for the route. `token` is what was presented.
    pub(super) fn fields(
        &self,
        memory: &mut WorkerMemory,
        token: &[u8],
        route: &Route,
    ) -> Rc<ClaimFields> {
        memory
            .tokens
            .fields(token, &self.held, &route.claim_headers)
    }
}

impl<'d> Judge<'d> {
    /// The token of a request. `Ok(None)` is an anonymous request that the route admits.
    pub(super) fn presented<'h>(
        self,
        head: &'h Parts,
        upgrade: Option<Upgrade>,
    ) -> Result<Option<Presented<'h>>, Rejection>
    where
        'd: 'h,
    {
        let may_be_absent = match self.route.access.auth {
            Authentication::None => return Ok(None),
            Authentication::Optional => true,
            Authentication::Required => false,
        };
        let found = match &self.route.token_from {
            None => in_authorization(head)?,
            Some(places) => from_places(places, head, upgrade, self.secure)?,
        };
        // Whoever sends a token in a place of the route, good or bad, is judged by that alone.
        let presented = match found {
            Some(presented) => Some(presented),
            None => match self.cookies() {
                Some(cookies) => from_cookie(cookies, head, upgrade)?,
                None => None,
            },
        };
        let Some(presented) = presented else {
            return if may_be_absent {
                Ok(None)
            } else {
                Err(CredentialsError::Absent.into())
            };
        };
        let limit = self.snapshot.limits.token_bytes;
        if presented.token.len() > limit {
            return Err(TokenError::TooLong { limit }.into());
        }
        Ok(Some(presented))
    }

    /// How tokens may come as a cookie here: only where the route admits those of the issuer that sets it.
    fn cookies(self) -> Option<&'d CookieTokens> {
        let cookies = self.snapshot.cookie_tokens.as_deref()?;
        self.route.access.admits(cookies.issuer).then_some(cookies)
    }

    /// Whether the token may be of that issuer.
    fn admits(self, issuer: usize) -> bool {
        self.route.access.admits(issuer) && self.by_cookie.is_none_or(|only| only == issuer)
    }
}

/// The token of `Authorization`, the only place of nearly every route.
fn in_authorization(head: &Parts) -> Result<Option<Presented<'_>>, Rejection> {
    match headers::bearer_token(&head.headers) {
        Ok(token) => Ok(Some(Presented {
            token,
            place: &TokenPlace::Authorization,
            by_cookie: None,
        })),
        Err(CredentialsError::Absent) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The token in the cookie. A browser adds it to whatever any page makes it send, so what can change something, and what opens
/// a channel, must come from a page of the issuer's own origin.
#[inline(never)]
fn from_cookie<'h>(
    cookies: &'h CookieTokens,
    head: &'h Parts,
    upgrade: Option<Upgrade>,
) -> Result<Option<Presented<'h>>, Rejection> {
    let Some(token) = headers::cookie(&head.headers, cookies.names.access)? else {
        return Ok(None);
    };
    if !is_harmless(&head.method, upgrade) && !cookies.is_same_origin(&head.headers) {
        return Err(Rejection::new(Reason::CrossOrigin));
    }
    Ok(Some(Presented {
        token,
        place: &cookies.place,
        by_cookie: Some(cookies.issuer),
    }))
}

impl Judge<'_> {
    /// Whether a token is good: as if it came for the first time, whatever `memory` holds.
    pub(super) fn authenticate(
        self,
        token: &[u8],
        memory: &mut WorkerMemory,
        observer: &mut impl Observer,
    ) -> Result<Accepted, Rejection> {
        let accepted = self.known_or_verified(token, memory, observer)?;
        self.check_revocation(&accepted.held)?;
        memory.tallies.accepted(accepted.place, self.now);
        Ok(accepted)
    }

    fn known_or_verified(
        self,
        token: &[u8],
        memory: &mut WorkerMemory,
        observer: &mut impl Observer,
    ) -> Result<Accepted, Rejection> {
        if let Some(held) = memory.tokens.get(token) {
            if let Some(place) = self.place_of(&held, memory) {
                memory.counts.hits += 1;
                self.check_again(held.token(), place.issuer)?;
                observer.known();
                return Ok(Accepted { held, place });
            }
            // Its policy or its key is no longer in force: whether another is, shows below.
            memory.tokens.remove(token);
        }
        memory.counts.misses += 1;
        self.verify(token, memory, observer)
    }

    /// Where the key of a known token stands, if it is in force; found out once for each snapshot.
    fn place_of(self, held: &CachedToken<FoundClean>, memory: &WorkerMemory) -> Option<KeyPlace> {
        let known = held.place_in(self.snapshot.id.number());
        known.or_else(|| self.find_place(held, memory))
    }

    #[cold]
    fn find_place(self, held: &CachedToken<FoundClean>, memory: &WorkerMemory) -> Option<KeyPlace> {
        let place = held.find_place(self.snapshot.id.number(), &self.snapshot.issuers)?;
        memory.tallies.verified(place, held.token());
        Some(place)
    }

    /// What may have changed since a token was verified, in the order in which it is looked at then.
    fn check_again(self, token: &VerifiedToken, issuer: usize) -> Result<(), TokenError> {
        if !self.admits(issuer) {
            return Err(TokenError::WrongIssuer);
        }
        token.check_times(self.now)
    }

    /// Against the revocations that were added since the token was last found clean. A revoked one stays known as what it
    /// is, a token with a good signature: a flood of it costs no crypto, and it is good again when the revocation goes.
    ///
    /// What is revoked stays so while the list is too old to say that anything is not.
    fn check_revocation(self, held: &CachedToken<FoundClean>) -> Result<(), Rejection> {
        let clean = find_clean(held, self.revocations)?;
        held.set_note(Some(clean));
        if !self.revocations.is_current(self.now) {
            return Err(Rejection::new(Reason::RevocationUnavailable));
        }
        Ok(())
    }

    /// All checks, the cheapest first; only what is well-formed, in time and of a known key reaches the signature.
    fn verify(
        self,
        token: &[u8],
        memory: &mut WorkerMemory,
        observer: &mut impl Observer,
    ) -> Result<Accepted, Rejection> {
        let jws = CompactJws::parse(token)?;
        observer.passed(TokenCheck::Shape);
        let header = memory.headers.get(jws.header)?;
        observer.passed(TokenCheck::Header(&header));
        let admitted = |issuer| self.admits(issuer);
        let issuers = &self.snapshot.issuers;
        let read = UnverifiedToken::read(jws, &header, issuers, admitted, self.now, observer);
        let unverified = match read {
            Ok(unverified) => unverified,
            Err(unreadable) => {
                self.ask_for_newer_keys(unreadable.newer_keys_of, &header, memory);
                return Err(unreadable.error.into());
            }
        };
        memory.budget.permits(self.client, self.now)?;
        let newer_keys_of = unverified.newer_keys_of();
        let signed = match unverified.check_signature(&mut memory.keys, observer) {
            Err(TokenError::BadSignature) => {
                memory.counts.bad_signatures += 1;
                memory.budget.charge(self.client, self.now);
                self.ask_for_newer_keys(newer_keys_of, &header, memory);
                return Err(TokenError::BadSignature.into());
            }
            result => result?,
        };
        memory.counts.good_signatures += 1;
        let place = signed.place();
        memory.headers.keep(jws.header, &header);
        let verified = signed.check_claims(self.now, observer)?;
        memory.tallies.verified(place, &verified);
        let held = memory.tokens.insert(
            token,
            verified,
            (self.snapshot.id.number(), place),
            &self.route.claim_headers,
        );
        Ok(Accepted { held, place })
    }

    /// A token that is refused may be good under a key that its issuer has by now. Nothing of the refusal waits for it.
    fn ask_for_newer_keys(
        self,
        issuer: Option<usize>,
        header: &JoseHeader,
        memory: &mut WorkerMemory,
    ) {
        if let Some(issuer) = issuer {
            memory.misses_key(self.snapshot, issuer, header.kid.as_deref(), self.now);
        }
    }
}
