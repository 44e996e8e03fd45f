//! `/revocations`: what is known of the list, and what is added to it and taken back.

use http::StatusCode;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::config::{AdminAccess, Config, StoreFailure};
use crate::revocation_feed::{FeedHandle, FeedStatus, ListOrigin, RevocationRequest};
use crate::store::{Actor, Means, StoreError, StoreHandle, StoreState};

use super::problem::{Answer, json, problem, problem_with};

/// The store, and the feed that brings its revocations here.
#[derive(Clone)]
pub struct StoredRevocations {
    /// Where they are kept.
    pub store: StoreHandle,
    /// How they come here.
    pub feed: FeedHandle,
}

impl StoredRevocations {
    /// Why the store does not answer; `None` if it does.
    pub(super) fn store_failure(&self) -> Option<String> {
        match self.store.state() {
            StoreState::Opening => Some("it is not open yet".to_owned()),
            // It was opened; who reads it all the time knows whether it answers still.
            StoreState::Open(_) => self.feed.status().failure,
            StoreState::Away(error) | StoreState::Unusable(error) => Some(error.to_string()),
        }
    }
}

/// The list in force. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub(super) struct RevocationsReport {
    /// `current`, `stale`, or `loading` before there is any list.
    state: &'static str,
    revocations: usize,
    /// `store`, or `copy` for the one on disk.
    origin: Option<&'static str>,
    /// The number of the last change that it knows.
    newest: Option<i64>,
    /// When it was last known to be the list of the store.
    confirmed: Option<String>,
    age_seconds: Option<i64>,
    stale_for_seconds: u64,
    /// What happens when it is stale: `closed` or `open`.
    fail: &'static str,
    /// Why the store does not answer.
    failure: Option<String>,
}

impl RevocationsReport {
    pub(super) fn of(status: &FeedStatus, now: UnixTime) -> Self {
        let state = match status.confirmed {
            None => "loading",
            Some(_) if status.is_current(now) => "current",
            Some(_) => "stale",
        };
        Self {
            state,
            revocations: status.revocations,
            origin: status.origin.map(ListOrigin::name),
            newest: status.newest,
            confirmed: status.confirmed.map(|moment| moment.to_string()),
            age_seconds: status.confirmed.map(|moment| now.since(moment).max(0)),
            stale_for_seconds: status.stale_for.as_secs(),
            fail: match status.fail {
                StoreFailure::Closed => "closed",
                StoreFailure::Open => "open",
            },
            failure: status.failure.clone(),
        }
    }
}

/// The list, or that there is none.
pub(super) fn show(stored: Option<&StoredRevocations>, now: UnixTime) -> Answer {
    match stored {
        Some(stored) => {
            let report = RevocationsReport::of(&stored.feed.status(), now);
            json(StatusCode::OK, &report)
        }
        None => no_store(),
    }
}

/// Revokes what a body says, or takes it back, and waits until that is in force here.
pub(super) async fn change(
    stored: Option<&StoredRevocations>,
    config: &Config,
    body: &[u8],
    now: UnixTime,
) -> Answer {
    let Some(stored) = stored else {
        return no_store();
    };
    let request = RevocationRequest::from_json(body);
    let change = match request.and_then(|request| request.resolve(config, now)) {
        Ok(change) => change,
        Err(error) => {
            let title = "This cannot be revoked.";
            return problem_with(StatusCode::BAD_REQUEST, title, &error.to_string());
        }
    };
    let by = Actor {
        means: Means::Admin,
        who: match config.admin.access {
            AdminAccess::Loopback => "loopback",
            AdminAccess::Token(_) => "token",
        }
        .to_owned(),
    };
    let local = config.local_issuer.as_ref();
    let local = local.map(|local| &*config.issuers[local.issuer].policy.issuer);
    let applied = async {
        let store = stored.store.get().await?;
        match change.user_by_name(local, &store).await? {
            Some(user) => Ok(Err(user)),
            None => Ok(Ok(change.apply(&store, &by).await?)),
        }
    };
    match applied.await {
        Ok(Err(user)) => {
            let title = "This is the name of a user, and `sub` of their tokens is the id.";
            problem_with(StatusCode::BAD_REQUEST, title, &user.id.to_string())
        }
        Ok(Ok(number)) => {
            let mut report = change.report(number);
            // Whether this gateway is known to do so already.
            report["in_force"] = stored.feed.catch_up().await.into();
            json(StatusCode::OK, &report)
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &StoreError) -> Answer {
    let detail = error.to_string();
    if matches!(error, StoreError::NotRevocable(_)) {
        return problem_with(StatusCode::BAD_REQUEST, "This cannot be revoked.", &detail);
    }
    tracing::error!(%error, "a revocation could not be written");
    let title = "The store did not take it: nothing may have been revoked.";
    problem_with(StatusCode::SERVICE_UNAVAILABLE, title, &detail)
}

fn no_store() -> Answer {
    problem(
        StatusCode::NOT_FOUND,
        "The configuration has no [store], in which revocations are kept.",
    )
}

#[cfg(test)]
mod tests;
