//! `POST /token` (RFC 6749 §3.2): the grants `refresh_token`, `client_credentials`, and `password` where it is switched on.

use std::time::Duration;

use crate::headers::RepeatedCookie;
use crate::issuer::client::{KnownClient, Presented};
use crate::issuer::cookies::Cookies;
use crate::issuer::request::{Parameters, RequestError};
use crate::issuer::respond::{Answer, Refusal};
use crate::issuer::scopes;
use crate::issuer::service::{Call, Ready};
use crate::issuer::sign_in::{actor, sign_in};
use crate::issuer::tokens::Tokens;
use crate::issuer::{FamilySecret, RefreshToken};
use crate::metrics::Refresh;
use crate::store::{EndReason, Ending, Family, Refreshed, Rotation, Store};

/// How long a token that was used gives its successor once more: two tabs refresh at the same moment.
const GRACE: Duration = Duration::from_secs(10);

/// The answer.
pub(in crate::issuer) async fn token(call: &Call) -> Result<Ready, Refusal> {
    let given = call.parameters()?;
    let grant = given.required("grant_type")?;
    let presented = Presented::of(&call.asked.headers, &given)?;
    let store = call.store().await?;
    let client = presented.authenticate(&store).await?;
    match grant {
        "refresh_token" => Ok(refresh(call, &store, &given, &client).await?.into()),
        "client_credentials" => Ok(for_itself(call, &given, &client)?.into()),
        "password" if call.local()?.password_grant => password(call, &given, &client).await,
        _ => Err(Refusal::GrantType),
    }
}

/// RFC 6749 §4.4: for those that have proven themselves.
fn for_itself(call: &Call, given: &Parameters, client: &KnownClient) -> Result<Answer, Refusal> {
    let KnownClient::Added(added) = client else {
        return Err(Refusal::UnauthorizedClient);
    };
    if !client.is_confidential() {
        return Err(Refusal::UnauthorizedClient);
    }
    let asked = asked_scopes(given)?;
    let granted = scopes::grant(asked.as_deref(), &[&added.scopes]).ok_or(Refusal::Scope)?;
    Ok(Tokens::of_client(call, added, granted)?.answer())
}

/// RFC 6749 §4.3.
async fn password(call: &Call, given: &Parameters, client: &KnownClient) -> Result<Ready, Refusal> {
    let username = given.required("username")?;
    let password = given.password("password")?;
    let asked = asked_scopes(given)?;
    let entered = async {
        let signed_in = sign_in(call, username, password, client.id()).await?;
        let mut lists = vec![signed_in.user.grants.scopes()];
        // A client that was given a list gets nothing beyond it.
        lists.extend(Some(client.scopes()).filter(|scopes| !scopes.is_empty()));
        let granted = scopes::grant(asked.as_deref(), &lists).ok_or(Refusal::Scope)?;
        let tokens = signed_in.start(call, client.id(), granted).await?;
        Ok(tokens.answer())
    };
    match entered.await {
        Ok(answer) => Ok(call.at_fixed_time(answer)),
        // RFC 6749 §5.2 has 400 for it here.
        Err(Refusal::Password) => Ok(call.at_fixed_time(call.refusal(Refusal::Grant))),
        Err(refusal) => Err(refusal),
    }
}

/// RFC 6749 §6, with rotation (RFC 9700 §4.14.2).
async fn refresh(
    call: &Call,
    store: &Store,
    given: &Parameters,
    client: &KnownClient,
) -> Result<Answer, Refusal> {
    let result = rotate(call, store, given, client).await;
    let outcome = match &result {
        Ok((_, outcome)) => *outcome,
        Err(Refusal::Grant) => Refresh::Refused,
        Err(Refusal::Revoked) => Refresh::Reused,
        Err(_) => Refresh::Failed,
    };
    call.service.metrics.sessions().refreshed(outcome);
    match result {
        Ok((answer, _)) => Ok(answer),
        // Whoever comes with a used token learns no more than with an unknown one.
        Err(Refusal::Revoked) => Err(Refusal::Grant),
        Err(refusal) => Err(refusal),
    }
}

async fn rotate(
    call: &Call,
    store: &Store,
    given: &Parameters,
    client: &KnownClient,
) -> Result<(Answer, Refresh), Refusal> {
    let asked = asked_scopes(given)?;
    let (presented, by_cookie) = presented(call, given)?;
    let (family, secret) = own_family(call, store, presented, client).await?;
    let wanted = match &asked {
        // RFC 6749 §6: nothing that was not granted at first.
        Some(asked) => {
            let granted = &family.session.scopes;
            if !asked.iter().all(|scope| granted.contains(scope)) {
                return Err(Refusal::Scope);
            }
            asked.as_slice()
        }
        None => &family.session.scopes,
    };
    // Before anything is used up: without a key there is nothing to give for it.
    if call.secrets.ring.signer().is_none() {
        return Err(Refusal::NoKeys);
    }
    let next = presented
        .generation()
        .checked_add(1)
        .ok_or(Refusal::Grant)?;
    let successor = secret.token(presented.session(), next);
    let (session, outcome) = match store
        .refresh(&rotation(call, client, &presented, &successor)?)
        .await?
    {
        Refreshed::Rotated(session) => (session, Refresh::Rotated),
        Refreshed::Repeated(session) => (session, Refresh::Repeated),
        Refreshed::Over | Refreshed::Unknown => return Err(Refusal::Grant),
        Refreshed::Stale => return Err(reused(call, store, &family).await?),
    };
    let (now, address) = (call.service.uptime(), call.asked.client);
    call.service
        .attempts()
        .is_at_home(family.user.name.key(), address, now);
    let tokens = Tokens::narrowed(call, &family.user, session, successor, wanted)?;
    let answer = match by_cookie {
        Some(cookies) => tokens.answer_in_cookies(cookies),
        None => tokens.answer(),
    };
    Ok((answer, outcome))
}

fn rotation<'r>(
    call: &Call,
    client: &'r KnownClient,
    presented: &RefreshToken,
    successor: &RefreshToken,
) -> Result<Rotation<'r>, Refusal> {
    Ok(Rotation {
        session: presented.session(),
        presented: presented.digest(),
        successor: successor.digest(),
        client: client.id(),
        address: call.asked.client,
        grace: GRACE,
        idle: call.local()?.refresh_token,
    })
}

/// The refresh token, from the body or else from the cookie of a page of ours.
fn presented<'c>(
    call: &'c Call,
    given: &Parameters,
) -> Result<(RefreshToken, Option<Cookies<'c>>), Refusal> {
    let parse = |text| RefreshToken::parse(text).ok_or(Refusal::Grant);
    if let Some(text) = given.text("refresh_token")? {
        return Ok((parse(text)?, None));
    }
    let missing = || RequestError::Missing("refresh_token");
    let cookies = Cookies::of(call.local()?).ok_or_else(missing)?;
    let text = match cookies.refresh(&call.asked.headers) {
        Ok(text) => text.ok_or_else(missing)?,
        Err(RepeatedCookie) => return Err(RequestError::Credentials.into()),
    };
    if !cookies.is_same_origin(&call.asked.headers) {
        return Err(Refusal::CrossOrigin);
    }
    Ok((parse(text)?, Some(cookies)))
}

/// The family of a token that we made, and what its tokens are made of, if it is this client's.
///
/// A token in the hands of another client opens nothing. The one in force ends nothing either: whoever forgets to name its
/// client is not signed out for it. One that was used is nobody's any more, and ends the family.
async fn own_family(
    call: &Call,
    store: &Store,
    presented: RefreshToken,
    client: &KnownClient,
) -> Result<(Family, FamilySecret), Refusal> {
    let session = presented.session();
    let family = store.family(session).await?.ok_or(Refusal::Grant)?;
    let sealer = &call.secrets.sealer;
    let secret = FamilySecret::open(sealer, session, &family.sealed_secret)?;
    if !presented.is_of(&secret) {
        return Err(Refusal::Grant);
    }
    if *family.session.client != *client.id() {
        tracing::warn!(
            session = %session,
            client = client.id(),
            address = %call.asked.client,
            "a refresh token was sent by another client"
        );
        return Err(if presented.generation() < family.session.generation {
            reused(call, store, &family).await?
        } else {
            Refusal::Grant
        });
    }
    Ok((family, secret))
}

/// A token that was used comes again: one of those who hold it is a thief, so the family ends.
async fn reused(call: &Call, store: &Store, family: &Family) -> Result<Refusal, Refusal> {
    let session = family.session.id;
    let local = call.local_tokens()?;
    let ending = Ending::One(session);
    let by = actor(&family.user);
    store
        .end_sessions(ending, EndReason::Reused, Some(&local), &by)
        .await?;
    call.service.catch_up.wait().await;
    tracing::warn!(
        user = %family.user.name,
        session = %session,
        client = %family.session.client,
        address = %call.asked.client,
        "a refresh token was used again: its session ends"
    );
    Ok(Refusal::Revoked)
}

fn asked_scopes(given: &Parameters) -> Result<Option<Vec<Box<str>>>, Refusal> {
    scopes::parse(given.text("scope")?).map_err(|_| Refusal::Scope)
}

#[cfg(test)]
mod tests;
