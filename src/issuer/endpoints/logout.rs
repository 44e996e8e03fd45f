//! `POST /logout`: the session of whoever asks is over.

use http::StatusCode;
use uuid::Uuid;

use crate::issuer::caller::Caller;
use crate::issuer::cookies::Cookies;
use crate::issuer::respond::{Answer, Refusal, empty};
use crate::issuer::service::Call;
use crate::issuer::sign_in::actor;
use crate::issuer::{FamilySecret, RefreshToken};
use crate::store::{EndReason, Ending, User};

/// The answer, which takes the cookies away.
pub(in crate::issuer) async fn logout(call: &Call) -> Result<Answer, Refusal> {
    call.parameters()?;
    let (session, user) = whose(call).await?;
    let store = call.store().await?;
    let local = call.local_tokens()?;
    let (ending, by) = (Ending::One(session), actor(&user));
    store
        .end_sessions(ending, EndReason::Logout, Some(&local), &by)
        .await?;
    tracing::info!(user = %user.name, session = %session, "signed out");
    call.service.catch_up.wait().await;
    let mut answer = empty(StatusCode::NO_CONTENT);
    if let Some(cookies) = Cookies::of(call.local()?) {
        cookies.clear(&mut answer);
    }
    Ok(answer)
}

/// Whose session it is: by the access token; or by the refresh token of a browser, whose access token may have expired
/// while nobody looked.
async fn whose(call: &Call) -> Result<(Uuid, User), Refusal> {
    let refusal = match Caller::of(call) {
        Ok(caller) => {
            let family = caller.family(call).await?;
            return Ok((caller.session, family.user));
        }
        Err(refusal) => refusal,
    };
    let by_token = matches!(refusal, Refusal::NoToken | Refusal::Token(_));
    let Some(cookies) = Cookies::of(call.local()?).filter(|_| by_token) else {
        return Err(refusal);
    };
    let headers = &call.asked.headers;
    let token = cookies.refresh(headers).ok().flatten();
    let Some(token) = token.and_then(RefreshToken::parse) else {
        return Err(refusal);
    };
    if !cookies.is_same_origin(headers) {
        return Err(Refusal::CrossOrigin);
    }
    let store = call.store().await?;
    let Some(family) = store.family(token.session()).await? else {
        return Err(refusal);
    };
    let sealer = &call.secrets.sealer;
    let secret = FamilySecret::open(sealer, token.session(), &family.sealed_secret)?;
    if !token.is_of(&secret) {
        return Err(refusal);
    }
    Ok((token.session(), family.user))
}

#[cfg(test)]
mod tests;
