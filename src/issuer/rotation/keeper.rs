//! Keeps the keys of this process as the store says: a task on the control runtime.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Issuer;
use crate::jwt::SigningKey;
use crate::keys::{RefusedSet, RemoteKeySets, SetChange, SourceId};
use crate::snapshot::Snapshot;
use crate::store::{Actor, Means, SigningKeyRow, Store, StoreError, StoreHandle};

use super::super::sealed::{KeyCheckError, Sealer};
use super::super::signing::{KeyProblem, KeyRing};
use super::super::signing_key::{self, SigningKeyError, SpareKey};
use super::key_plan;
use super::plan::{Ask, PlannedKey, Rules, signer};

/// How often the keys are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// The same while the last look has failed: nobody can sign in until one succeeds.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often the set is kept on disk where it says the same: its age is what `stale_for` is measured against.
const KEEP: Duration = Duration::from_mins(10);

/// What the keeper works with.
pub struct KeyKeeperParts {
    /// Where the keys are.
    pub store: StoreHandle,
    /// What opens them.
    pub sealer: Arc<Sealer>,
    /// Where those who sign find them.
    pub ring: Arc<KeyRing>,
    /// Where those who verify find them.
    pub keys: Arc<RemoteKeySets>,
    /// Whom to tell that they are there: the name of the issuer.
    pub tell: mpsc::Sender<Arc<str>>,
    /// Where the configuration in force is.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The time that fetched sets are measured by.
    pub clock: Clock,
}

/// The task that keeps the keys. Dropping it ends the task.
pub struct KeyKeeper {
    task: JoinHandle<()>,
    looked: watch::Receiver<bool>,
    nudge: Arc<Notify>,
}

impl KeyKeeper {
    /// Begins to keep the keys, on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(parts: KeyKeeperParts) -> Self {
        let (tell, looked) = watch::channel(false);
        let nudge = Arc::new(Notify::new());
        let keeper = Keeper::new(parts);
        let task = tokio::spawn(keeper.run(tell, Arc::clone(&nudge)));
        Self {
            task,
            looked,
            nudge,
        }
    }

    /// Waits until the store was asked once, for `limit` at most.
    pub async fn first_look(&self, limit: Duration) {
        let mut looked = self.looked.clone();
        // It fails when the task has ended or the time is over, and then nobody waits any longer.
        let _ = tokio::time::timeout(limit, looked.wait_for(|looked| *looked)).await;
    }

    /// The store may say something new.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }
}

impl Drop for KeyKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why the keys could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Check(#[from] KeyCheckError),
    #[error("no signing key can be made: {0}")]
    Make(#[from] SigningKeyError),
    #[error(
        "the signing key {kid} of the store cannot be used: {error}; `portcullis keys rotate --now` makes another"
    )]
    Signer {
        kid: Box<str>,
        error: SigningKeyError,
    },
    #[error("the keys of the store cannot be published: {0}")]
    Set(#[from] RefusedSet),
    #[error("{0}")]
    Ended(#[from] JoinError),
}

impl LookError {
    fn problem(&self) -> KeyProblem {
        KeyProblem {
            text: self.to_string(),
            is_other_key: matches!(self, Self::Check(KeyCheckError::OtherKey)),
        }
    }
}

/// What the task remembers.
pub(super) struct Keeper {
    parts: KeyKeeperParts,
    actor: Actor,
    /// Whether the store is known to be sealed with our key.
    checked: bool,
    /// A key to add when one is due.
    spare: Option<SpareKey>,
    /// What was opened of the store, by id.
    opened: HashMap<Uuid, Opened>,
    kept: Option<Instant>,
    /// What was said last of what is wrong.
    told: Option<KeyProblem>,
}

/// What was found in a row.
struct Opened {
    sealed: Vec<u8>,
    key: Result<Usable, SigningKeyError>,
}

struct Usable {
    key: Arc<SigningKey>,
    jwk: Value,
}

/// The keys as the store has them, and its time.
struct Found {
    rows: Vec<SigningKeyRow>,
    now: Timestamp,
    asked: Instant,
}

impl Keeper {
    pub(super) fn new(parts: KeyKeeperParts) -> Self {
        let keeper = Self {
            parts,
            actor: Actor {
                means: Means::Gateway,
                who: "rotation".to_owned(),
            },
            checked: false,
            spare: None,
            opened: HashMap::new(),
            kept: None,
            told: None,
        };
        keeper.take_kept();
        keeper
    }

    async fn run(mut self, looked: watch::Sender<bool>, nudge: Arc<Notify>) {
        loop {
            let pause = match self.look().await {
                Ok(()) => LOOK,
                Err(_) => LOOK_AGAIN,
            };
            looked.send_replace(true);
            tokio::select! {
                () = sleep(pause) => {}
                () = nudge.notified() => {}
            }
        }
    }

    /// What an earlier process kept is published until the store answers.
    fn take_kept(&self) {
        let snapshot = self.parts.snapshot.load();
        let Some((id, issuer)) = source(&snapshot) else {
            return;
        };
        if let Some(set) = self.parts.keys.current(&id, issuer.refresh.stale_for) {
            let document = Bytes::copy_from_slice(&set.document);
            self.parts.ring.put_kept(document);
        }
    }

    /// Does what is due, and takes over what the store says. What is wrong is said once.
    pub(super) async fn look(&mut self) -> Result<(), LookError> {
        let looked = self.try_look().await;
        let problem = looked.as_ref().err().map(LookError::problem);
        if problem != self.told {
            if let Some(KeyProblem { text, .. }) = &problem {
                tracing::error!(error = text, "the local issuer's keys cannot be kept");
            } else {
                tracing::info!("the local issuer's keys are kept again");
            }
            self.told.clone_from(&problem);
        }
        // What answers next may be another store.
        self.checked &= looked.is_ok();
        self.parts.ring.set_problem(problem);
        looked
    }

    async fn try_look(&mut self) -> Result<(), LookError> {
        let snapshot = self.parts.snapshot.load_full();
        let Some(local) = &snapshot.config.local_issuer else {
            return Ok(());
        };
        let store = self.parts.store.get().await?;
        if !self.checked {
            self.parts.sealer.check(&store).await?;
            self.checked = true;
        }
        let rules = Rules::from(local.signing);
        let found = self.keep(&store, rules).await?;
        self.open(&found.rows).await?;
        let signs = self.take(&found);
        self.publish(&snapshot).await?;
        signs
    }

    /// Lets the store do what is due.
    async fn keep(&mut self, store: &Store, rules: Rules) -> Result<Found, LookError> {
        let spare = self.spare(rules).await?;
        let asked = Instant::now();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut used = false;
        let plan = |rows: &[SigningKeyRow], time: Timestamp| {
            now = time;
            // What is due is never too much.
            let plan = key_plan(rows, time, rules, Ask::Due, &spare).unwrap_or_default();
            used = !plan.add.is_empty();
            plan
        };
        let rows = store.rotate_keys(plan, &self.actor).await?;
        if !used {
            // It was not needed, so it still is nobody's.
            self.spare = Some(spare);
        }
        Ok(Found { rows, now, asked })
    }

    /// A key that may be added: made before the store is locked.
    async fn spare(&mut self, rules: Rules) -> Result<SpareKey, LookError> {
        match self.spare.take() {
            Some(spare) if spare.algorithm() == rules.algorithm => Ok(spare),
            Some(_) | None => {
                let sealer = Arc::clone(&self.parts.sealer);
                let make = move || SpareKey::make(rules.algorithm, &sealer);
                Ok(spawn_blocking(make).await??)
            }
        }
    }

    /// Opens the rows that are new.
    async fn open(&mut self, rows: &[SigningKeyRow]) -> Result<(), LookError> {
        let row_of = |id: &Uuid| rows.iter().find(|row| row.id == *id);
        self.opened
            .retain(|id, opened| row_of(id).is_some_and(|row| row.sealed == opened.sealed));
        let new = rows.iter().filter(|row| !self.opened.contains_key(&row.id));
        let new: Vec<SigningKeyRow> = new.cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let sealer = Arc::clone(&self.parts.sealer);
        let open = move || {
            let opened = new
                .into_iter()
                .map(|row| (row.id, Opened::of(row, &sealer)));
            opened.collect::<Vec<_>>()
        };
        self.opened.extend(spawn_blocking(open).await?);
        Ok(())
    }

    /// Gives the keys to those who sign, and the set to those who ask for it.
    fn take(&self, found: &Found) -> Result<(), LookError> {
        let mut keys: Vec<PlannedKey> = found.rows.iter().map(PlannedKey::from).collect();
        keys.sort_by_key(|key| (key.times.use_from, key.id));
        let usable = |key: &PlannedKey| self.opened.get(&key.id)?.key.as_ref().ok();
        let set: Vec<&Value> = keys.iter().filter_map(usable).map(|key| &key.jwk).collect();
        let set = Bytes::from(json!({ "keys": set }).to_string());
        let signs = signer(&keys, found.now);
        let key = signs.and_then(usable).map(|usable| Arc::clone(&usable.key));
        self.parts.ring.put(key, set, found.asked);
        let failed = signs.and_then(|signs| {
            let error = self.opened.get(&signs.id)?.key.as_ref().err()?;
            let row = found.rows.iter().find(|row| row.id == signs.id)?;
            Some((row.kid.clone(), error.clone()))
        });
        match failed {
            Some((kid, error)) => Err(LookError::Signer { kid, error }),
            None => Ok(()),
        }
    }

    /// Gives the set to those who verify.
    async fn publish(&mut self, snapshot: &Snapshot) -> Result<(), LookError> {
        let (Some((id, _)), Some(set)) = (source(snapshot), self.parts.ring.jwks()) else {
            return Ok(());
        };
        let issuer = Arc::clone(id.issuer());
        let (keys, now) = (Arc::clone(&self.parts.keys), self.parts.clock.now());
        let is_old = self.kept.is_none_or(|kept| KEEP <= kept.elapsed());
        let put = move || {
            let change = keys.put(&id, set.to_vec(), None, now)?;
            let changed = change != SetChange::Same;
            if changed || is_old {
                keys.keep(&id);
            }
            Ok::<bool, RefusedSet>(changed)
        };
        let changed = spawn_blocking(put).await??;
        if changed || is_old {
            self.kept = Some(Instant::now());
        }
        if changed {
            // It fails when the gateway ends.
            let _ = self.parts.tell.send(issuer).await;
        }
        Ok(())
    }
}

impl Opened {
    fn of(row: SigningKeyRow, sealer: &Sealer) -> Self {
        let key = signing_key::open(&row, sealer).and_then(|key| {
            let jwk = key.public_jwk().ok_or(SigningKeyError::Other)?;
            let key = Arc::new(key);
            Ok(Usable { key, jwk })
        });
        if let Err(error) = &key {
            tracing::error!(kid = &*row.kid, %error, "a signing key of the store is not used");
        }
        Self {
            sealed: row.sealed,
            key,
        }
    }
}

/// The local issuer of a snapshot, and what its keys are known by.
fn source(snapshot: &Snapshot) -> Option<(SourceId, &Issuer)> {
    let local = snapshot.config.local_issuer.as_ref()?;
    let issuer = snapshot.config.issuers.get(local.issuer)?;
    Some((SourceId::of_store(issuer), issuer))
}

#[cfg(test)]
mod tests;
