//! Access tokens as RFC 9068 has them.

use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::UnixTime;
use crate::jwt::{IssuerPolicy, KeyError, SigningKey};

/// `typ` of the tokens (RFC 9068 §2.1).
const TOKEN_TYPE: &str = "at+jwt";

/// What a token is to say of whom it was issued to.
#[derive(Clone, Copy, Debug)]
pub struct AccessToken<'a> {
    /// `sub`: the user's id, or the client's where there is no user (RFC 9068 §2.2).
    pub sub: &'a str,
    /// `preferred_username`: the user's name (`OpenID` Connect Core §5.1), for an application that wants more than an id.
    pub name: Option<&'a str>,
    /// `client_id`
    pub client_id: &'a str,
    /// `sid`: the session; none of a client that acts for itself.
    pub sid: Option<Uuid>,
    /// `scope`; left out if there are none.
    pub scopes: &'a [Box<str>],
    /// `roles`; left out if there are none.
    pub roles: &'a [Box<str>],
    /// Further claims. Those that the gateway sets win.
    pub claims: &'a Map<String, Value>,
    /// When the user signed in (RFC 9068 §2.2.1).
    pub auth_time: Option<UnixTime>,
    /// When it is issued.
    pub now: UnixTime,
    /// How long it is good.
    pub lifetime: Duration,
}

/// A token that was minted.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token. For the answer, and nowhere else.
    pub token: String,
    /// Its `jti`: 128 random bits.
    pub jti: Box<str>,
    /// Its `exp`.
    pub expires: UnixTime,
}

/// Why no token could be minted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No key signs: the store was never reached, or not for a while, or its keys cannot be opened.
    #[error("no key signs")]
    NoKey,
    /// The crypto library refuses, or the system has no randomness.
    #[error(transparent)]
    Signing(#[from] KeyError),
}

impl AccessToken<'_> {
    /// Signs the token: `iss` and `aud` are those that the policy of the issuer accepts.
    ///
    /// # Errors
    /// `Signing`
    pub fn sign(&self, key: &SigningKey, policy: &IssuerPolicy) -> Result<Minted, MintError> {
        let jti = random_jti()?;
        let expires = self.now.plus(self.lifetime);
        let claims = self.claims_set(policy, &jti, expires);
        Ok(Minted {
            token: key.sign(TOKEN_TYPE, &claims)?,
            jti: jti.into(),
            expires,
        })
    }

    fn claims_set(&self, policy: &IssuerPolicy, jti: &str, expires: UnixTime) -> Value {
        let mut claims = self.claims.clone();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", (*policy.issuer).into());
        let audience = policy.audiences.first();
        set(
            "aud",
            audience.map_or(Value::Null, |audience| (**audience).into()),
        );
        set("sub", self.sub.into());
        if let Some(name) = self.name {
            set("preferred_username", name.into());
        }
        set("client_id", self.client_id.into());
        set("iat", self.now.seconds().into());
        set("exp", expires.seconds().into());
        set("jti", jti.into());
        if let Some(sid) = self.sid {
            set("sid", sid.to_string().into());
        }
        if !self.scopes.is_empty() {
            set("scope", self.scopes.join(" ").into());
        }
        if !self.roles.is_empty() {
            set("roles", self.roles.iter().map(|role| &**role).collect());
        }
        if let Some(auth_time) = self.auth_time {
            set("auth_time", auth_time.seconds().into());
        }
        Value::Object(claims)
    }
}

fn random_jti() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| KeyError::Invalid("no randomness for a jti"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl std::fmt::Debug for Minted {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("jti", &self.jti)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
