//! Target → route → strip → credentials → token → revocation → access → insert.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};

use crate::clock::UnixTime;
use crate::config::{Limits, TokenPlace};
use crate::headers::{self, ClaimFields, Client, Target, Upgrade};
use crate::jwt::TokenError;
use crate::revocation::RevocationSet;
use crate::routing::{AccessError, Claimant, NoRoute, Route};
use crate::snapshot::Snapshot;

use super::authenticate::{Judge, Presented};
use super::credentials;
use super::{AdmittedToken, Detail, Observer, Reason, Rejection, WorkerMemory};

/// A request's head, and where it came from.
pub struct Head {
    /// The head, as hyper read it; after an admission, as the upstream shall see it.
    pub parts: Parts,
    /// Who sent it.
    pub peer: Peer,
}

/// The other end of a client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// The permit to forward one request. Only [`decide`] makes one.
pub struct Admission {
    route: Arc<Route>,
    upgrade: Option<Upgrade>,
    path_and_query: Option<PathAndQuery>,
    offered_subprotocol: bool,
    expires: Option<UnixTime>,
    token: Option<AdmittedToken>,
}

impl Admission {
    /// The route it is for.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The upgrade it asks for.
    #[must_use]
    pub fn upgrade(&self) -> Option<Upgrade> {
        self.upgrade
    }

    /// When the token that admitted it ends, leeway included: an upgraded connection ends then. `None` without a token, and
    /// where the route lets connections outlive it.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// The token that admitted it: what goes on after the request ends when that is revoked. `None` as for
    /// [`Self::expires`].
    #[must_use]
    pub fn token(&self) -> Option<&AdmittedToken> {
        self.token.as_ref()
    }

    /// The target that the upstream gets, if `strip_prefix` changed it, or a token was taken out of its query.
    #[must_use]
    pub fn path_and_query(&self) -> Option<&PathAndQuery> {
        self.path_and_query.as_ref()
    }

    /// The subprotocol behind which a token could stand, if the client offered it: browsers end a WebSocket of which none
    /// was selected, and the upstream does not know of this one.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let places = self.route.token_from.iter().flatten();
        places
            .filter(|_| self.offered_subprotocol)
            .find_map(|place| match place {
                TokenPlace::Subprotocol(name) => Some(&**name),
                TokenPlace::Authorization
                | TokenPlace::Header(_)
                | TokenPlace::Cookie(_)
                | TokenPlace::Query(_) => None,
            })
    }
}

/// Decides on one request, and edits its head into what the upstream shall see.
///
/// The order is part of the contract: what comes first is answered first, and nothing is inserted before every
/// spelling of it was stripped. What `memory` holds changes nothing but the time that it takes.
///
/// # Errors
/// The refusal; the head is then of no further use.
pub fn decide(
    snapshot: &Snapshot,
    revocations: &RevocationSet,
    memory: &mut WorkerMemory,
    head: &mut Head,
    now: UnixTime,
    observer: &mut impl Observer,
) -> Result<Admission, Rejection> {
    memory.settle(snapshot);
    let Head { parts, peer } = head;
    let client = headers::client_of(
        peer.address,
        peer.secure,
        &parts.headers,
        &snapshot.trusted_proxies,
    );
    observer.client(client);
    if is_too_large(parts, &snapshot.limits) {
        return Err(Rejection::new(Reason::HeadTooLarge));
    }

    let Destination {
        route,
        mut path_and_query,
        preflight,
    } = destination(snapshot, parts, observer)?;
    observer.route(&route, preflight);

    credentials::check_connection(&route, &parts.headers)?;
    let upgrade = headers::remove_hop_by_hop(
        &parts.method,
        parts.version,
        &mut parts.headers,
        &snapshot.strip,
    )?;
    snapshot.strip.strip(&mut parts.headers);
    observer.stripped(&parts.headers);

    let judge = Judge {
        snapshot,
        revocations,
        route: &route,
        client: client.address,
        secure: client.secure,
        by_cookie: None,
        now,
    };
    let admitted = if preflight {
        None
    } else {
        admit(judge, parts, upgrade, memory, observer)?
    };
    let offered_subprotocol =
        credentials::remove_tokens(snapshot, &route, preflight, parts, &mut path_and_query)?;
    if let Some(admitted) = &admitted {
        admitted.fields.insert_into(&mut parts.headers);
    }
    tell_of_client(parts, client, peer.address.ip());
    let ends = admitted.filter(|_| !route.outlive_token);
    let (expires, token) = ends.map_or((None, None), |ends| (ends.expires, Some(ends.token)));
    Ok(Admission {
        route,
        upgrade,
        path_and_query,
        offered_subprotocol,
        expires,
        token,
    })
}

/// What is left of a token when it has admitted its request.
struct Admitted {
    fields: Rc<ClaimFields>,
    expires: Option<UnixTime>,
    token: AdmittedToken,
}

/// Credentials → token → revocation → access. `Ok(None)` is an anonymous request that the route admits.
fn admit(
    judge: Judge<'_>,
    head: &Parts,
    upgrade: Option<Upgrade>,
    memory: &mut WorkerMemory,
    observer: &mut impl Observer,
) -> Result<Option<Admitted>, Rejection> {
    let Some(Presented {
        token,
        place,
        by_cookie,
    }) = judge.presented(head, upgrade)?
    else {
        observer.anonymous();
        return Ok(None);
    };
    observer.credentials(place, token);
    let judge = Judge { by_cookie, ..judge };
    let accepted = judge.authenticate(token, memory, observer)?;
    let verified = accepted.token();
    observer.token(accepted.issuer(), verified);
    let access = &judge.route.access;
    let claimant = Claimant {
        claims: verified.claims(),
        audience_claim: verified.audience_claim(),
        method: &head.method,
        client: judge.client,
    };
    access.permits(&claimant).map_err(refused_access)?;
    Ok(Some(Admitted {
        fields: accepted.fields(memory, token, judge.route),
        expires: verified.usable_until(),
        token: accepted.admitted_token(),
    }))
}

/// Where a request goes.
struct Destination {
    route: Arc<Route>,
    path_and_query: Option<PathAndQuery>,
    /// A CORS preflight that the route lets through without a token (Fetch, CORS-preflight request).
    preflight: bool,
}

/// hyper itself counts the fields and bytes of HTTP/1.1. Of HTTP/2 it takes more, so that what is too large is answered
/// like every refusal.
pub(super) fn is_too_large(parts: &Parts, limits: &Limits) -> bool {
    parts.headers.len() > limits.header_count
        || (parts.version == Version::HTTP_2 && headers::head_bytes(parts) > limits.header_bytes)
}

/// Target → route.
fn destination(
    snapshot: &Snapshot,
    parts: &Parts,
    observer: &mut impl Observer,
) -> Result<Destination, Rejection> {
    let target = Target::parse(&parts.method, &parts.uri, &parts.headers, parts.version)?;
    observer.target(&target);
    let asked_method = preflight_method(parts);
    let by_preflight = asked_method
        .as_ref()
        .and_then(|method| snapshot.routes.find_preflight(&target, method));
    let route = match by_preflight {
        Some(route) => route,
        None => snapshot
            .routes
            .find(&target, &parts.method)
            .map_err(no_route)?,
    };
    target.permitted(route.path_allow)?;
    let path_and_query = if route.strip_prefix {
        Some(stripped(&route.path, &target, parts)?)
    } else {
        None
    };
    Ok(Destination {
        route: Arc::clone(route),
        path_and_query,
        preflight: by_preflight.is_some(),
    })
}

/// The method that a CORS preflight asks for.
fn preflight_method(parts: &Parts) -> Option<Method> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
        return None;
    }
    let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

fn no_route(error: NoRoute) -> Rejection {
    match error {
        NoRoute::NotFound => Rejection::new(Reason::NoRoute),
        NoRoute::MethodNotAllowed(methods) => Rejection {
            reason: Reason::MethodNotAllowed,
            detail: Detail::Allow(methods),
        },
        NoRoute::Ambiguous => Rejection::new(Reason::AmbiguousPath),
    }
}

/// The target without the route's prefix, as raw as it came.
fn stripped(prefix: &str, target: &Target<'_>, parts: &Parts) -> Result<PathAndQuery, Rejection> {
    let path = headers::without_prefix(target.path, prefix);
    let joined = match parts.uri.query() {
        Some(query) => {
            PathAndQuery::from_maybe_shared(bytes::Bytes::from([path, "?", query].concat()))
        }
        None => PathAndQuery::try_from(path),
    };
    joined.map_err(|error| Rejection::fault(Reason::Internal, error))
}

fn refused_access(error: AccessError<'_>) -> Rejection {
    match error {
        AccessError::WrongAudience => TokenError::WrongAudience.into(),
        AccessError::InsufficientScope(scopes) => Rejection {
            reason: Reason::InsufficientScope,
            detail: Detail::Scopes(scopes.into()),
        },
        AccessError::ClaimMismatch(rule) => Rejection {
            reason: Reason::ClaimMismatch,
            detail: Detail::Rule(rule.name.clone()),
        },
    }
}

/// Says who the client is, in fields that only we set.
fn tell_of_client(parts: &mut Parts, client: Client, peer: IpAddr) {
    let host = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    };
    let host = host.filter(|host| !host.is_empty());
    headers::set_forwarded(&mut parts.headers, client, peer, host);
    headers::append_via(&mut parts.headers, parts.version);
}
