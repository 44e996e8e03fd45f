//! Where the issuer begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::keys::RemoteKeySets;
use crate::metrics::Metrics;
use crate::revocation::RevocationSet;
use crate::snapshot::Snapshot;
use crate::store::StoreHandle;

use super::answer_time::AnswerTimes;
use super::attempts::Attempts;
use super::back_channel::Logouts;
use super::hashing::Hashing;
use super::refusals::Refusals;
use super::service::{Secrets, Service, serve};
use super::{CatchUp, IssuerRequests, KeyKeeper, KeyKeeperParts, KeyRing, Sealer};

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
    keeper: Option<KeyKeeper>,
}

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
    let mut keeper = None;
    let mut secrets = None;
    if let Some(local) = &config.local_issuer {
        let made = Secrets {
            ring: Arc::new(KeyRing::new()),
            sealer: Arc::new(Sealer::of(local, config)?),
        };
        keeper = Some(KeyKeeper::start(KeyKeeperParts {
            store: store.clone(),
            sealer: Arc::clone(&made.sealer),
            ring: Arc::clone(&made.ring),
            keys,
            tell,
            snapshot: Arc::clone(&snapshot),
            clock: clock.clone(),
        }));
        secrets = Some(made);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let service = Arc::new(Service {
        store,
        catch_up,
        snapshot,
        revocations,
        clock,
        hashing: Hashing::of_cores(cores, Arc::clone(&metrics)),
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
        keeper,
    })
}

impl IssuerTask {
    /// Waits until the store was asked for the signing keys once, for `limit` at most: then the first tokens are believed.
    pub async fn first_look(&self, limit: Duration) {
        if let Some(keeper) = &self.keeper {
            keeper.first_look(limit).await;
        }
    }
}

impl Drop for IssuerTask {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
