//! What runs beside the workers where there is a store: the feed of revocations, and the issuer.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::admin::StoredRevocations;
use crate::config::{Config, ConfigError};
use crate::issuer::{self, CatchUp, IssuerParts, IssuerRequests, IssuerTask, IssuerWatch};
use crate::proxy::Publisher;
use crate::revocation::RevocationSet;
use crate::revocation_feed::{self, FeedHandle, FeedParts};
use crate::snapshot::Fixtures;
use crate::store::{StoreHandle, StoreState};

/// Longest that the end waits for connections to the store to be closed: what was committed is safe without.
const CLOSE: Duration = Duration::from_secs(2);

/// What they are started from.
pub(super) struct ServiceParts<'p> {
    pub(super) config: &'p Config,
    pub(super) fixtures: &'p Fixtures,
    /// What workers hand to the issuer.
    pub(super) requests: IssuerRequests,
    /// The revocations in force. Nothing is revoked for ever where there is no store.
    pub(super) revocations: &'p Arc<ArcSwap<RevocationSet>>,
    /// The snapshot in force.
    pub(super) snapshot: &'p Publisher,
    /// Whom the issuer tells of its keys.
    pub(super) tell: mpsc::Sender<Arc<str>>,
}

/// The running ones. Dropping them ends them.
pub(super) struct Services {
    // In the order in which they end: none of them works with what has ended before it.
    issuer: IssuerTask,
    feed: FeedHandle,
    store: StoreHandle,
}

impl Services {
    /// Starts them on the current runtime; `None` where the configuration has no store.
    ///
    /// # Errors
    /// The key of the local issuer is missing, or cannot be used.
    pub(super) fn start(parts: ServiceParts<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(config) = &parts.config.store else {
            return Ok(None);
        };
        let fixtures = parts.fixtures;
        let store = StoreHandle::open(config.url.clone());
        let feed = revocation_feed::start(FeedParts {
            store: store.clone(),
            sets: Arc::clone(parts.revocations),
            clock: fixtures.clock.clone(),
            state_directory: parts.config.state_directory.clone(),
            config,
            metrics: Arc::clone(&fixtures.metrics),
        });
        let parts_of_issuer = IssuerParts {
            requests: parts.requests,
            store: store.clone(),
            catch_up: catch_up(&feed),
            snapshot: Arc::clone(parts.snapshot),
            revocations: Arc::clone(parts.revocations),
            keys: Arc::clone(&fixtures.keys),
            tell: parts.tell,
            clock: fixtures.clock.clone(),
            metrics: Arc::clone(&fixtures.metrics),
        };
        Ok(Some(Self {
            issuer: issuer::start(parts_of_issuer, parts.config)?,
            feed,
            store,
        }))
    }

    /// Waits until the list of revocations and the issuer's keys came from the store, for `limit` at most. What is not there
    /// then comes when it can; until then the copies on disk serve, or the tokens concerned get 503.
    ///
    /// # Errors
    /// The store was sealed with another key than this gateway's.
    pub(super) async fn first_look(&self, limit: Duration) -> Result<(), ConfigError> {
        let (loaded, checked) =
            tokio::join!(self.feed.first_load(limit), self.issuer.first_look(limit));
        if !loaded {
            tracing::warn!("the store has not answered yet; starting all the same");
        }
        checked
    }

    /// The way to revocations, for the admin listener.
    pub(super) fn revocations(&self) -> StoredRevocations {
        StoredRevocations {
            store: self.store.clone(),
            feed: self.feed.clone(),
        }
    }

    /// How the local issuer is, for the admin listener.
    pub(super) fn local_issuer(&self) -> Option<IssuerWatch> {
        self.issuer.watch()
    }

    /// Ends them when nobody can ask any more, and closes the store.
    pub(super) async fn end(self) {
        let Self {
            issuer,
            feed,
            store,
        } = self;
        drop(issuer);
        drop(feed);
        if let StoreState::Open(store) = store.state()
            && timeout(CLOSE, store.close()).await.is_err()
        {
            tracing::warn!("the store was not closed in time");
        }
    }
}

/// After it nothing is believed here that was revoked before.
fn catch_up(feed: &FeedHandle) -> CatchUp {
    let feed = feed.clone();
    CatchUp::new(move || {
        let feed = feed.clone();
        Box::pin(async move {
            // An answer that is given while the store is away tells of what it committed before.
            feed.catch_up().await;
        })
    })
}
