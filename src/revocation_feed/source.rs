//! Where rows come from.

use crate::clock::UnixTime;
use crate::revocation::RevocationKind;
use crate::store::{Changes, Store, StoreError, StoreHandle, StoredRevocation};

use super::row::Row;

/// The store, as far as the feed needs it; tests have another one.
pub(super) trait Source: Send + 'static {
    /// The number of the last change; 0 if there never was one.
    fn newest(&mut self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// At most `limit` rows with larger numbers than this, in the order of their numbers.
    fn after(
        &mut self,
        number: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Returns when something may have changed; it may also never do. Cancel-safe.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// The store itself, from when on it can be reached.
pub(super) struct StoreSource {
    store: StoreHandle,
    changes: Option<Changes>,
}

impl StoreSource {
    pub(super) fn new(store: StoreHandle) -> Self {
        Self {
            store,
            changes: None,
        }
    }

    async fn open(&mut self) -> Result<Store, StoreError> {
        let store = self.store.get().await?;
        // Before the first question, so that nothing falls between the two.
        self.changes.get_or_insert_with(|| store.changes());
        Ok(store)
    }
}

impl Source for StoreSource {
    async fn newest(&mut self) -> Result<i64, StoreError> {
        self.open().await?.newest_revocation().await
    }

    async fn after(&mut self, number: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
        let rows = self.open().await?.revocations_after(number, limit).await?;
        rows.into_iter().map(Row::try_from).collect()
    }

    async fn changed(&mut self) {
        match &mut self.changes {
            Some(changes) => changes.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl TryFrom<StoredRevocation> for Row {
    type Error = StoreError;

    fn try_from(stored: StoredRevocation) -> Result<Self, StoreError> {
        // To leave it out would be to admit what someone has revoked.
        let kind = RevocationKind::from_name(&stored.kind).ok_or_else(|| {
            StoreError::Corrupt(format!(
                "revocation {} is of a kind that is not known",
                stored.number
            ))
        })?;
        Ok(Self {
            number: stored.number,
            issuer: stored.issuer,
            kind,
            value: stored.value,
            before: stored.before.map(UnixTime::from_seconds),
            until: stored.until.map(UnixTime::from_seconds),
            removed: stored.removed,
        })
    }
}
