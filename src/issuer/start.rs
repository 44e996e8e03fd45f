//! Where the issuer begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::clock::Clock;
use crate::config::{Config, ConfigError, StoreUrl};
use crate::keys::RemoteKeySets;
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::snapshot::Snapshot;
use crate::store::{StoreHandle, StoreState};

use super::answer_time::AnswerTimes;
use super::attempts::Attempts;
use super::back_channel::Logouts;
use super::hashing::Hashing;
use super::refusals::Refusals;
use super::service::{Secrets, Service, serve};
use super::{
    CatchUp, IssuerRequests, IssuerWatch, KeyCheckError, KeyKeeper, KeyKeeperParts, KeyRing, Sealer,
};

/// What the issuer works with.
pub struct IssuerParts {
    /// What it is asked.
    pub requests: IssuerRequests,
    /// Users, sessions, keys.
    pub store: StoreHandle,
    /// How it waits until what it revokes is revoked here.
    pub catch_up: CatchUp,
    /// Where the configuration in force is.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What is not believed any more.
    pub revocations: Arc<ArcSwap<RevocationSet>>,
    /// Where those who verify find its keys.
    pub keys: Arc<RemoteKeySets>,
    /// Whom to tell that they are there.
    pub tell: mpsc::Sender<Arc<str>>,
    /// The time that tokens say.
    pub clock: Clock,
    /// What it counts with.
    pub metrics: Arc<Metrics>,
}

/// The running issuer. Dropping it ends it; whoever waits for an answer then gets a 500.
pub struct IssuerTask {
    serving: JoinHandle<()>,
    /// `None` where there is no local issuer.
    local: Option<Local>,
}

/// What the local issuer adds.
struct Local {
    keeper: KeyKeeper,
    sealer: Arc<Sealer>,
    store: StoreHandle,
    watch: IssuerWatch,
    /// Whether the store is a file of this machine.
    near: bool,
}

/// Longest that a start waits for a store that is a file of this machine to be opened: no other process decides how long that
/// takes, so what is wrong with its key is known before the first request.
const NEAR: Duration = Duration::from_secs(30);

/// Starts to answer requests, on the current runtime; and to keep the signing keys, if the configuration has a local issuer.
/// Without one it serves the logout of others alone.
///
/// # Errors
/// The key that seals secrets in the store is missing or cannot be used.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(parts: IssuerParts, config: &Config) -> Result<IssuerTask, ConfigError> {
    let IssuerParts {
        requests,
        store,
        catch_up,
        snapshot,
        revocations,
        keys,
        tell,
        clock,
        metrics,
    } = parts;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let hashing = Hashing::of_cores(cores, Arc::clone(&metrics));
    let mut secrets = None;
    let mut running = None;
    if let Some(local) = &config.local_issuer {
        let made = Secrets {
            ring: Arc::new(KeyRing::new()),
            sealer: Arc::new(Sealer::of(local, config)?),
        };
        let keeper = KeyKeeper::start(KeyKeeperParts {
            store: store.clone(),
            sealer: Arc::clone(&made.sealer),
            ring: Arc::clone(&made.ring),
            keys,
            tell,
            snapshot: Arc::clone(&snapshot),
            clock: clock.clone(),
        });
        running = Some(Local {
            keeper,
            sealer: Arc::clone(&made.sealer),
            store: store.clone(),
            watch: IssuerWatch::new(Arc::clone(&made.ring), hashing.clone()),
            near: matches!(config.store_url(), StoreUrl::Sqlite(_)),
        });
        secrets = Some(made);
    }
    let service = Arc::new(Service {
        store,
        catch_up,
        snapshot,
        revocations,
        clock,
        hashing,
        metrics,
        secrets,
        attempts: Mutex::new(Attempts::new()),
        times: Mutex::new(AnswerTimes::default()),
        refusals: Mutex::new(Refusals::default()),
        logouts: Logouts::new(),
        began: Instant::now(),
    });
    Ok(IssuerTask {
        serving: tokio::spawn(serve(service, requests)),
        local: running,
    })
}

impl IssuerTask {
    /// Waits until the store was asked for the signing keys once, for `limit` at most: then the first tokens are believed.
    ///
    /// # Errors
    /// The store was sealed with another key. A store on this machine is asked however long it takes to open, another one
    /// within `limit`; what is found later stands in the status.
    pub async fn first_look(&self, limit: Duration) -> Result<(), ConfigError> {
        let Some(local) = &self.local else {
            return Ok(());
        };
        let (checked, ()) = tokio::join!(local.check(limit), local.keeper.first_look(limit));
        checked
    }

    /// What shows how the local issuer is; `None` where there is none.
    #[must_use]
    pub fn watch(&self) -> Option<IssuerWatch> {
        self.local.as_ref().map(|local| local.watch.clone())
    }
}

impl Local {
    /// Whether the store was sealed with our key, if that can be known now.
    async fn check(&self, limit: Duration) -> Result<(), ConfigError> {
        let limit = if self.near { NEAR } else { limit };
        let checked = timeout(limit, async {
            // Each call waits for a while; another is as good while the first attempt is under way.
            loop {
                match self.store.get().await {
                    Ok(store) => return self.sealer.check(&store).await,
                    Err(_) if matches!(self.store.state(), StoreState::Opening) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        });
        match checked.await {
            Ok(Err(KeyCheckError::OtherKey)) => Err(self.sealer.other_key()),
            // Who keeps the keys asks again, and says what is wrong.
            Ok(Ok(()) | Err(KeyCheckError::Store(_) | KeyCheckError::Seal(_))) | Err(_) => Ok(()),
        }
    }
}

impl Drop for IssuerTask {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
