//! `POST /password`: a user sets another password, and its other sessions end.

use http::StatusCode;

use crate::issuer::caller::Caller;
use crate::issuer::respond::{Answer, Refusal, empty};
use crate::issuer::service::{Call, Ready};
use crate::issuer::sign_in::{actor, confirm};
use crate::passwords::Password;
use crate::store::PasswordChange;

/// The answer, at a moment that tells nothing once a password was looked at.
pub(in crate::issuer) async fn password(call: &Call) -> Result<Ready, Refusal> {
    let given = call.parameters()?;
    let caller = Caller::of(call)?;
    let (current, new) = (given.password("current")?, given.password("new")?);
    match change(call, &caller, current, new).await {
        Ok(answer) => Ok(call.at_fixed_time(answer)),
        Err(Refusal::Password) => Ok(call.at_fixed_time(call.refusal(Refusal::CurrentPassword))),
        Err(refusal) => Err(refusal),
    }
}

async fn change(
    call: &Call,
    caller: &Caller,
    current: Password,
    new: Password,
) -> Result<Answer, Refusal> {
    let user = caller.family(call).await?.user;
    confirm(call, &user, current).await?;
    let hash = call.service.hashing.hash(new).await?;
    let store = call.store().await?;
    let wanted = PasswordChange {
        user: user.id,
        password_changed: user.password_changed,
        hash: &hash,
        keep: Some(caller.session),
    };
    let local = call.local_tokens()?;
    let changed = store
        .change_password(&wanted, Some(&local), &actor(&user))
        .await?;
    // Somebody else changed it in between: what was right is not any more.
    let ended = changed.ok_or(Refusal::Password)?;
    tracing::info!(user = %user.name, ended, "password changed by its user");
    call.service.catch_up.wait().await;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests;
