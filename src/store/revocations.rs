//! Revocations: what is refused although it was issued, numbered in the order of the commits.

use sqlx::{AssertSqlSafe, query, query_as};

use crate::clock::UnixTime;

use super::audit::Subject;
use super::database::{Change, read, run};
use super::revocation::{Put, RevocationRow, check};
use super::{Action, Actor, NewRevocation, Store, StoreError, StoredRevocation};

/// Rows of one statement.
const ROWS: usize = 500;

impl Store {
    /// Revokes, and answers with the numbers. What another one refuses for as long changes nothing: the answer has its number.
    ///
    /// # Errors
    /// [`StoreError::NotRevocable`], then nothing is; or what is wrong with the store.
    pub async fn revoke(
        &self,
        revocations: &[NewRevocation],
        by: &Actor,
    ) -> Result<Vec<i64>, StoreError> {
        for revocation in revocations {
            check(revocation.kind, &revocation.issuer, &revocation.value)?;
        }
        let mut change = self.change().await?;
        let mut numbers = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            let put = Put {
                issuer: &revocation.issuer,
                kind: revocation.kind,
                value: &revocation.value,
                before: revocation.before,
                until: revocation.until,
            };
            numbers.push(change.put_revocation(&put, by).await?);
        }
        change.commit().await?;
        Ok(numbers)
    }

    /// Takes a revocation back; whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NotRevocable`], or what is wrong with the store.
    pub async fn unrevoke(
        &self,
        issuer: &str,
        kind: &str,
        value: &str,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        check(kind, issuer, value)?;
        let mut change = self.change().await?;
        let gone: Vec<(Option<i64>, bool)> = run!(&mut change, connection => {
            query_as(
                "DELETE FROM revocations WHERE issuer = $1 AND kind = $2 AND value = $3 \
                 RETURNING kept_until, removed",
            )
            .bind(issuer)
            .bind(kind)
            .bind(value)
            .fetch_all(connection)
        })?;
        if gone.iter().all(|(_, removed)| *removed) {
            // Dropped, the change has not happened.
            return Ok(false);
        }
        // Whoever has them learns it from a row that is there as long as theirs are of any use.
        let until: Option<Vec<i64>> = gone.iter().map(|(until, _)| *until).collect();
        change
            .insert_removal(
                issuer,
                kind,
                value,
                until.and_then(|all| all.into_iter().max()),
            )
            .await?;
        let detail = described(kind, value, issuer);
        let subject = Subject {
            detail: &detail,
            ..Subject::default()
        };
        change
            .record(by, Action::RevocationRemoved, subject)
            .await?;
        change.commit().await?;
        Ok(true)
    }

    /// At most `limit` revocations with numbers above `number`, in their order.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn revocations_after(
        &self,
        number: i64,
        limit: u32,
    ) -> Result<Vec<StoredRevocation>, StoreError> {
        let rows: Vec<RevocationRow> = read!(self, readers => {
            query_as(
                "SELECT number, issuer, kind, value, issued_until, kept_until, removed \
                 FROM revocations WHERE number > $1 ORDER BY number LIMIT $2",
            )
            .bind(number)
            .bind(i64::from(limit))
            .fetch_all(readers)
        })?;
        Ok(rows.into_iter().map(StoredRevocation::from).collect())
    }

    /// The greatest number there is, 0 where there is none. It never goes down, unless another store takes the place of this
    /// one, as when a backup is played back: who has seen a greater one reads everything again.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn newest_revocation(&self) -> Result<i64, StoreError> {
        let (newest,): (Option<i64>,) = read!(self, readers => {
            query_as("SELECT max(number) FROM revocations").fetch_one(readers)
        })?;
        Ok(newest.unwrap_or(0))
    }
}

impl Change {
    /// Revokes one, with its line in the trail, unless that changes nothing.
    pub(super) async fn put_revocation(
        &mut self,
        put: &Put<'_>,
        by: &Actor,
    ) -> Result<i64, StoreError> {
        if let Some(number) = self.covering(put).await? {
            return Ok(number);
        }
        let (number,): (i64,) = run!(self, connection => {
            query_as(
                "INSERT INTO revocations (issuer, kind, value, issued_until, kept_until) \
                 VALUES ($1, $2, $3, $4, $5) RETURNING number",
            )
            .bind(put.issuer)
            .bind(put.kind)
            .bind(put.value)
            .bind(put.before)
            .bind(put.until)
            .fetch_one(connection)
        })?;
        self.delete_covered(put, number).await?;
        let target = described(put.kind, put.value, put.issuer);
        let detail = match put.before {
            Some(before) => format!("{target}, issued until {}", UnixTime::from_seconds(before)),
            None => target,
        };
        let subject = Subject {
            detail: &detail,
            ..Subject::default()
        };
        self.record(by, Action::RevocationAdded, subject).await?;
        Ok(number)
    }

    /// One that refuses whatever this one would, for as long.
    async fn covering(&mut self, put: &Put<'_>) -> Result<Option<i64>, StoreError> {
        let (number,): (Option<i64>,) = run!(self, connection => {
            query_as(
                "SELECT max(number) FROM revocations \
                 WHERE issuer = $1 AND kind = $2 AND value = $3 AND NOT removed \
                 AND (issued_until IS NULL OR issued_until >= $4) \
                 AND (kept_until IS NULL OR kept_until >= $5)",
            )
            .bind(put.issuer)
            .bind(put.kind)
            .bind(put.value)
            .bind(put.before)
            .bind(put.until)
            .fetch_one(connection)
        })?;
        Ok(number)
    }

    /// Those that refuse nothing more than the new one.
    async fn delete_covered(&mut self, put: &Put<'_>, number: i64) -> Result<(), StoreError> {
        run!(self, connection => async {
            let delete = query(
                "DELETE FROM revocations \
                 WHERE issuer = $1 AND kind = $2 AND value = $3 AND NOT removed \
                 AND ($4 IS NULL OR issued_until <= $4) \
                 AND ($5 IS NULL OR kept_until <= $5) AND number < $6",
            );
            delete
                .bind(put.issuer)
                .bind(put.kind)
                .bind(put.value)
                .bind(put.before)
                .bind(put.until)
                .bind(number)
                .execute(connection)
                .await
                .map(|_| ())
        })
    }

    /// Revokes many, as a part of what has a line of its own.
    pub(super) async fn put_revocations(&mut self, puts: &[Put<'_>]) -> Result<(), StoreError> {
        for rows in puts.chunks(ROWS) {
            let text = insert(rows.len());
            run!(self, connection => async {
                // One is the usual number.
                let mut query = query(AssertSqlSafe(text)).persistent(rows.len() == 1);
                for row in rows {
                    query = query
                        .bind(row.issuer)
                        .bind(row.kind)
                        .bind(row.value)
                        .bind(row.before)
                        .bind(row.until);
                }
                query.execute(connection).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    async fn insert_removal(
        &mut self,
        issuer: &str,
        kind: &str,
        value: &str,
        until: Option<i64>,
    ) -> Result<(), StoreError> {
        run!(self, connection => async {
            query(
                "INSERT INTO revocations (issuer, kind, value, kept_until, removed) \
                 VALUES ($1, $2, $3, $4, TRUE)",
            )
            .bind(issuer)
            .bind(kind)
            .bind(value)
            .bind(until)
            .execute(connection)
            .await
            .map(|_| ())
        })
    }
}

/// Writes so many rows.
fn insert(rows: usize) -> String {
    let values: Vec<String> = (0..rows)
        .map(|row| {
            let columns = (1 + 5 * row..).take(5);
            let columns: Vec<String> = columns.map(|number| format!("${number}")).collect();
            format!("({})", columns.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO revocations (issuer, kind, value, issued_until, kept_until) VALUES {}",
        values.join(", ")
    )
}

fn described(kind: &str, value: &str, issuer: &str) -> String {
    match kind {
        "all" => format!("all of {issuer}"),
        _ => format!("{kind} {value} of {issuer}"),
    }
}
