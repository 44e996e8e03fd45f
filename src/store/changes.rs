//! To learn soon that something was revoked.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, PgPool, SqliteConnection, query_as};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Store;
use super::database::{Pools, answered};

/// What the trigger of `revocations` tells of.
const CHANNEL: &str = "portcullis_revocations";

/// After which whoever waits looks in any case.
const POLL: Duration = Duration::from_millis(500);

/// How often a SQLite file is asked whether another connection has changed it.
const LOOK: Duration = Duration::from_millis(200);

/// After which a connection that says nothing is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two attempts to listen.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells when it is time to look for revocations. Dropped, it stops.
#[derive(Debug)]
pub struct Changes {
    told: Arc<Notify>,
    listening: JoinHandle<()>,
}

impl Store {
    /// Begins to listen, in a task of its own on the current runtime. That it cannot, or not any more, delays nobody beyond
    /// the next poll.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let told = Arc::new(Notify::new());
        let tell = Arc::clone(&told);
        let listening = match &self.pools {
            Pools::Sqlite { readers, .. } => {
                let options = (*readers.connect_options()).clone();
                tokio::spawn(watch_file(options, tell))
            }
            Pools::Postgres(pool) => tokio::spawn(listen(pool.clone(), tell)),
        };
        Changes { told, listening }
    }
}

impl Changes {
    /// Waits until something may have been revoked: half a second at most. May be dropped and called again; what was told
    /// meanwhile is not lost.
    pub async fn changed(&mut self) {
        // That the time is over is as good a reason to look.
        let _ = timeout(POLL, self.told.notified()).await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn watch_file(options: SqliteConnectOptions, tell: Arc<Notify>) {
    loop {
        if let Ok(mut connection) = answered(options.connect()).await {
            // What happened while there was none is not known.
            tell.notify_one();
            while_there(&mut connection, &tell).await;
        }
        sleep(AGAIN).await;
    }
}

/// The version of the data changes for a connection whenever another one has committed.
async fn while_there(connection: &mut SqliteConnection, tell: &Notify) {
    let mut known: Option<i64> = None;
    loop {
        let asked = query_as("PRAGMA data_version").fetch_one(&mut *connection);
        let Ok((version,)) = answered(asked).await else {
            return;
        };
        if known.replace(version) != Some(version) {
            tell.notify_one();
        }
        sleep(LOOK).await;
    }
}

async fn listen(pool: PgPool, tell: Arc<Notify>) {
    while !pool.is_closed() {
        if let Ok(mut listener) = answered(PgListener::connect_with(&pool)).await {
            while_listening(&mut listener, &tell).await;
        }
        sleep(AGAIN).await;
    }
}

async fn while_listening(listener: &mut PgListener, tell: &Notify) {
    // A lost connection is told, not replaced in silence: what was sent meanwhile is lost with it.
    listener.eager_reconnect(false);
    if answered(listener.listen(CHANNEL)).await.is_err() {
        return;
    }
    tell.notify_one();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => {
                while listener.next_buffered().is_some() {}
                tell.notify_one();
            }
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                if answered(listener.execute("SELECT 1")).await.is_err() {
                    return;
                }
            }
        }
    }
}
