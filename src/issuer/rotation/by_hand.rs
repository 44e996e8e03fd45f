//! A key that someone asks for.

use jiff::Timestamp;
use tokio::task::{JoinError, spawn_blocking};

use crate::config::Signing;
use crate::store::{Actor, SigningKeyRow, Store, StoreError};

use super::super::sealed::{KeyCheckError, Sealer};
use super::super::signing_key::{SigningKeyError, SpareKey};
use super::key_plan;
use super::plan::{Ask, PlannedKey, Rules, TooManyKeys, signer};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKeys {
    /// The key that signs, if it is another one than `next`.
    pub signing: Option<RotatedKey>,
    /// The key that signs next, or already does.
    pub next: RotatedKey,
    /// Whether it was made just now. If not, it was waiting for its time.
    pub made: bool,
    /// The time of the database.
    pub now: Timestamp,
}

/// How soon the next key is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// In an hour, when whoever verifies has it.
    InTime,
    /// In a minute, when each gateway of the store has seen it.
    Soon,
    /// The same; the key that signs now is lost, and leaves the set then.
    Lost,
}

/// One of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKey {
    /// What tokens name it by.
    pub kid: Box<str>,
    /// What it signs with.
    pub algorithm: Box<str>,
    /// It signs from then on.
    pub use_from: Timestamp,
    /// It leaves the JWK Set then.
    pub gone_at: Timestamp,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is sealed with another key.
    #[error(transparent)]
    Check(#[from] KeyCheckError),
    /// There are too many.
    #[error(transparent)]
    TooMany(#[from] TooManyKeys),
    /// It could not be made.
    #[error("no key can be made: {0}")]
    Make(#[from] SigningKeyError),
    /// The making of it was cut off.
    #[error("no key was made: {0}")]
    Ended(#[from] JoinError),
}

/// Makes the next key, or brings one forward that waits already.
///
/// # Errors
/// [`RotateError`]
pub async fn rotate_by_hand(
    store: &Store,
    sealer: Sealer,
    signing: Signing,
    haste: Haste,
    by: &Actor,
) -> Result<RotatedKeys, RotateError> {
    sealer.check(store).await?;
    let rules = Rules::from(signing);
    let ask = match haste {
        Haste::InTime => Ask::Rotate,
        Haste::Soon => Ask::RotateNow,
        Haste::Lost => Ask::Lost,
    };
    let spare = spawn_blocking(move || SpareKey::make(rules.algorithm, &sealer)).await??;
    let mut time = Timestamp::UNIX_EPOCH;
    let mut planned = Ok(false);
    let plan = |rows: &[SigningKeyRow], now: Timestamp| {
        time = now;
        let plan = key_plan(rows, now, rules, ask, &spare);
        planned = plan
            .as_ref()
            .map(|plan| !plan.add.is_empty())
            .map_err(|error| *error);
        plan.unwrap_or_default()
    };
    let rows = store.rotate_keys(plan, by).await?;
    let made = planned?;
    rotated(&rows, time, made).ok_or(RotateError::Make(SigningKeyError::Other))
}

fn rotated(rows: &[SigningKeyRow], now: Timestamp, made: bool) -> Option<RotatedKeys> {
    let keys: Vec<PlannedKey> = rows.iter().map(PlannedKey::from).collect();
    let signing = signer(&keys, now)?.id;
    let last = keys.iter().max_by_key(|key| (key.times.use_from, key.id))?;
    let shown = |id| {
        let row = rows.iter().find(|row| row.id == id)?;
        Some(RotatedKey {
            kid: row.kid.clone(),
            algorithm: row.algorithm.clone(),
            use_from: row.times.use_from,
            gone_at: row.times.gone_at,
        })
    };
    Some(RotatedKeys {
        signing: if signing == last.id {
            None
        } else {
            shown(signing)
        },
        next: shown(last.id)?,
        made,
        now,
    })
}
