//! The life of a signing key: published, signing, published still, gone.
//!
//! All gateways of a store rotate the same keys. Each of them plans alike from what the store says, and the store lets one
//! at a time act.

mod by_hand;
mod keeper;
mod plan;

use jiff::Timestamp;

use crate::store::{KeyPlan, SigningKeyRow};

use super::signing_key::SpareKey;

pub use by_hand::{Haste, RotateError, RotatedKey, RotatedKeys, rotate_by_hand};
pub use keeper::{KeyKeeper, KeyKeeperParts};
pub use plan::TooManyKeys;

/// What the store is to do. The spare key is added where one is due.
fn key_plan(
    rows: &[SigningKeyRow],
    now: Timestamp,
    rules: plan::Rules,
    ask: plan::Ask,
    spare: &SpareKey,
) -> Result<KeyPlan, TooManyKeys> {
    let keys: Vec<plan::PlannedKey> = rows.iter().map(plan::PlannedKey::from).collect();
    let steps = plan::plan(&keys, now, rules, ask)?;
    let add = steps.add.map(|times| spare.with_times(times));
    Ok(KeyPlan {
        add: add.into_iter().collect(),
        change: steps.change,
        remove: steps.remove,
    })
}
