//! The copy on disk, for who only wants to know what is revoked and has no store at hand.

use std::path::Path;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::StoreConfig;
use crate::revocation::{CurrentUntil, RevocationSet};

use super::disk::Disk;

/// The list as a gateway on this machine kept it, and when it was last known to be the store's. Whoever asks takes it as it
/// is: it counts as current.
///
/// # Errors
/// Why there is none that can be used.
pub fn kept_list(
    state_directory: &Path,
    store: &StoreConfig,
    now: UnixTime,
) -> Result<(Arc<RevocationSet>, UnixTime), String> {
    let disk = Disk::of(state_directory, &store.url);
    match disk.load(&CurrentUntil::for_ever(), now, store.stale_for) {
        Ok(Some(kept)) => Ok((kept.writer.publish(), kept.as_of)),
        Ok(None) => Err("none is kept".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
