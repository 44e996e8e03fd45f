//! A name and a password become a user, and a user a session with its tokens.

use std::sync::Arc;

use http::header::USER_AGENT;
use uuid::Uuid;

use crate::metrics::SignIn;
use crate::passwords::{Password, PasswordHash, Verdict};
use crate::store::{
    Actor, Means, NewSession, RefusedSignIns, Session, Store, StoreError, User, UserName,
};

use super::attempts::{Attempt, Wait};
use super::hashing::HashingError;
use super::refusals::{Lines, Refused};
use super::respond::Refusal;
use super::service::{Call, Service};
use super::tokens::Tokens;
use super::{FamilySecret, MintError};

/// Number of the first refresh token of a session.
const FIRST: u32 = 1;

/// Whose password it is, of the names that were typed. What can be no name is nobody's.
enum Account {
    Name(UserName),
    Nobody(Box<str>),
}

/// A user who has proven its password just now.
pub(super) struct SignedIn {
    pub(super) user: User,
}

impl Account {
    fn of(typed: &str) -> Self {
        UserName::parse(typed).map_or_else(|_| Self::Nobody(typed.into()), Self::Name)
    }

    /// By what attempts are counted.
    fn key(&self) -> &str {
        match self {
            Self::Name(name) => name.key(),
            Self::Nobody(typed) => typed,
        }
    }
}

/// The user of this name, if the password is its own.
///
/// For everybody the same: one look into the store, one hash, one line of audit. Who is not there, has no password or is
/// disabled costs as much as who is wrong.
///
/// # Errors
/// `Password`, `TooManyAttempts`; what is wrong with the store, or too many passwords at once.
pub(super) async fn sign_in(
    call: &Call,
    typed: &str,
    password: Password,
    client: &str,
) -> Result<SignedIn, Refusal> {
    let result = attempt(call, typed, password, client).await;
    let outcome = match &result {
        Ok(_) => SignIn::Success,
        Err(Refusal::Password) => SignIn::Refused,
        Err(Refusal::TooManyAttempts(_)) => SignIn::Throttled,
        Err(Refusal::Hashing(HashingError::Full)) => SignIn::Overloaded,
        Err(_) => SignIn::Failed,
    };
    call.service.metrics.sessions().signed_in(outcome);
    result
}

async fn attempt(
    call: &Call,
    typed: &str,
    password: Password,
    client: &str,
) -> Result<SignedIn, Refusal> {
    let account = Account::of(typed);
    let store = call.store().await?;
    let attempt = begin(call, account.key())?;
    let user = match &account {
        Account::Name(name) => user_of(&store, name).await,
        Account::Nobody(_) => Ok(None),
    };
    let checked = match user {
        Ok(user) => check(call, user, password.clone()).await,
        Err(error) => Err(error.into()),
    };
    match checked {
        Ok(Checked::Right(user, hash)) => {
            let now = call.service.uptime();
            call.service.attempts().succeeded(attempt, now);
            if hash.is_outdated() {
                upgrade(call, &store, &user, &hash, password).await;
            }
            Ok(SignedIn { user })
        }
        Ok(Checked::Wrong(user)) => {
            let now = call.service.uptime();
            call.service.attempts().failed(attempt, now);
            refused(call, &store, user.as_ref(), client).await;
            Err(Refusal::Password)
        }
        Err(refusal) => {
            call.service.attempts().undecided(attempt);
            Err(refusal)
        }
    }
}

/// Whether the password of a user who is signed in is this one: with the same limits as a sign-in.
///
/// # Errors
/// As [`sign_in`].
pub(super) async fn confirm(call: &Call, user: &User, password: Password) -> Result<(), Refusal> {
    let attempt = begin(call, user.name.key())?;
    let checked = check(call, Some(user.clone()), password).await;
    let (now, mut attempts) = (call.service.uptime(), call.service.attempts());
    match checked {
        Ok(Checked::Right(..)) => {
            attempts.succeeded(attempt, now);
            Ok(())
        }
        Ok(Checked::Wrong(_)) => {
            attempts.failed(attempt, now);
            Err(Refusal::Password)
        }
        Err(refusal) => {
            attempts.undecided(attempt);
            Err(refusal)
        }
    }
}

/// # Errors
/// `TooManyAttempts`
fn begin(call: &Call, account: &str) -> Result<Attempt, Refusal> {
    let now = call.service.uptime();
    let begun = call
        .service
        .attempts()
        .begin(account, call.asked.client, now);
    begun.map_err(|Wait(wait)| Refusal::TooManyAttempts(wait))
}

/// A row that cannot be read is nobody: it must not answer otherwise than the rest.
async fn user_of(store: &Store, name: &UserName) -> Result<Option<User>, StoreError> {
    match store.user(name).await {
        Err(StoreError::Corrupt(what)) => {
            tracing::error!(error = %what, "a user cannot sign in");
            Ok(None)
        }
        found => found,
    }
}

/// What one hash has shown.
enum Checked {
    /// It is the password of this user, by this hash.
    Right(User, PasswordHash),
    /// It is not, or nobody's.
    Wrong(Option<User>),
}

/// Hashes once, whoever it is.
async fn check(call: &Call, user: Option<User>, password: Password) -> Result<Checked, Refusal> {
    let able = user.as_ref().filter(|user| !user.disabled);
    let hash = able.and_then(|user| user.password.clone());
    let run = call.service.hashing.verify(hash.clone(), password).await?;
    let now = call.service.uptime();
    call.service.times().saw(run.took, now);
    Ok(match (run.found, user, hash) {
        (Verdict::Right | Verdict::RightButOutdated, Some(user), Some(hash)) => {
            Checked::Right(user, hash)
        }
        (_, user, _) => Checked::Wrong(user),
    })
}

/// Now that the password is known, it gets the hash that we would make. Without it the old one works as well.
async fn upgrade(call: &Call, store: &Store, user: &User, old: &PasswordHash, password: Password) {
    let new = match call.service.hashing.hash(password).await {
        Ok(new) => new,
        Err(error) => {
            tracing::info!(%error, user = %user.name, "the old hash of a password stays");
            return;
        }
    };
    match store.upgrade_hash(user.id, old, &new, &actor(user)).await {
        Ok(_) => tracing::info!(user = %user.name, from = ?old.kind(), "password hashed anew"),
        Err(error) => tracing::warn!(%error, "the old hash of a password stays"),
    }
}

/// The line in the trail of somebody who was not let in. What was typed as a name is not in it: it may be a password.
async fn refused(call: &Call, store: &Store, user: Option<&User>, client: &str) {
    let refused = Refused {
        user: user.map(|user| user.id),
        client: client.into(),
        address: call.asked.client,
        reason: match user {
            None => "no such user",
            Some(user) if user.disabled => "disabled",
            Some(user) if user.password.is_none() => "has no password",
            Some(_) => "wrong password",
        },
    };
    let now = call.service.uptime();
    let lines = call.service.refusals().note(refused, now);
    write(store, lines, user.map(actor)).await;
}

/// Writes down how many more there were in a minute that is over.
pub(super) async fn write_refusals(service: Arc<Service>) {
    let now = service.uptime();
    let lines = service.refusals().over(now);
    if lines.is_empty() {
        return;
    }
    match service.store.get().await {
        Ok(store) => write(&store, lines, None).await,
        Err(error) => tracing::warn!(%error, "refused sign-ins are not in the audit trail"),
    }
}

/// Lines of the trail; `by` is who the last of them is about, if that is known.
async fn write(store: &Store, lines: Lines, by: Option<Actor>) {
    let last = lines.len().saturating_sub(1);
    for (number, (refused, count)) in lines.into_iter().enumerate() {
        let line = RefusedSignIns {
            user: refused.user,
            client: &refused.client,
            address: refused.address,
            reason: refused.reason,
            count,
        };
        let by = by.clone().filter(|_| number == last);
        if let Err(error) = store
            .record_refused(&line, &by.unwrap_or_else(nobody))
            .await
        {
            tracing::warn!(%error, "a refused sign-in is not in the audit trail");
        }
    }
}

impl SignedIn {
    /// Starts a session with this client, and mints its first tokens.
    ///
    /// # Errors
    /// `Password`, if the user was disabled or got another password meanwhile; no key that signs; the store.
    pub(super) async fn start(
        self,
        call: &Call,
        client: &str,
        scopes: Vec<Box<str>>,
    ) -> Result<Tokens, Refusal> {
        let (local, secrets) = (call.local()?, &call.secrets);
        if secrets.ring.signer().is_none() {
            return Err(MintError::NoKey.into());
        }
        let id = Uuid::now_v7();
        let family = FamilySecret::random()?;
        let refresh = family.token(id, FIRST);
        let new = NewSession {
            id,
            user: self.user.id,
            password_changed: self.user.password_changed,
            client: client.into(),
            scopes,
            device: device(call),
            address: call.asked.client,
            sealed_secret: family.seal(&secrets.sealer, id)?,
            digest: refresh.digest(),
            idle: local.refresh_token,
            cap: local.session,
        };
        let store = call.store().await?;
        let started = store.start_session(&new, &actor(&self.user)).await?;
        let session: Session = started.ok_or(Refusal::Password)?;
        tracing::info!(
            user = %self.user.name,
            session = %session.id,
            client = %session.client,
            address = %session.address,
            "signed in"
        );
        Tokens::of_session(call, &self.user, session, refresh)
    }
}

/// What the client says it is. It is shown to its user, so that it can tell its sessions apart.
fn device(call: &Call) -> Box<str> {
    let agent = call.asked.headers.get(USER_AGENT);
    let text = agent.map_or(String::new(), |agent| {
        String::from_utf8_lossy(agent.as_bytes()).into_owned()
    });
    text.chars().take(256).collect::<String>().into()
}

/// A user, in the trail.
pub(super) fn actor(user: &User) -> Actor {
    Actor {
        means: Means::User,
        who: user.name.to_string(),
    }
}

/// Who cannot be named, in the trail.
fn nobody() -> Actor {
    Actor {
        means: Means::User,
        who: "unknown".to_owned(),
    }
}
