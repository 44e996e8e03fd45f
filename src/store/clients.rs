//! Clients of the local issuer: added, found and changed.

use sqlx::query_as;

use super::audit::Subject;
use super::client::{ClientRow, client_columns};
use super::database::{Change, read, run};
use super::ending::after;
use super::revocation::Put;
use super::rows::json;
use super::sessions::milliseconds;
use super::{Action, Actor, Client, EndReason, Ending, LocalTokens, NewClient, Store, StoreError};

/// What the clocks of gateways may be ahead of the database's, and a token may be on its way, in milliseconds: tokens that
/// seem to be issued so much later are revoked with a client, too.
const ON_ITS_WAY: i64 = 5000;

impl Store {
    /// Adds a client.
    ///
    /// # Errors
    /// [`StoreError::ClientExists`], or what is wrong with the store.
    pub async fn add_client(&self, client: &NewClient, by: &Actor) -> Result<Client, StoreError> {
        let mut change = self.change().await?;
        let row: Option<ClientRow> = run!(&mut change, connection => {
            query_as(concat!(
                "INSERT INTO clients (id, secret, scopes, disabled, created, changed) \
                 SELECT $1, $2, $3, FALSE, now, now FROM clock WHERE TRUE \
                 ON CONFLICT (id) DO NOTHING RETURNING ",
                client_columns!(),
            ))
            .bind(&*client.id)
            .bind(client.secret.as_ref().map(|secret| &secret[..]))
            .bind(json(&client.scopes))
            .fetch_optional(connection)
        })?;
        let Some(row) = row else {
            return Err(StoreError::ClientExists(client.id.to_string()));
        };
        let subject = of_client(&client.id);
        change.record(by, Action::ClientAdded, subject).await?;
        change.commit().await?;
        row.try_into()
    }

    /// The client of this id.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        if id.contains('\0') {
            // PostgreSQL has no such text.
            return Ok(None);
        }
        let row: Option<ClientRow> = read!(self, readers => {
            query_as(concat!("SELECT ", client_columns!(), " FROM clients WHERE id = $1"))
                .bind(id)
                .fetch_optional(readers)
        })?;
        row.map(Client::try_from).transpose()
    }

    /// At most `limit` clients in the order of their ids, those after `after`.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub async fn clients(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Client>, StoreError> {
        let rows: Vec<ClientRow> = read!(self, readers => {
            query_as(concat!(
                "SELECT ", client_columns!(), " FROM clients WHERE id > $1 ORDER BY id LIMIT $2",
            ))
            .bind(after.unwrap_or(""))
            .bind(i64::from(limit))
            .fetch_all(readers)
        })?;
        rows.into_iter().map(Client::try_from).collect()
    }

    /// Disables a client, which ends its sessions and revokes its tokens, or enables it again; whether anything changed.
    ///
    /// # Errors
    /// [`StoreError::NoClient`], or what is wrong with the store.
    pub async fn set_client_disabled(
        &self,
        id: &str,
        disabled: bool,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let there = self.client(id).await?;
        there.ok_or_else(|| StoreError::NoClient(id.to_owned()))?;
        let mut change = self.change().await?;
        let changed: Option<(i64,)> = run!(&mut change, connection => {
            query_as(
                "UPDATE clients SET disabled = $1, changed = clock.now \
                 FROM clock WHERE id = $2 AND disabled <> $1 RETURNING changed",
            )
            .bind(disabled)
            .bind(id)
            .fetch_optional(connection)
        })?;
        if changed.is_none() {
            return Ok(false);
        }
        let action = if disabled {
            Action::ClientDisabled
        } else {
            Action::ClientEnabled
        };
        change.record(by, action, of_client(id)).await?;
        if disabled {
            change.end_client(id, tokens, by).await?;
        }
        change.commit().await?;
        Ok(true)
    }

    /// Gives a client another secret, of which this is the SHA-256. What it was granted before goes on.
    ///
    /// # Errors
    /// [`StoreError::NoClient`], or what is wrong with the store.
    pub async fn set_client_secret(
        &self,
        id: &str,
        secret: [u8; 32],
        by: &Actor,
    ) -> Result<(), StoreError> {
        let there = self.client(id).await?;
        there.ok_or_else(|| StoreError::NoClient(id.to_owned()))?;
        let mut change = self.change().await?;
        let _: (i64,) = run!(&mut change, connection => {
            query_as(
                "UPDATE clients SET secret = $1, changed = clock.now \
                 FROM clock WHERE id = $2 RETURNING changed",
            )
            .bind(&secret[..])
            .bind(id)
            .fetch_one(connection)
        })?;
        change
            .record(by, Action::ClientSecretSet, of_client(id))
            .await?;
        change.commit().await
    }
}

impl Change {
    /// Ends the sessions of a client, and revokes the tokens that it has without one.
    async fn end_client(
        &mut self,
        id: &str,
        tokens: Option<&LocalTokens<'_>>,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let reason = EndReason::ClientDisabled;
        self.end_sessions(Ending::OfClient(id), reason, tokens, by)
            .await?;
        if let Some(tokens) = tokens {
            let now = self.now().await?;
            let put = Put {
                issuer: tokens.issuer,
                kind: "client",
                value: id,
                before: Some(after(now, ON_ITS_WAY)),
                until: Some(after(now, ON_ITS_WAY + milliseconds(tokens.keep_for))),
            };
            self.put_revocation(&put, by).await?;
        }
        Ok(())
    }
}

fn of_client(id: &str) -> Subject<'_> {
    Subject {
        client: Some(id),
        ..Subject::default()
    }
}
