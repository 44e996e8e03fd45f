//! What runs: reads the store's changes, publishes the set, keeps it current, and lets copies be written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::{Clock, UnixTime};
use crate::config::{StoreConfig, StoreFailure};
use crate::metrics::Metrics;
use crate::revocation::{CurrentUntil, RevocationSet};
use crate::store::StoreError;

use super::copies::Copies;
use super::disk::{Disk, Kept};
use super::handle::{Ask, lock};
use super::list::{List, Loading};
use super::row::Row;
use super::source::Source;
use super::status::{FeedStatus, ListOrigin};

/// How often the store is asked, whatever else tells of changes.
const POLL: Duration = Duration::from_millis(500);

/// Shortest time between two questions: what is told many times over is asked for once.
const PAUSE: Duration = Duration::from_millis(5);

/// Rows that are read at once.
pub(super) const PAGE: u32 = 5000;

/// How often entries are looked through for those whose time is over, and whether the store is still the same.
const LOOK: Duration = Duration::from_mins(1);

/// After so long without the store the whole list is read, whatever happened to it meanwhile.
const WHOLE: Duration = Duration::from_hours(1);

/// What the task changes outside of itself.
pub(super) struct Outside {
    pub(super) sets: Arc<ArcSwap<RevocationSet>>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<Mutex<FeedStatus>>,
    /// Whether the list came from the store.
    pub(super) loaded: watch::Sender<bool>,
}

/// The feed.
pub(super) struct Task<S> {
    source: S,
    outside: Outside,
    current_until: CurrentUntil,
    fail: StoreFailure,
    stale_for: Duration,
    disk: Arc<Disk>,
    copies: Copies,
    /// The list as the store gave it; `None` until it did, and after something broke.
    list: Option<List>,
    /// When the set in force was last the store's list, by a clock that nobody sets back.
    confirmed: Option<Instant>,
    looked: Instant,
}

/// Why the list is not that of the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// The store does not answer, or wrongly.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What built it has ended in the middle.
    #[error("the list could not be built")]
    Broken,
    /// Numbers that do not grow.
    #[error("the store gave changes that are not in order")]
    Disorder,
}

impl<S: Source> Task<S> {
    pub(super) fn new(source: S, outside: Outside, disk: Disk, config: &StoreConfig) -> Self {
        let disk = Arc::new(disk);
        Self {
            source,
            outside,
            current_until: match config.fail {
                StoreFailure::Closed => CurrentUntil::never(),
                StoreFailure::Open => CurrentUntil::for_ever(),
            },
            fail: config.fail,
            stale_for: config.stale_for,
            copies: Copies::new(Arc::clone(&disk), config.stale_for),
            disk,
            list: None,
            confirmed: None,
            looked: Instant::now(),
        }
    }

    /// Runs until nobody has a handle any more.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        self.take_copy().await;
        let mut waiting = Vec::new();
        loop {
            // Whoever asks while the store is being read asks for what comes after.
            while let Ok(ask) = asks.try_recv() {
                waiting.push(ask);
            }
            let caught_up = self.poll().await;
            for ask in waiting.drain(..) {
                let _ = ask.send(caught_up);
            }
            let next = Instant::now() + PAUSE;
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => waiting.push(ask),
                    None => return,
                },
                () = self.source.changed() => sleep_until(next).await,
                () = sleep(POLL) => {}
            }
        }
    }

    /// Puts the copy on disk in force, if there is one and it is young enough.
    pub(super) async fn take_copy(&mut self) {
        let (disk, current_until) = (Arc::clone(&self.disk), self.current_until.clone());
        let (now, stale_for) = (self.outside.clock.now(), self.stale_for);
        let loaded = spawn_blocking(move || disk.load(&current_until, now, stale_for)).await;
        match loaded {
            Ok(Ok(Some(Kept { writer, as_of }))) => {
                let set = List::copied(writer).publish();
                tracing::info!(revocations = set.len(), %as_of, "revocations of the copy on disk are in force");
                self.publish(set, ListOrigin::Copy, None);
                self.is_of(as_of.min(now));
            }
            Ok(Ok(None)) => {}
            Ok(Err(problem)) => {
                tracing::warn!(%problem, "the copy of the revocations on disk is not used");
            }
            Err(error) => tracing::error!(%error, "the copy of the revocations could not be read"),
        }
    }

    /// Reads what has changed. False: the store did not answer, and the list in force is what it was.
    pub(super) async fn poll(&mut self) -> bool {
        let (now, began) = (self.outside.clock.now(), Instant::now());
        let read = self.read(now).await;
        self.outside.metrics.revocations().read(read.is_ok());
        match &read {
            Ok(()) => {
                self.confirmed = Some(began);
                self.is_of(now);
                self.recovered();
                self.copies.keep(&self.outside.sets.load_full(), now);
            }
            Err(error) => self.failed(error),
        }
        let now = self.outside.clock.now();
        let confirmed = lock(&self.outside.status).confirmed;
        let age = confirmed.map(|confirmed| now.since(confirmed));
        self.outside.metrics.revocations().age(age);
        read.is_ok()
    }

    async fn read(&mut self, now: UnixTime) -> Result<(), FeedError> {
        self.look(now).await?;
        if self.list.is_none() || self.was_away() {
            self.load().await?;
        }
        loop {
            let Some(number) = self.list.as_ref().map(List::number) else {
                return Err(FeedError::Broken);
            };
            let rows = self.rows_after(number).await?;
            let more = rows.len() >= PAGE as usize;
            if !rows.is_empty() {
                self.change(rows).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Whether the store was not heard of for long.
    fn was_away(&self) -> bool {
        self.confirmed
            .is_none_or(|confirmed| confirmed.elapsed() >= WHOLE)
    }

    /// Once a minute: what is over is forgotten; and a store whose numbers went back is another one, such as a backup.
    async fn look(&mut self, now: UnixTime) -> Result<(), FeedError> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        let newest = self.source.newest().await?;
        self.looked = Instant::now();
        if self
            .list
            .as_ref()
            .is_some_and(|list| newest < list.number())
        {
            tracing::warn!(
                "the store has older revocations than before: all of them are read again"
            );
            self.list = None;
            return Ok(());
        }
        self.with_list(move |list| list.expire(now)).await
    }

    /// Reads the whole list, page by page, and puts it in force.
    async fn load(&mut self) -> Result<(), FeedError> {
        // Rows that come meanwhile have larger numbers, and are read as changes afterwards.
        let newest = self.source.newest().await?;
        let loading = Loading::begin(self.current_until.clone());
        let mut number = 0;
        while number < newest {
            let mut rows = self.rows_after(number).await?;
            let more = rows.len() >= PAGE as usize;
            rows.retain(|row| row.number <= newest);
            number = match rows.last() {
                Some(last) if more => last.number,
                Some(_) | None => newest,
            };
            loading.add(rows).await;
        }
        let list = loading.finish(newest).await.ok_or(FeedError::Broken)?;
        let set = list.publish();
        self.list = Some(list);
        self.copies.changed();
        self.publish(set, ListOrigin::Store, Some(newest));
        Ok(())
    }

    async fn rows_after(&mut self, number: i64) -> Result<Vec<Row>, FeedError> {
        let rows = self.source.after(number, PAGE).await?;
        let first = rows.first().is_none_or(|row| row.number > number);
        if first && rows.is_sorted_by(|one, next| one.number < next.number) {
            Ok(rows)
        } else {
            Err(FeedError::Disorder)
        }
    }

    async fn change(&mut self, rows: Vec<Row>) -> Result<(), FeedError> {
        self.copies.changed();
        self.with_list(move |list| list.change(&rows)).await
    }

    /// Changes the list on a thread that may be busy, and puts it in force.
    async fn with_list(
        &mut self,
        change: impl FnOnce(&mut List) + Send + 'static,
    ) -> Result<(), FeedError> {
        let Some(mut list) = self.list.take() else {
            return Ok(());
        };
        let changed = spawn_blocking(move || {
            change(&mut list);
            let set = list.publish();
            (list, set)
        });
        let (list, set) = changed.await.map_err(|error| {
            tracing::error!(%error, "the list of revocations broke, and is read again");
            FeedError::Broken
        })?;
        let number = list.number();
        self.list = Some(list);
        self.publish(set, ListOrigin::Store, Some(number));
        Ok(())
    }

    fn publish(&self, set: Arc<RevocationSet>, origin: ListOrigin, newest: Option<i64>) {
        let entries = set.len();
        self.outside.sets.store(set);
        self.outside.metrics.revocations().entries(entries);
        let mut status = lock(&self.outside.status);
        status.origin = Some(origin);
        status.revocations = entries;
        status.newest = newest;
    }

    /// The set in force was the store's list at `now`.
    fn is_of(&self, now: UnixTime) {
        match self.fail {
            StoreFailure::Closed => self.current_until.set(now.plus(self.stale_for)),
            StoreFailure::Open => self.current_until.set_for_ever(),
        }
        lock(&self.outside.status).confirmed = Some(now);
    }

    fn recovered(&self) {
        if !self.outside.loaded.send_replace(true) {
            tracing::info!(
                revocations = self.outside.sets.load().len(),
                "revocations are loaded"
            );
        }
        if lock(&self.outside.status).failure.take().is_some() {
            tracing::info!("the store says again what is revoked");
        }
    }

    fn failed(&self, error: &FeedError) {
        let text = error.to_string();
        let known = lock(&self.outside.status).failure.replace(text);
        if known.is_none() {
            tracing::warn!(%error, "the store does not say what is revoked");
        }
        // The moment in `current_until` is one of a clock that may have been set back.
        let is_stale = self
            .confirmed
            .is_some_and(|confirmed| confirmed.elapsed() >= self.stale_for);
        if is_stale && self.fail == StoreFailure::Closed {
            self.current_until.set_over();
        }
    }
}

#[cfg(test)]
mod tests;
