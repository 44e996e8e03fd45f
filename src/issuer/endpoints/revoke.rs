//! `POST /revoke` (RFC 7009): a refresh token ends its session, an access token itself.

use http::StatusCode;

use crate::issuer::caller::OwnToken;
use crate::issuer::client::{KnownClient, Presented};
use crate::issuer::respond::{Answer, Refusal, empty};
use crate::issuer::service::Call;
use crate::issuer::sign_in::actor;
use crate::issuer::{FamilySecret, RefreshToken};
use crate::store::{Actor, EndReason, Ending, Means, NewRevocation, Store};

/// The answer: 200 for every token that is not good, or not good any more (RFC 7009 §2.2).
pub(in crate::issuer) async fn revoke(call: &Call) -> Result<Answer, Refusal> {
    let given = call.parameters()?;
    let token = given.required("token")?;
    // A hint of any kind: the two look different.
    given.text("token_type_hint")?;
    let presented = Presented::of(&call.asked.headers, &given)?;
    let store = call.store().await?;
    let client = presented.authenticate(&store).await?;
    match RefreshToken::parse(token) {
        Some(token) => of_session(call, &store, token, &client).await?,
        None => of_token(call, &store, token, &client).await?,
    }
    Ok(empty(StatusCode::OK))
}

/// Every token of a family ends it, also one that was used already.
async fn of_session(
    call: &Call,
    store: &Store,
    token: RefreshToken,
    client: &KnownClient,
) -> Result<(), Refusal> {
    let Some(family) = store.family(token.session()).await? else {
        return Ok(());
    };
    let sealer = &call.secrets.sealer;
    let secret = FamilySecret::open(sealer, token.session(), &family.sealed_secret)?;
    if !token.is_of(&secret) {
        return Ok(());
    }
    if *family.session.client != *client.id() {
        return Err(Refusal::Grant);
    }
    let local = call.local_tokens()?;
    let ending = Ending::One(token.session());
    let by = actor(&family.user);
    let ended = store
        .end_sessions(ending, EndReason::Revoked, Some(&local), &by)
        .await?;
    if ended > 0 {
        tracing::info!(user = %family.user.name, session = %token.session(), "session revoked");
    }
    call.service.catch_up.wait().await;
    Ok(())
}

async fn of_token(
    call: &Call,
    store: &Store,
    token: &str,
    client: &KnownClient,
) -> Result<(), Refusal> {
    let token = match OwnToken::verify(call, token.as_bytes()) {
        Ok(token) => token,
        // Not one of ours, over or revoked: there is nothing to do.
        Err(Refusal::Token(_) | Refusal::Revoked) => return Ok(()),
        Err(refusal) => return Err(refusal),
    };
    // RFC 7009 §2.1: those of others are refused.
    if token.text("client_id") != Some(client.id()) {
        return Err(Refusal::Grant);
    }
    let (Some(jti), Some(until)) = (token.text("jti"), token.verified().usable_until()) else {
        return Ok(());
    };
    let revocation = NewRevocation {
        issuer: call.local()?.url.text.clone(),
        kind: "jti",
        value: jti.into(),
        before: None,
        until: Some(until.seconds()),
    };
    let by = Actor {
        means: Means::Client,
        who: client.id().to_owned(),
    };
    store.revoke(&[revocation], &by).await?;
    tracing::info!(client = client.id(), jti, "access token revoked");
    call.service.catch_up.wait().await;
    Ok(())
}

#[cfg(test)]
mod tests;
