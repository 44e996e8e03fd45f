//! The tokens of an answer (RFC 6749 §5.1).

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::clock::UnixTime;
use crate::store::{Client, Session, User};

use super::cookies::Cookies;
use super::respond::{Answer, Refusal, json};
use super::scopes;
use super::service::Call;
use super::{AccessToken, Minted, RefreshToken};

/// What somebody gets.
pub(super) struct Tokens {
    access: Minted,
    scopes: Vec<Box<str>>,
    issued: UnixTime,
    /// Of a user.
    session: Option<(Session, RefreshToken)>,
}

impl Tokens {
    /// An access token of a session, with what the user has now, and its refresh token.
    ///
    /// # Errors
    /// No key signs.
    pub(super) fn of_session(
        call: &Call,
        user: &User,
        session: Session,
        refresh: RefreshToken,
    ) -> Result<Self, Refusal> {
        let scopes = session.scopes.clone();
        Self::narrowed(call, user, session, refresh, &scopes)
    }

    /// The same with fewer scopes, which concerns this access token alone (RFC 6749 §6). What the user has no more is left
    /// out.
    ///
    /// # Errors
    /// No key signs.
    pub(super) fn narrowed(
        call: &Call,
        user: &User,
        session: Session,
        refresh: RefreshToken,
        wanted: &[Box<str>],
    ) -> Result<Self, Refusal> {
        let lists = [wanted, &session.scopes, user.grants.scopes()];
        let scopes = scopes::grant(None, &lists).unwrap_or_default();
        let sub = user.id.to_string();
        let access = mint(
            call,
            &AccessToken {
                sub: &sub,
                name: Some(user.name.as_str()),
                client_id: &session.client,
                sid: Some(session.id),
                scopes: &scopes,
                roles: user.grants.roles(),
                claims: user.grants.claims(),
                auth_time: Some(UnixTime::from_seconds(session.created.as_second())),
                now: call.now(),
                lifetime: call.local()?.access_token,
            },
        )?;
        Ok(Self {
            access,
            scopes,
            issued: call.now(),
            session: Some((session, refresh)),
        })
    }

    /// An access token of a client that acts for itself (RFC 6749 §4.4): its `sub` is its id, and nothing refreshes it.
    ///
    /// # Errors
    /// No key signs.
    pub(super) fn of_client(
        call: &Call,
        client: &Client,
        scopes: Vec<Box<str>>,
    ) -> Result<Self, Refusal> {
        let access = mint(
            call,
            &AccessToken {
                sub: &client.id,
                name: None,
                client_id: &client.id,
                sid: None,
                scopes: &scopes,
                roles: &[],
                claims: &Map::new(),
                auth_time: None,
                now: call.now(),
                lifetime: call.local()?.access_token,
            },
        )?;
        Ok(Self {
            access,
            scopes,
            issued: call.now(),
            session: None,
        })
    }

    /// Both tokens as JSON.
    pub(super) fn answer(&self) -> Answer {
        let mut body = self.common();
        body.insert("access_token".into(), self.access.token.clone().into());
        body.insert("token_type".into(), "Bearer".into());
        if let Some((_, refresh)) = &self.session {
            body.insert("refresh_token".into(), refresh.expose().into());
        }
        json(StatusCode::OK, &Value::Object(body))
    }

    /// Both tokens as cookies, which no script can read, so the body has none of them.
    pub(super) fn answer_in_cookies(&self, cookies: Cookies<'_>) -> Answer {
        let mut answer = json(StatusCode::OK, &Value::Object(self.common()));
        self.put_into(cookies, &mut answer);
        answer
    }

    /// Both tokens as cookies of an answer.
    pub(super) fn put_into(&self, cookies: Cookies<'_>, answer: &mut Answer) {
        let Some((session, refresh)) = &self.session else {
            return;
        };
        let left = |until: i64| {
            let seconds = until - self.issued.seconds();
            std::time::Duration::from_secs(seconds.try_into().unwrap_or_default())
        };
        cookies.set(
            answer,
            (&self.access.token, left(self.access.expires.seconds())),
            (&refresh.expose(), left(session.expires.as_second())),
        );
    }

    /// What an answer says whatever holds the tokens.
    fn common(&self) -> Map<String, Value> {
        let expires_in = self.access.expires.since(self.issued);
        let mut body = Map::new();
        body.insert("expires_in".into(), json!(expires_in));
        body.insert("scope".into(), self.scopes.join(" ").into());
        if let Some((session, _)) = &self.session {
            body.insert("session".into(), session.id.to_string().into());
        }
        body
    }
}

fn mint(call: &Call, token: &AccessToken<'_>) -> Result<Minted, Refusal> {
    let issuer = call.local()?.issuer;
    let policy = &call.config.issuers[issuer].policy;
    Ok(call.secrets.ring.mint(token, policy)?)
}
