//! `POST /introspect` (RFC 7662): what a token is, for clients that prove themselves.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::issuer::caller::{OwnToken, is_live};
use crate::issuer::client::{KnownClient, Presented};
use crate::issuer::respond::{Answer, Refusal, json};
use crate::issuer::service::Call;
use crate::issuer::{FamilySecret, RefreshToken};
use crate::store::Store;

/// The answer: `active`, and what the token says if it is.
pub(in crate::issuer) async fn introspect(call: &Call) -> Result<Answer, Refusal> {
    let given = call.parameters()?;
    let token = given.required("token")?;
    given.text("token_type_hint")?;
    let presented = Presented::of(&call.asked.headers, &given)?;
    let store = call.store().await?;
    let client = presented.authenticate(&store).await?;
    // RFC 7662 §4: else anybody could try tokens out.
    if !client.is_confidential() {
        return Err(Refusal::Client);
    }
    let active = match RefreshToken::parse(token) {
        Some(token) => of_refresh_token(call, &store, token, &client).await?,
        None => of_access_token(call, &store, token).await?,
    };
    let mut body = active.unwrap_or_default();
    let is_active = !body.is_empty();
    body.insert("active".into(), is_active.into());
    Ok(json(StatusCode::OK, &Value::Object(body)))
}

/// Its claims, if a route would take it now. The session is looked for in the store: what another gateway has ended is over.
async fn of_access_token(
    call: &Call,
    store: &Store,
    token: &str,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let token = match OwnToken::verify(call, token.as_bytes()) {
        Ok(token) => token,
        Err(Refusal::Token(_) | Refusal::Revoked) => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    let mut body = Map::new();
    for (name, value) in token.verified().claims().all().iter() {
        let value = serde_json::to_value(value);
        body.insert(name.to_owned(), value.unwrap_or(Value::Null));
    }
    if let Some(session) = token.text("sid").and_then(|sid| sid.parse().ok()) {
        let family = store.family(session).await?;
        let Some(family) = family.filter(|family| is_live(family, call.now())) else {
            return Ok(None);
        };
        body.insert("username".into(), family.user.name.as_str().into());
    }
    body.insert("token_type".into(), "Bearer".into());
    Ok(Some(body))
}

/// Only for the client that it was issued to, and only the one in force.
async fn of_refresh_token(
    call: &Call,
    store: &Store,
    token: RefreshToken,
    client: &KnownClient,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let Some(family) = store.family(token.session()).await? else {
        return Ok(None);
    };
    let sealer = &call.secrets.sealer;
    let secret = FamilySecret::open(sealer, token.session(), &family.sealed_secret)?;
    let session = &family.session;
    let active = token.is_of(&secret)
        && *session.client == *client.id()
        && session.generation == token.generation()
        && is_live(&family, call.now());
    if !active {
        return Ok(None);
    }
    let body = json!({
        "iss": call.local()?.url.text,
        "sub": family.user.id.to_string(),
        "username": family.user.name.as_str(),
        "client_id": session.client,
        "sid": session.id.to_string(),
        "scope": session.scopes.join(" "),
        "iat": session.last_seen.as_second(),
        "exp": session.expires.as_second(),
    });
    Ok(body.as_object().cloned())
}

#[cfg(test)]
mod tests;
