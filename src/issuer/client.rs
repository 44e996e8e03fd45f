//! Which client asks, and whether it is the one it says it is (RFC 6749 §2.3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

use crate::store::{Client, FIRST_PARTY_CLIENT, Store, StoreError};

use super::request::{Parameters, RequestError, form_decode};
use super::respond::Refusal;

/// Who a request says it is. Nothing is proven.
pub(super) struct Presented {
    id: Zeroizing<String>,
    secret: Option<Zeroizing<String>>,
}

/// A client that is the one it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KnownClient {
    /// The gateway's own, which everybody who signs in at `/login` uses. It has no secret.
    FirstParty,
    /// One that was added.
    Added(Client),
}

impl Presented {
    /// What a request says, by `Authorization: Basic` or in the body; nothing is the gateway's own client.
    ///
    /// # Errors
    /// `Request(Credentials)` for both ways at once, two ids, or credentials that cannot be read; `Client` for a scheme
    /// other than Basic.
    pub(super) fn of(headers: &HeaderMap, given: &Parameters) -> Result<Self, Refusal> {
        let id = given.text("client_id")?;
        let secret = given.text("client_secret")?;
        let Some((basic_id, basic_secret)) = basic(headers)? else {
            let id = match (id, secret) {
                (Some(id), _) => id,
                (None, None) => FIRST_PARTY_CLIENT,
                (None, Some(_)) => return Err(RequestError::Missing("client_id").into()),
            };
            return Ok(Self {
                id: Zeroizing::new(id.to_owned()),
                secret: secret.map(|secret| Zeroizing::new(secret.to_owned())),
            });
        };
        // RFC 6749 §2.3: never more than one way. The id may stand in the body too, as itself.
        if secret.is_some() || id.is_some_and(|id| id != *basic_id) {
            return Err(RequestError::Credentials.into());
        }
        Ok(Self {
            id: basic_id,
            secret: Some(basic_secret).filter(|secret| !secret.is_empty()),
        })
    }

    /// The client, if it is the one it says it is.
    ///
    /// # Errors
    /// `Client`, whatever is wrong with it; or what is wrong with the store.
    pub(super) async fn authenticate(&self, store: &Store) -> Result<KnownClient, Refusal> {
        if *self.id == FIRST_PARTY_CLIENT {
            return match self.secret {
                None => Ok(KnownClient::FirstParty),
                Some(_) => Err(Refusal::Client),
            };
        }
        let client = known(store, &self.id)
            .await?
            .filter(|client| !client.disabled);
        let secret = client.as_ref().and_then(|client| client.secret);
        let proven = self.has(secret);
        client
            .filter(|_| proven)
            .map(KnownClient::Added)
            .ok_or(Refusal::Client)
    }

    /// Whether the secret is the one of which `expected` is the digest; without one there must be none.
    ///
    /// A plain SHA-256 will do: secrets of clients are made by the gateway, of 256 random bits.
    fn has(&self, expected: Option<[u8; 32]>) -> bool {
        match (&self.secret, expected) {
            (None, None) => true,
            (Some(secret), Some(expected)) => {
                let found = digest(&SHA256, secret.as_bytes());
                verify_slices_are_equal(found.as_ref(), &expected).is_ok()
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl KnownClient {
    /// Its `client_id`.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::FirstParty => FIRST_PARTY_CLIENT,
            Self::Added(client) => &client.id,
        }
    }

    /// Whether it has proven itself by a secret (RFC 6749 §2.1).
    pub(super) fn is_confidential(&self) -> bool {
        match self {
            Self::FirstParty => false,
            Self::Added(client) => client.secret.is_some(),
        }
    }

    /// What it may be granted.
    pub(super) fn scopes(&self) -> &[Box<str>] {
        match self {
            Self::FirstParty => &[],
            Self::Added(client) => &client.scopes,
        }
    }
}

/// The client of that id. An id that none can have is not looked for: a database may not take it.
async fn known(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    let possible = id.bytes().all(|byte| byte.is_ascii_graphic()) && id.len() <= 255;
    if possible {
        store.client(id).await
    } else {
        Ok(None)
    }
}

type Text = Zeroizing<String>;

/// Basic credentials (RFC 7617), whose two halves are form-encoded (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(Text, Text)>, Refusal> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(RequestError::Credentials.into());
    }
    let line = line.as_bytes();
    let (scheme, encoded) = line.split_at(line.len().min(SCHEME.len()));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Refusal::Client);
    }
    let decoded = Zeroizing::new(
        STANDARD
            .decode(encoded.trim_ascii_start())
            .map_err(|_| RequestError::Credentials)?,
    );
    let colon = decoded.iter().position(|byte| *byte == b':');
    let colon = colon.ok_or(RequestError::Credentials)?;
    let half = |encoded: &[u8]| {
        let text = form_decode(encoded)?;
        (!text.chars().any(char::is_control)).then_some(text)
    };
    let id = half(&decoded[..colon]).filter(|id| !id.is_empty());
    let secret = half(&decoded[colon + 1..]);
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, _) | (_, None) => Err(RequestError::Credentials.into()),
    }
}

const SCHEME: &[u8] = b"Basic ";

#[cfg(test)]
mod tests;
