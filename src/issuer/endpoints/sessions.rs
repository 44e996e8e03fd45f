//! `GET /sessions`, `DELETE /sessions/{id}`, `POST /sessions/end-others`: the sessions of whoever asks, and no others.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::issuer::caller::Caller;
use crate::issuer::respond::{Answer, Refusal, empty, json};
use crate::issuer::service::Call;
use crate::issuer::sign_in::actor;
use crate::store::{EndReason, Ending, Session, SessionFilter};

/// Most sessions that are listed, the newest of them: nobody looks through more.
const MOST: usize = 1000;

/// Sessions of one question to the store.
const PAGE: u32 = 200;

/// The caller's sessions that go on, the newest first.
pub(in crate::issuer) async fn sessions(call: &Call) -> Result<Answer, Refusal> {
    let caller = Caller::of(call)?;
    caller.family(call).await?;
    let found = live_sessions(call, caller.user).await?;
    let listed: Vec<Value> = found
        .iter()
        .map(|session| shown(session, caller.session))
        .collect();
    Ok(json(StatusCode::OK, &json!({ "sessions": listed })))
}

/// The sessions of a user that go on, the newest first, at most [`MOST`].
pub(super) async fn live_sessions(call: &Call, user: Uuid) -> Result<Vec<Session>, Refusal> {
    let store = call.store().await?;
    let filter = SessionFilter {
        user: Some(user),
        live_only: true,
    };
    let mut found: Vec<Session> = Vec::new();
    loop {
        let after = found.last().map(|session| session.id);
        let page = store.sessions(&filter, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        add_page(&mut found, page, MOST);
        if is_last {
            break;
        }
    }
    // Ids are in the order of their time.
    found.reverse();
    Ok(found)
}

/// Adds a page, and keeps the last so many: who signs in day and night must not fill the memory with one question.
fn add_page<T>(found: &mut Vec<T>, page: Vec<T>, most: usize) {
    found.extend(page);
    found.drain(..found.len().saturating_sub(most));
}

/// Ends one session of the caller.
pub(in crate::issuer) async fn end_session(call: &Call, id: Uuid) -> Result<Answer, Refusal> {
    let caller = Caller::of(call)?;
    let user = caller.family(call).await?.user;
    let store = call.store().await?;
    // Somebody else's is not there, and neither is one that is over.
    let session = store.session(id).await?;
    let own = session.filter(|session| session.user == caller.user && session.ended.is_none());
    if own.is_none() {
        return Err(Refusal::NoSession);
    }
    let reason = if id == caller.session {
        EndReason::Logout
    } else {
        EndReason::FromAnother
    };
    let local = call.local_tokens()?;
    let ended = store
        .end_sessions(Ending::One(id), reason, Some(&local), &actor(&user))
        .await?;
    call.service.catch_up.wait().await;
    if ended == 0 {
        return Err(Refusal::NoSession);
    }
    tracing::info!(user = %user.name, session = %id, "session ended");
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Ends all sessions of the caller but this one, and says how many.
pub(in crate::issuer) async fn end_others(call: &Call) -> Result<Answer, Refusal> {
    call.parameters()?;
    let caller = Caller::of(call)?;
    let user = caller.family(call).await?.user;
    let store = call.store().await?;
    let others = Ending::OthersOf {
        user: caller.user,
        keep: caller.session,
    };
    let local = call.local_tokens()?;
    let ended = store
        .end_sessions(others, EndReason::FromAnother, Some(&local), &actor(&user))
        .await?;
    tracing::info!(user = %user.name, ended, "other sessions ended");
    call.service.catch_up.wait().await;
    Ok(json(StatusCode::OK, &json!({ "ended": ended })))
}

fn shown(session: &Session, current: Uuid) -> Value {
    json!({
        "id": session.id.to_string(),
        "current": session.id == current,
        "client_id": session.client,
        "device": session.device,
        "address": session.address.to_string(),
        "scope": session.scopes.join(" "),
        "created": session.created.to_string(),
        "last_seen": session.last_seen.to_string(),
        "expires": session.expires.to_string(),
    })
}

#[cfg(test)]
mod tests;
