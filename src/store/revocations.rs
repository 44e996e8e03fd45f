//! Revocations: what is refused although it was issued, numbered in the order of the commits.

use sqlx::{AssertSqlSafe, query, query_as};

use super::audit::Subject;
use super::database::{Change, read, run};
use super::rows::from_row;
use super::{Action, Actor, Store, StoreError};

/// Every kind, as the store has it.
const KINDS: [&str; 6] = ["jti", "sid", "sub", "client", "kid", "all"];

/// Most bytes of an issuer, and of a value: an index has both.
const MAX_TEXT: usize = 1024;

/// Rows of one statement.
const ROWS: usize = 500;

/// Something to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// `iss` of the tokens; at most 1024 bytes.
    pub issuer: Box<str>,
    /// `jti`, `sid`, `sub`, `client`, `kid` or `all`.
    pub kind: &'static str,
    /// What the tokens have there, at most 1024 bytes; empty for `all`.
    pub value: Box<str>,
    /// Those that were issued in this second or before, since 1970; else all of them.
    pub before: Option<i64>,
    /// The second until which it is kept; else until it is removed.
    pub until: Option<i64>,
}

/// A revocation as the store has it. It says everything of its issuer, kind and value: what an earlier number said of them
/// does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRevocation {
    /// Grows with each change, in the order of the commits: who has seen a number will see none below it. There are gaps.
    pub number: i64,
    /// `iss` of the tokens.
    pub issuer: Box<str>,
    /// As [`NewRevocation::kind`]; a newer program may have written others.
    pub kind: Box<str>,
    /// As [`NewRevocation::value`].
    pub value: Box<str>,
    /// As [`NewRevocation::before`].
    pub before: Option<i64>,
    /// As [`NewRevocation::until`].
    pub until: Option<i64>,
    /// It was taken back.
    pub removed: bool,
}

impl Store {
    /// Revokes, and answers with the numbers. What is revoked already stays so at least as widely and as long as before.
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
        // The row stays with a new number, so that whoever has it learns that it is gone.
        let removed: Option<(i64,)> = run!(&mut change, connection => {
            query_as(
                "INSERT INTO revocations (issuer, kind, value, issued_until, kept_until, removed) \
                 SELECT issuer, kind, value, issued_until, kept_until, TRUE FROM revocations \
                 WHERE issuer = $1 AND kind = $2 AND value = $3 AND NOT removed \
                 ON CONFLICT (issuer, kind, value) \
                 DO UPDATE SET number = excluded.number, removed = TRUE RETURNING number",
            )
            .bind(issuer)
            .bind(kind)
            .bind(value)
            .fetch_optional(connection)
        })?;
        if removed.is_none() {
            return Ok(false);
        }
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

    /// At most `limit` revocations with numbers above `number`, in their order, removed ones too.
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

/// A row to be written, checked.
pub(super) struct Put<'a> {
    pub(super) issuer: &'a str,
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
    pub(super) before: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Change {
    /// Revokes one, with its line in the trail.
    pub(super) async fn put_revocation(
        &mut self,
        put: &Put<'_>,
        by: &Actor,
    ) -> Result<i64, StoreError> {
        let now = self.now().await?.div_euclid(1000);
        let text = upsert(1);
        let (number,): (i64,) = run!(self, connection => {
            query_as(AssertSqlSafe(text))
                .bind(now)
                .bind(put.issuer)
                .bind(put.kind)
                .bind(put.value)
                .bind(put.before)
                .bind(put.until)
                .fetch_one(connection)
        })?;
        let target = described(put.kind, put.value, put.issuer);
        let detail = match put.before {
            Some(before) => format!("{target}, issued until {before}"),
            None => target,
        };
        let subject = Subject {
            detail: &detail,
            ..Subject::default()
        };
        self.record(by, Action::RevocationAdded, subject).await?;
        Ok(number)
    }

    /// Revokes many of different values, as a part of what has a line of its own.
    pub(super) async fn put_revocations(&mut self, puts: &[Put<'_>]) -> Result<(), StoreError> {
        let now = self.now().await?.div_euclid(1000);
        for rows in puts.chunks(ROWS) {
            let text = upsert(rows.len());
            run!(self, connection => async {
                let mut query = query(AssertSqlSafe(text)).persistent(rows.len() == 1).bind(now);
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
}

/// Writes so many rows. Where there is one of the same target in force, the wider of the two and the longer counts; either way
/// the row gets the number that a new one would have: `excluded` has it.
fn upsert(rows: usize) -> String {
    let values: Vec<String> = (0..rows)
        .map(|row| {
            let columns = (2 + 5 * row..).take(5);
            let columns: Vec<String> = columns.map(|number| format!("${number}")).collect();
            format!("({})", columns.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO revocations (issuer, kind, value, issued_until, kept_until) VALUES {} \
         ON CONFLICT (issuer, kind, value) DO UPDATE SET number = excluded.number, removed = FALSE, \
         issued_until = CASE WHEN revocations.removed OR revocations.kept_until <= $1 \
             OR excluded.issued_until IS NULL OR revocations.issued_until < excluded.issued_until \
             THEN excluded.issued_until ELSE revocations.issued_until END, \
         kept_until = CASE WHEN revocations.removed OR revocations.kept_until <= $1 \
             OR excluded.kept_until IS NULL OR revocations.kept_until < excluded.kept_until \
             THEN excluded.kept_until ELSE revocations.kept_until END \
         RETURNING number",
        values.join(", ")
    )
}

/// A row of `revocations`.
struct RevocationRow {
    number: i64,
    issuer: String,
    kind: String,
    value: String,
    issued_until: Option<i64>,
    kept_until: Option<i64>,
    removed: bool,
}

from_row!(RevocationRow {
    number,
    issuer,
    kind,
    value,
    issued_until,
    kept_until,
    removed,
});

impl From<RevocationRow> for StoredRevocation {
    fn from(row: RevocationRow) -> Self {
        Self {
            number: row.number,
            issuer: row.issuer.into(),
            kind: row.kind.into(),
            value: row.value.into(),
            before: row.issued_until,
            until: row.kept_until,
            removed: row.removed,
        }
    }
}

fn check(kind: &str, issuer: &str, value: &str) -> Result<(), StoreError> {
    let wrong = if !KINDS.contains(&kind) {
        "its kind is unknown"
    } else if issuer.is_empty() || issuer.len() > MAX_TEXT {
        "its issuer has not 1 to 1024 bytes"
    } else if (kind == "all") != value.is_empty() {
        "`all` has no value, and every other kind has one"
    } else if value.len() > MAX_TEXT {
        "its value is longer than 1024 bytes"
    } else if issuer.contains('\0') || value.contains('\0') {
        "it holds a NUL"
    } else {
        return Ok(());
    };
    Err(StoreError::NotRevocable(wrong))
}

fn described(kind: &str, value: &str, issuer: &str) -> String {
    match kind {
        "all" => format!("all of {issuer}"),
        _ => format!("{kind} {value} of {issuer}"),
    }
}
