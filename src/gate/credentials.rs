//! Tokens that stand elsewhere than in `Authorization`, and what is left of a request without them.

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::{Authentication, TokenPlace};
use crate::headers::{
    self, AmbiguousParameter, ConnectionOptionError, CookieNames, CredentialsError,
    SubprotocolError, Upgrade,
};
use crate::routing::Route;
use crate::snapshot::{CookieTokens, Snapshot};

use super::authenticate::Presented;
use super::{Detail, Reason, Rejection};

/// Why the places of a route do not hold one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Bearer credentials, or several lines, where tokens stand elsewhere.
    #[error("Authorization has Bearer credentials or repeats, and is no place for a token here")]
    Misplaced,
    /// The field stands there twice.
    #[error("repeated field")]
    RepeatedField,
    /// The query.
    #[error(transparent)]
    Query(AmbiguousParameter),
    /// The list of subprotocols.
    #[error(transparent)]
    Subprotocol(SubprotocolError),
    /// The token's subprotocol in a request that is no handshake.
    #[error("a token behind a subprotocol, and no upgrade")]
    NoUpgrade,
    /// A token in more than one place.
    #[error("more than one token")]
    Several,
}

impl From<PlaceError> for Rejection {
    fn from(error: PlaceError) -> Self {
        Self {
            reason: Reason::MalformedCredentials,
            detail: Detail::Place(error),
        }
    }
}

/// No `Connection` option may take a token away, nor leave it to the next reader.
#[inline]
pub(super) fn check_connection(
    route: &Route,
    headers: &HeaderMap,
) -> Result<(), ConnectionOptionError> {
    let Some(places) = &route.token_from else {
        return Ok(());
    };
    let mut fields = places.iter().filter_map(field_of);
    fields.try_for_each(|field| headers::refuse_connection_option(headers, field))
}

/// The field that a place has to itself; of the others none may be named anyway.
fn field_of(place: &TokenPlace) -> Option<&HeaderName> {
    match place {
        TokenPlace::Header(name) => Some(name),
        TokenPlace::Subprotocol(_) => Some(&SEC_WEBSOCKET_PROTOCOL),
        TokenPlace::Authorization | TokenPlace::Cookie(_) | TokenPlace::Query(_) => None,
    }
}

/// The one token in the places of a route that names them.
///
/// A browser adds a cookie to whatever any page makes it send, so what can change something, and what opens a channel, must
/// come from a page of the request's own origin. All other places are filled on purpose.
#[inline(never)]
pub(super) fn from_places<'r>(
    places: &'r [TokenPlace],
    head: &'r Parts,
    upgrade: Option<Upgrade>,
    secure: bool,
) -> Result<Option<Presented<'r>>, Rejection> {
    if !places.contains(&TokenPlace::Authorization) && has_misplaced(&head.headers) {
        return Err(PlaceError::Misplaced.into());
    }
    let mut found = None;
    for place in places {
        if let Some(token) = token_at(place, head, upgrade)? {
            let presented = Presented {
                token,
                place,
                by_cookie: None,
            };
            if found.replace(presented).is_some() {
                return Err(PlaceError::Several.into());
            }
        }
    }
    let by_cookie = matches!(
        &found,
        Some(Presented {
            place: TokenPlace::Cookie(_),
            ..
        })
    );
    if by_cookie
        && !is_harmless(&head.method, upgrade)
        && !headers::is_same_origin(&head.headers, &head.uri, secure)
    {
        return Err(Rejection::new(Reason::CrossOrigin));
    }
    Ok(found)
}

/// Whether a page of another site may make a browser send it.
pub(super) fn is_harmless(method: &Method, upgrade: Option<Upgrade>) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && upgrade.is_none()
}

/// Other schemes are the upstream's; of two lines it might read the one that we did not.
fn has_misplaced(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    lines.next().is_some() && (lines.next().is_some() || headers::has_bearer(headers))
}

fn token_at<'r>(
    place: &TokenPlace,
    head: &'r Parts,
    upgrade: Option<Upgrade>,
) -> Result<Option<&'r [u8]>, Rejection> {
    match place {
        TokenPlace::Authorization => match headers::bearer_token(&head.headers) {
            Ok(token) => Ok(Some(token)),
            Err(CredentialsError::Absent) => Ok(None),
            Err(error) => Err(error.into()),
        },
        TokenPlace::Header(name) => {
            let mut lines = head.headers.get_all(name).iter();
            let line = lines.next().map(HeaderValue::as_bytes);
            match lines.next() {
                Some(_) => Err(PlaceError::RepeatedField.into()),
                None => Ok(line),
            }
        }
        TokenPlace::Cookie(name) => Ok(headers::cookie(&head.headers, name)?),
        TokenPlace::Query(name) => {
            let query = head.uri.query().unwrap_or_default();
            let value = headers::query_parameter(query, name).map_err(PlaceError::Query)?;
            Ok(value.map(str::as_bytes))
        }
        TokenPlace::Subprotocol(name) => {
            let token =
                headers::subprotocol_token(&head.headers, name).map_err(PlaceError::Subprotocol)?;
            if token.is_some() && upgrade.is_none() {
                return Err(PlaceError::NoUpgrade.into());
            }
            Ok(token)
        }
    }
}

/// Takes the tokens of a route, in all its places, and our cookies out of a head that goes on. With `forward_token` they
/// stay; a preflight has none. `target` is the changed one, if there is one.
///
/// Returns whether the subprotocol for a token was offered: the answer selects it if the upstream selects none.
#[inline]
pub(super) fn remove_tokens(
    snapshot: &Snapshot,
    route: &Route,
    preflight: bool,
    parts: &mut Parts,
    target: &mut Option<PathAndQuery>,
) -> Result<bool, Rejection> {
    let keep = route.forward_token && !preflight;
    let offered = match &route.token_from {
        None => {
            if preflight || (route.access.auth != Authentication::None && !keep) {
                parts.headers.remove(AUTHORIZATION);
            }
            false
        }
        Some(places) => {
            if preflight {
                parts.headers.remove(AUTHORIZATION);
            }
            remove_from(places, keep, parts, target)?
        }
    };
    if let Some(cookies) = &snapshot.cookie_tokens {
        remove_own_cookies(&mut parts.headers, cookies, keep);
    }
    Ok(offered)
}

/// Takes our cookies out, whatever the route: they are for the gateway alone, and who has one is its user.
fn remove_own_cookies(headers: &mut HeaderMap, cookies: &CookieTokens, keep_token: bool) {
    let CookieNames { access, refresh } = cookies.names;
    if keep_token {
        headers::remove_cookies(headers, &[refresh]);
    } else {
        headers::remove_cookies(headers, &[access, refresh]);
    }
}

#[inline(never)]
fn remove_from(
    places: &[TokenPlace],
    keep: bool,
    parts: &mut Parts,
    target: &mut Option<PathAndQuery>,
) -> Result<bool, Rejection> {
    let headers = &mut parts.headers;
    let mut offered = false;
    for place in places {
        match place {
            TokenPlace::Authorization if keep => hide(headers, &AUTHORIZATION),
            TokenPlace::Authorization => drop(headers.remove(AUTHORIZATION)),
            TokenPlace::Header(name) => {
                headers::remove_spellings(headers, name, keep);
                hide(headers, name);
            }
            TokenPlace::Cookie(name) if !keep => headers::remove_cookies(headers, &[name]),
            TokenPlace::Query(name) if !keep => {
                headers::remove_from_urls(headers, name);
                let whole = target.as_ref().or(parts.uri.path_and_query());
                let rest = whole.map(|whole| headers::without_parameter(whole, name));
                let rest = rest.transpose();
                let rest = rest.map_err(|error| Rejection::fault(Reason::Internal, error))?;
                if let Some(rest) = rest.flatten() {
                    *target = Some(rest);
                }
            }
            TokenPlace::Cookie(_) | TokenPlace::Query(_) => {}
            TokenPlace::Subprotocol(name) => {
                offered = headers::offers_subprotocol(headers, name);
                if keep {
                    hide(headers, &SEC_WEBSOCKET_PROTOCOL);
                } else {
                    headers::remove_subprotocol(headers, name);
                }
            }
        }
    }
    Ok(offered)
}

/// What goes on is shown by nobody.
fn hide(headers: &mut HeaderMap, name: &HeaderName) {
    if let Some(value) = headers.get_mut(name) {
        value.set_sensitive(true);
    }
}
