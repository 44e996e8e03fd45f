//! Signing keys: one plan at a time, whoever makes it.

use std::fmt;

use jiff::Timestamp;
use sqlx::query_as;
use uuid::Uuid;

use super::audit::Subject;
use super::database::{Change, read, run};
use super::rows::{from_row, moment};
use super::{Action, Actor, Store, StoreError};

/// When a signing key is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// It is in the JWK Set from then on.
    pub published: Timestamp,
    /// It signs from then on ..
    pub use_from: Timestamp,
    /// .. until then.
    pub retire_at: Timestamp,
    /// It leaves the JWK Set then.
    pub gone_at: Timestamp,
}

/// A signing key to be added.
#[derive(Clone)]
pub struct NewSigningKey {
    /// New, and of version 7.
    pub id: Uuid,
    /// What tokens name it by.
    pub kid: Box<str>,
    /// As in `alg`.
    pub algorithm: Box<str>,
    /// The public half, as JSON.
    pub public_jwk: String,
    /// The private half, encrypted.
    pub sealed: Vec<u8>,
    /// When it is what.
    pub times: KeyTimes,
}

/// A signing key as the store has it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// As [`NewSigningKey::id`].
    pub id: Uuid,
    /// What tokens name it by.
    pub kid: Box<str>,
    /// As in `alg`.
    pub algorithm: Box<str>,
    /// The public half, as JSON.
    pub public_jwk: String,
    /// The private half, encrypted.
    pub sealed: Vec<u8>,
    /// When it was added, by the clock of the database.
    pub created: Timestamp,
    /// When it is what.
    pub times: KeyTimes,
}

/// What is to happen to the signing keys.
#[derive(Clone, Debug, Default)]
pub struct KeyPlan {
    /// New ones.
    pub add: Vec<NewSigningKey>,
    /// Other times for those that are there.
    pub change: Vec<(Uuid, KeyTimes)>,
    /// Those that go.
    pub remove: Vec<Uuid>,
}

impl Store {
    /// All signing keys in the order in which they were added.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        let rows: Vec<KeyRow> = read!(self, readers => {
            query_as(concat!("SELECT ", key_columns!(), " FROM signing_keys ORDER BY id"))
                .fetch_all(readers)
        })?;
        rows.into_iter().map(SigningKeyRow::try_from).collect()
    }

    /// Changes the signing keys by a plan, which sees those that are there and the present of the database. No other gateway
    /// makes one meanwhile, so that what several want at once is done once. The answer is the keys as they are then.
    ///
    /// The plan runs while others wait: what takes long was made before.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn rotate_keys(
        &self,
        plan: impl FnOnce(&[SigningKeyRow], Timestamp) -> KeyPlan + Send,
        by: &Actor,
    ) -> Result<Vec<SigningKeyRow>, StoreError> {
        let mut change = self.change().await?;
        let now = moment(change.now().await?)?;
        let keys = change.signing_keys().await?;
        let KeyPlan {
            add,
            change: changes,
            remove,
        } = plan(&keys, now);
        if add.is_empty() && changes.is_empty() && remove.is_empty() {
            return Ok(keys);
        }
        for key in &add {
            change.add_key(key).await?;
            let subject = of_key(&key.kid);
            change.record(by, Action::KeyAdded, subject).await?;
        }
        for (id, times) in changes {
            if let Some(kid) = change.set_key_times(id, times).await? {
                let subject = of_key(&kid);
                change.record(by, Action::KeyChanged, subject).await?;
            }
        }
        for id in remove {
            if let Some(kid) = change.remove_key(id).await? {
                let subject = of_key(&kid);
                change.record(by, Action::KeyRemoved, subject).await?;
            }
        }
        let keys = change.signing_keys().await?;
        change.commit().await?;
        Ok(keys)
    }
}

impl Change {
    async fn signing_keys(&mut self) -> Result<Vec<SigningKeyRow>, StoreError> {
        let rows: Vec<KeyRow> = run!(self, connection => {
            query_as(concat!("SELECT ", key_columns!(), " FROM signing_keys ORDER BY id"))
                .fetch_all(connection)
        })?;
        rows.into_iter().map(SigningKeyRow::try_from).collect()
    }

    async fn add_key(&mut self, key: &NewSigningKey) -> Result<(), StoreError> {
        let _: (i64,) = run!(self, connection => {
            query_as(
                "INSERT INTO signing_keys (id, kid, algorithm, public_jwk, sealed, created, \
                     published, use_from, retire_at, gone_at) \
                 SELECT $1, $2, $3, $4, $5, now, $6, $7, $8, $9 FROM clock RETURNING created",
            )
            .bind(key.id)
            .bind(&*key.kid)
            .bind(&*key.algorithm)
            .bind(&key.public_jwk)
            .bind(&key.sealed[..])
            .bind(key.times.published.as_millisecond())
            .bind(key.times.use_from.as_millisecond())
            .bind(key.times.retire_at.as_millisecond())
            .bind(key.times.gone_at.as_millisecond())
            .fetch_one(connection)
        })?;
        Ok(())
    }

    async fn set_key_times(
        &mut self,
        id: Uuid,
        times: KeyTimes,
    ) -> Result<Option<String>, StoreError> {
        let kid: Option<(String,)> = run!(self, connection => {
            query_as(
                "UPDATE signing_keys SET published = $2, use_from = $3, retire_at = $4, gone_at = $5 \
                 WHERE id = $1 RETURNING kid",
            )
            .bind(id)
            .bind(times.published.as_millisecond())
            .bind(times.use_from.as_millisecond())
            .bind(times.retire_at.as_millisecond())
            .bind(times.gone_at.as_millisecond())
            .fetch_optional(connection)
        })?;
        Ok(kid.map(|(kid,)| kid))
    }

    async fn remove_key(&mut self, id: Uuid) -> Result<Option<String>, StoreError> {
        let kid: Option<(String,)> = run!(self, connection => {
            query_as("DELETE FROM signing_keys WHERE id = $1 RETURNING kid")
                .bind(id)
                .fetch_optional(connection)
        })?;
        Ok(kid.map(|(kid,)| kid))
    }
}

fn of_key(kid: &str) -> Subject<'_> {
    Subject {
        detail: kid,
        ..Subject::default()
    }
}

/// The columns of a [`KeyRow`].
macro_rules! key_columns {
    () => {
        "id, kid, algorithm, public_jwk, sealed, created, published, use_from, retire_at, gone_at"
    };
}
use key_columns;

/// A row of `signing_keys`.
struct KeyRow {
    id: Uuid,
    kid: String,
    algorithm: String,
    public_jwk: String,
    sealed: Vec<u8>,
    created: i64,
    published: i64,
    use_from: i64,
    retire_at: i64,
    gone_at: i64,
}

from_row!(KeyRow {
    id,
    kid,
    algorithm,
    public_jwk,
    sealed,
    created,
    published,
    use_from,
    retire_at,
    gone_at,
});

impl TryFrom<KeyRow> for SigningKeyRow {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            kid: row.kid.into(),
            algorithm: row.algorithm.into(),
            public_jwk: row.public_jwk,
            sealed: row.sealed,
            created: moment(row.created)?,
            times: KeyTimes {
                published: moment(row.published)?,
                use_from: moment(row.use_from)?,
                retire_at: moment(row.retire_at)?,
                gone_at: moment(row.gone_at)?,
            },
        })
    }
}

impl fmt::Debug for NewSigningKey {
    /// Without the private half, encrypted though it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSigningKey")
            .field("kid", &self.kid)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyRow")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("created", &self.created)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
