//! The feed, for the rest of the process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::{StoreConfig, StoreFailure};
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::store::StoreHandle;

use super::disk::Disk;
use super::source::{Source, StoreSource};
use super::status::FeedStatus;
use super::task::{Outside, Task};

/// Longest that anybody waits for the store to be asked.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Those who wait for the store to be asked, at most; more share the answer of the next time.
const ASKS: usize = 1024;

/// One who waits until the store was asked, and learns whether it answered.
pub(super) type Ask = oneshot::Sender<bool>;

/// A running feed. It ends with its last handle.
#[derive(Clone, Debug)]
pub struct FeedHandle {
    asks: mpsc::Sender<Ask>,
    status: Arc<Mutex<FeedStatus>>,
    /// Whether the list came from the store.
    loaded: watch::Receiver<bool>,
}

/// What a feed needs.
pub struct FeedParts<'c> {
    /// Where the list is.
    pub store: StoreHandle,
    /// Where the set in force stands: from now on the feed alone stores into it.
    pub sets: Arc<ArcSwap<RevocationSet>>,
    /// The time.
    pub clock: Clock,
    /// Where the copy is kept.
    pub state_directory: PathBuf,
    /// Which store it is, how old its list may be, and what happens then.
    pub config: &'c StoreConfig,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Starts the feed on the current runtime. From here on no token is admitted without the list, unless `[store] fail` says so.
#[must_use]
pub fn start(parts: FeedParts<'_>) -> FeedHandle {
    let FeedParts {
        store,
        sets,
        clock,
        state_directory,
        config,
        metrics,
    } = parts;
    let wiring = Wiring {
        sets,
        clock,
        state_directory,
        config,
        metrics,
    };
    start_from(StoreSource::new(store), wiring)
}

/// What all feeds need, whatever their source.
pub(super) struct Wiring<'c> {
    pub(super) sets: Arc<ArcSwap<RevocationSet>>,
    pub(super) clock: Clock,
    pub(super) state_directory: PathBuf,
    pub(super) config: &'c StoreConfig,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) fn start_from<S: Source>(source: S, wiring: Wiring<'_>) -> FeedHandle {
    let Wiring {
        sets,
        clock,
        state_directory,
        config,
        metrics,
    } = wiring;
    sets.store(Arc::new(match config.fail {
        StoreFailure::Closed => RevocationSet::missing(),
        StoreFailure::Open => RevocationSet::empty(),
    }));
    let (asks, asked) = mpsc::channel(ASKS);
    let (tell, loaded) = watch::channel(false);
    let status = Arc::new(Mutex::new(FeedStatus::new(config.fail, config.stale_for)));
    let disk = Disk::of(&state_directory, &config.url);
    let outside = Outside {
        sets,
        clock,
        metrics,
        status: Arc::clone(&status),
        loaded: tell,
    };
    let task = Task::new(source, outside, disk, config);
    tokio::spawn(task.run(asked));
    FeedHandle {
        asks,
        status,
        loaded,
    }
}

impl FeedHandle {
    /// Waits until the set in force has everything that was committed before this call; 2 s at most. False: it may not have,
    /// because the store did not answer.
    pub async fn catch_up(&self) -> bool {
        let (ask, answered) = oneshot::channel();
        let caught_up = async {
            match self.asks.send(ask).await {
                Ok(()) => answered.await.unwrap_or(false),
                Err(_) => false,
            }
        };
        timeout(CATCH_UP, caught_up).await.unwrap_or(false)
    }

    /// Waits until the list came from the store, for at most `limit`. False if it did not: then the copy on disk is in force,
    /// if there is one that is young enough.
    pub async fn first_load(&self, limit: Duration) -> bool {
        let mut loaded = self.loaded.clone();
        let loaded = loaded.wait_for(|loaded| *loaded);
        timeout(limit, loaded)
            .await
            .is_ok_and(|loaded| loaded.is_ok())
    }

    /// What is known of the list.
    #[must_use]
    pub fn status(&self) -> FeedStatus {
        lock(&self.status).clone()
    }
}

/// A panic while it was held leaves a status that is whole.
pub(super) fn lock(status: &Mutex<FeedStatus>) -> std::sync::MutexGuard<'_, FeedStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}
