//! A store that need not be there yet.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::StoreUrl;

use super::{Purged, Store, StoreError};

/// For how long one who needs the store waits for the first attempt to open it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts: doubled each time, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(30);

/// Between two removals of what is past.
const PURGE: Duration = Duration::from_hours(1);

/// The first of them: late enough not to make a start slower, early enough for a process that is often started anew.
const FIRST_PURGE: Duration = Duration::from_mins(5);

/// A store that is opened in the background, and tried again and again while it is away. Once it is open, what is past is
/// removed from it now and then. Clones share it; when the last one is gone, all that ends.
#[derive(Clone, Debug)]
pub struct StoreHandle(watch::Receiver<StoreState>);

/// How it is with a store.
#[derive(Clone, Debug)]
pub enum StoreState {
    /// The first attempt is under way.
    Opening,
    /// It was opened.
    Open(Store),
    /// It could not be opened, and will be tried again.
    Away(StoreError),
    /// It cannot be opened by this program with this configuration.
    Unusable(StoreError),
}

impl StoreHandle {
    /// Begins to open the store, in a task of its own on the current runtime.
    #[must_use]
    pub fn open(url: StoreUrl) -> Self {
        let (tell, state) = watch::channel(StoreState::Opening);
        tokio::spawn(keep_opening(url, tell));
        Self(state)
    }

    /// One that is open.
    #[must_use]
    pub fn of(store: Store) -> Self {
        Self(watch::channel(StoreState::Open(store)).1)
    }

    /// The store. Waits for the first attempt, 2 s at most; after that the answer is there at once.
    ///
    /// # Errors
    /// Why it could not be opened the last time.
    pub async fn get(&self) -> Result<Store, StoreError> {
        let mut state = self.0.clone();
        let tried = state.wait_for(|state| !matches!(state, StoreState::Opening));
        match timeout(PATIENCE, tried).await {
            Ok(Ok(state)) => match &*state {
                StoreState::Open(store) => Ok(store.clone()),
                StoreState::Away(error) | StoreState::Unusable(error) => Err(error.clone()),
                StoreState::Opening => Err(not_yet()),
            },
            Ok(Err(_)) | Err(_) => Err(not_yet()),
        }
    }

    /// How it is with it now.
    #[must_use]
    pub fn state(&self) -> StoreState {
        self.0.borrow().clone()
    }
}

fn not_yet() -> StoreError {
    StoreError::Unavailable("it is not open yet".to_owned())
}

async fn keep_opening(url: StoreUrl, tell: watch::Sender<StoreState>) {
    let mut pause = FIRST;
    loop {
        let state = match Store::open(&url).await {
            Ok(store) => {
                let opened = tell.send(StoreState::Open(store.clone()));
                if opened.is_ok() {
                    keep_purging(&store, &tell, FIRST_PURGE, PURGE).await;
                }
                return;
            }
            Err(error) => {
                let hopeless = is_hopeless(&error);
                tracing::error!(%error, again = !hopeless, "the store cannot be opened");
                if hopeless {
                    // Told, and there is nothing to be done.
                    let _ = tell.send(StoreState::Unusable(error));
                    return;
                }
                StoreState::Away(error)
            }
        };
        if tell.send(state).is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Removes what is past until nobody has a handle any more. Several gateways do so: one finds what another has left.
async fn keep_purging(
    store: &Store,
    tell: &watch::Sender<StoreState>,
    first: Duration,
    every: Duration,
) {
    let mut pause = first;
    while timeout(pause, tell.closed()).await.is_err() {
        pause = every;
        match store.purge().await {
            Ok(purged) if purged == Purged::default() => {}
            Ok(Purged {
                sessions,
                revocations,
            }) => {
                tracing::info!(
                    sessions,
                    revocations,
                    "what is past was removed from the store"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "what is past could not be removed from the store");
            }
        }
    }
}

/// Whether no later attempt of this process can succeed.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NewerSchema { .. } | StoreError::Config(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Actor, Means, NewRevocation};

    #[tokio::test]
    async fn what_is_past_goes_by_itself_while_somebody_has_a_handle() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(directory.path().join("portcullis.db"));
        let store = Store::open(&url).await.unwrap();
        let by = Actor {
            means: Means::Gateway,
            who: "a".to_owned(),
        };
        let one = |value: &str| NewRevocation {
            issuer: "https://a.example".into(),
            kind: "jti",
            value: value.into(),
            before: None,
            until: Some(1),
        };
        let (tell, handle) = watch::channel(StoreState::Open(store.clone()));
        let purging = tokio::spawn({
            let store = store.clone();
            async move {
                let soon = Duration::from_millis(20);
                keep_purging(&store, &tell, soon, soon).await;
            }
        });
        // Again and again, and the newest stays.
        for round in ["a", "b"] {
            let revocations = [one(round), one("newest")];
            store.revoke(&revocations, &by).await.unwrap();
            while store.revocations_after(0, 9).await.unwrap().len() > 1 {
                sleep(Duration::from_millis(5)).await;
            }
        }
        drop(handle);
        purging.await.unwrap();
    }
}
