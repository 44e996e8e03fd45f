//! A store that need not be there yet.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::StoreUrl;

use super::{Store, StoreError};

/// For how long one who needs the store waits for the first attempt to open it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts: doubled each time, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(30);

/// A store that is opened in the background, and tried again and again while it is away. Clones share it.
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
            Ok(store) => StoreState::Open(store),
            Err(error) => {
                let hopeless = is_hopeless(&error);
                tracing::error!(%error, again = !hopeless, "the store cannot be opened");
                if hopeless {
                    StoreState::Unusable(error)
                } else {
                    StoreState::Away(error)
                }
            }
        };
        let settled = matches!(state, StoreState::Open(_) | StoreState::Unusable(_));
        if tell.send(state).is_err() || settled {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether no later attempt of this process can succeed.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NewerSchema { .. } | StoreError::Config(_)
    )
}
