//! Back-channel logout of other issuers (`OpenID` Connect Back-Channel Logout 1.0): a provider says that someone has signed
//! out, and the tokens of that session, or of that user, are refused from then on.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::clock::UnixTime;
use crate::config;
use crate::jwt::{LoggedOut, LogoutToken, LogoutTokenError, TokenError};
use crate::snapshot::Snapshot;
use crate::store::{Actor, Means, NewRevocation, StoreError};

use super::Asked;
use super::request::{MediaType, Parameters, RequestError};
use super::respond::{Answer, Refusal, empty, oauth_error};
use super::service::Service;

/// Names of logout tokens that are remembered. Beyond that the one that is over first is forgotten: sent again, it says
/// what it said before.
const MOST_REMEMBERED: usize = 10_000;

/// Requests that wait for newer keys of their issuer at once. Anybody can send a token that names a key which nobody has.
const MOST_WAITING: usize = 8;

/// How long one waits for newer keys ..
const PATIENCE: Duration = Duration::from_secs(2);

/// .. and how often it looks for them.
const LOOK: Duration = Duration::from_millis(50);

/// What logout tokens need besides the service.
pub(super) struct Logouts {
    remembered: Mutex<Remembered>,
    waiting: Semaphore,
}

/// Why a logout is refused. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
enum LogoutError {
    /// Its form cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Its token is not good.
    #[error("the logout token: {0}")]
    Token(#[from] LogoutTokenError),
    /// Its token was taken before.
    #[error("the logout token was taken before")]
    Again,
    /// The store does not take what it says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Logouts {
    pub(super) fn new() -> Self {
        Self {
            remembered: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        let remembered = self.remembered.lock();
        remembered.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Answers a provider (§2.5, §2.8).
    pub(super) async fn log_out(&self, asked: &Asked) -> Answer {
        let snapshot = self.snapshot.load_full();
        // By its path: what the request brings is an index into a configuration that may be gone.
        let issuers = snapshot.config.issuers.iter();
        let Some((index, issuer)) = issuers.enumerate().find(|(_, issuer)| {
            let logout = issuer.logout.as_ref();
            logout.is_some_and(|logout| logout.path == asked.path)
        }) else {
            return Refusal::NoEndpoint.into_answer(&snapshot.config.server.realm);
        };
        if asked.method != Method::POST {
            return Refusal::Method("POST").into_answer(&snapshot.config.server.realm);
        }
        let outcome = self.try_log_out(asked, index, issuer, &snapshot).await;
        self.metrics.revocations().logout(outcome.is_ok());
        match outcome {
            Ok(()) => empty(StatusCode::OK),
            Err(error) => {
                tracing::warn!(issuer = %issuer.name, client = %asked.client, %error, "a logout was refused");
                refused(&error)
            }
        }
    }

    async fn try_log_out(
        &self,
        asked: &Asked,
        index: usize,
        issuer: &config::Issuer,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(), LogoutError> {
        // §2.5: a form, and nothing else.
        if MediaType::of(&asked.headers)? != Some(MediaType::Form) {
            return Err(RequestError::MediaType.into());
        }
        let form = Parameters::read(asked.query.as_deref(), &asked.headers, &asked.body)?;
        let token = form.required("logout_token")?.as_bytes();
        let client_id = issuer.logout.as_ref().map(|logout| &*logout.client_id);
        let client_id = client_id.unwrap_or_default();
        let said = self
            .verified(token, (index, client_id), Arc::clone(snapshot))
            .await?;
        let policy = &issuer.policy;
        let name = name_of(&policy.issuer, &said.jti);
        let now = self.clock.now();
        if !self.logouts.remembered().take(name, said.over, now) {
            return Err(LogoutError::Again);
        }
        let (kind, value, before) = match &said.subject {
            LoggedOut::Session(id) => ("sid", id, None),
            // By the provider's clock, as the tokens are: who signs in again right afterwards has newer ones.
            LoggedOut::Subject(name) => ("sub", name, Some(said.issued_at)),
        };
        let revocation = NewRevocation {
            issuer: policy.issuer.clone(),
            kind,
            value: value.clone(),
            before: before.map(UnixTime::seconds),
            until: policy.over_by(before, now).map(UnixTime::seconds),
        };
        let by = Actor {
            means: Means::Provider,
            who: issuer.name.to_string(),
        };
        let revoked = async { self.store.get().await?.revoke(&[revocation], &by).await };
        if let Err(error) = revoked.await {
            // The provider may send it again.
            self.logouts.remembered().forget(&name);
            return Err(error.into());
        }
        self.catch_up.wait().await;
        Ok(())
    }

    /// What a token says. One whose key is not known asks for newer ones, and waits for them.
    async fn verified(
        &self,
        token: &[u8],
        (index, client_id): (usize, &str),
        snapshot: Arc<Snapshot>,
    ) -> Result<LogoutToken, LogoutTokenError> {
        let verify = |snapshot: &Snapshot| {
            let now = self.clock.now();
            LogoutToken::verify(token, &snapshot.issuers, index, client_id, now)
        };
        let first = verify(&snapshot);
        let requester = snapshot.key_requesters.get(index).and_then(Option::as_ref);
        let (true, Some(requester)) = (wants_newer_keys(&first), requester) else {
            return first;
        };
        let Ok(_waits) = self.logouts.waiting.try_acquire() else {
            return first;
        };
        requester.unknown_kid(None);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            sleep(LOOK).await;
            let newer = self.snapshot.load_full();
            // Issuers stand elsewhere in another configuration.
            if !Arc::ptr_eq(&newer.config, &snapshot.config) {
                return first;
            }
            let again = verify(&newer);
            if !wants_newer_keys(&again) {
                return again;
            }
        }
        first
    }
}

fn wants_newer_keys(outcome: &Result<LogoutToken, LogoutTokenError>) -> bool {
    matches!(
        outcome,
        Err(LogoutTokenError::Token(
            TokenError::UnknownKey | TokenError::KeysUnavailable
        ))
    )
}

/// §2.8: 400, whatever it is. What was wrong with a token is said to no one but the log.
fn refused(error: &LogoutError) -> Answer {
    let (code, description) = match error {
        LogoutError::Request(error) => ("invalid_request", error.to_string()),
        LogoutError::Token(_) => (
            "invalid_request",
            "the logout token is not acceptable".to_owned(),
        ),
        LogoutError::Again => (
            "invalid_request",
            "the logout token was taken before".to_owned(),
        ),
        LogoutError::Store(_) => ("temporarily_unavailable", "try again later".to_owned()),
    };
    oauth_error(StatusCode::BAD_REQUEST, code, &description)
}

/// Which logout token: its issuer and its `jti`.
type TokenName = [u8; 32];

fn name_of(issuer: &str, jti: &str) -> TokenName {
    let mut text = (issuer.len() as u64).to_le_bytes().to_vec();
    text.extend_from_slice(issuer.as_bytes());
    text.extend_from_slice(jti.as_bytes());
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, &text).as_ref());
    name
}

/// The tokens that were taken, until they would not be taken anyway.
#[derive(Default)]
struct Remembered {
    by_name: HashMap<TokenName, UnixTime>,
    by_time: BTreeSet<(UnixTime, TokenName)>,
}

impl Remembered {
    /// Remembers a token until `over`; false if it is remembered already.
    fn take(&mut self, name: TokenName, over: UnixTime, now: UnixTime) -> bool {
        while let Some(first) = self.by_time.first().copied()
            && (first.0 <= now || self.by_time.len() >= MOST_REMEMBERED)
        {
            self.by_time.remove(&first);
            self.by_name.remove(&first.1);
        }
        if self.by_name.contains_key(&name) {
            return false;
        }
        self.by_name.insert(name, over);
        self.by_time.insert((over, name));
        true
    }

    fn forget(&mut self, name: &TokenName) {
        if let Some(over) = self.by_name.remove(name) {
            self.by_time.remove(&(over, *name));
        }
    }
}

#[cfg(test)]
mod tests;
