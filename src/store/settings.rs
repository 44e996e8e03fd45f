//! What all gateways agree on: whoever puts a value first has settled it.

use sqlx::{query, query_as};

use super::database::{read, run};
use super::{Store, StoreError};

impl Store {
    /// The value of this name.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = read!(self, readers => {
            query_as("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(readers)
        })?;
        Ok(row.map(|(value,)| value))
    }

    /// Puts a value, unless there is one of this name; the answer is the one in force.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn put_setting_once(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut change = self.change().await?;
        run!(&mut change, connection => async {
            query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .bind(value)
                .execute(connection)
                .await
                .map(|_| ())
        })?;
        let (in_force,): (Vec<u8>,) = run!(&mut change, connection => {
            query_as("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(connection)
        })?;
        change.commit().await?;
        Ok(in_force)
    }
}
