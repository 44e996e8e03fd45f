//! `GET /`: the sign-in page, or the sessions of the user who looks at it.

use crate::issuer::caller::Caller;
use crate::issuer::cookies::Cookies;
use crate::issuer::page::{self, Asked, SessionLine, View, Visitor};
use crate::issuer::respond::{Answer, Refusal};
use crate::issuer::service::Call;
use crate::store::{Family, Session};

use super::sessions::live_sessions;

/// The page, where it is switched on.
pub(in crate::issuer) async fn page(call: &Call) -> Result<Answer, Refusal> {
    let local = call.local()?;
    if !local.page {
        return Err(Refusal::NoEndpoint);
    }
    let asked = Asked::of(call.asked.query.as_deref());
    let user = match visitor(call).await {
        Ok(found) => found,
        Err(refusal) => {
            let status = call.refusal(refusal).status();
            return Ok(page::failed(status));
        }
    };
    let lines: Vec<SessionLine<'_>> = user
        .iter()
        .flat_map(|(family, sessions)| sessions.iter().map(|session| line(session, family)))
        .collect();
    let visitor = match &user {
        Some((family, _)) => Visitor::User {
            name: family.user.name.as_str(),
            sessions: &lines,
        },
        None if may_renew(call)? => Visitor::Renewable,
        None => Visitor::Unknown,
    };
    Ok(page::shown(&View {
        host: &local.url.host,
        path: &local.url.path,
        asked: &asked,
        visitor,
    }))
}

/// Who looks at it, with the sessions; nobody, if the token is not good.
async fn visitor(call: &Call) -> Result<Option<(Family, Vec<Session>)>, Refusal> {
    let found = async {
        let caller = Caller::of(call)?;
        let family = caller.family(call).await?;
        let sessions = live_sessions(call, caller.user).await?;
        Ok((family, sessions))
    };
    match found.await {
        Ok(found) => Ok(Some(found)),
        Err(
            Refusal::NoToken
            | Refusal::Credentials
            | Refusal::Token(_)
            | Refusal::Revoked
            | Refusal::NotAUser,
        ) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn may_renew(call: &Call) -> Result<bool, Refusal> {
    let cookies = Cookies::of(call.local()?);
    let refresh = cookies.and_then(|cookies| cookies.refresh(&call.asked.headers).ok().flatten());
    Ok(refresh.is_some())
}

fn line<'s>(session: &'s Session, own: &Family) -> SessionLine<'s> {
    SessionLine {
        id: session.id,
        device: &session.device,
        address: session.address,
        started: session.created,
        last_seen: session.last_seen,
        current: session.id == own.session.id,
    }
}

#[cfg(test)]
mod tests;
