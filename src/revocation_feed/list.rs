//! The store's list in memory, and up to which change it is that list.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::clock::UnixTime;
use crate::revocation::{CurrentUntil, RevocationError, RevocationSet, RevocationWriter};

use super::row::Row;

/// How long an entry outlives its time: clocks of gateways and of the database differ, and one may be set back.
const MARGIN: Duration = Duration::from_mins(5);

/// Pages that wait for the thread that takes them: more would only be memory.
const WAITING_PAGES: usize = 2;

/// A writer, and the number of the last change that it knows.
pub(super) struct List {
    writer: RevocationWriter,
    number: i64,
}

impl List {
    /// The list that a writer already has, from a copy.
    pub(super) fn copied(writer: RevocationWriter) -> Self {
        Self { writer, number: 0 }
    }

    /// The number of the last change that it knows.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// Takes rows that are new, in the order of their numbers.
    ///
    /// Those of one target stand beside each other: what one of them refuses is refused, until one takes them all back.
    pub(super) fn change(&mut self, rows: &[Row]) {
        for row in rows {
            match row.revocation() {
                Some(revocation) => self.writer.add(&revocation),
                None => {
                    self.writer.remove(&row.issuer, row.target());
                }
            }
            self.number = row.number;
        }
    }

    /// Forgets what no valid token needs any more.
    pub(super) fn expire(&mut self, now: UnixTime) {
        self.writer.expire(given_back(now));
    }

    /// What decisions ask.
    pub(super) fn publish(&self) -> Arc<RevocationSet> {
        self.writer.publish()
    }
}

/// The moment up to which what is over is forgotten.
pub(super) fn given_back(now: UnixTime) -> UnixTime {
    let margin = i64::try_from(MARGIN.as_secs()).unwrap_or(i64::MAX);
    UnixTime::from_seconds(now.seconds().saturating_sub(margin))
}

/// A list that is built page by page, on a thread that may be busy: a page more is all the memory that it needs.
pub(super) struct Loading {
    pages: mpsc::Sender<Page>,
    built: JoinHandle<Result<Option<List>, RevocationError>>,
}

enum Page {
    Rows(Vec<Row>),
    /// There are no more, up to this number.
    End(i64),
}

impl Loading {
    /// Begins; dropped before [`Self::finish`], there is no list.
    pub(super) fn begin(current_until: CurrentUntil) -> Self {
        let (pages, received) = mpsc::channel(WAITING_PAGES);
        Self {
            pages,
            built: spawn_blocking(move || build(received, current_until)),
        }
    }

    /// Takes a page. What is taken back in it is not in it, nor in a page before: the store leaves that out.
    pub(super) async fn add(&self, rows: Vec<Row>) {
        // Whether the thread is still there shows at the end.
        let _ = self.pages.send(Page::Rows(rows)).await;
    }

    /// The list as of change `number`; `None` if it could not be built.
    pub(super) async fn finish(self, number: i64) -> Option<List> {
        let _ = self.pages.send(Page::End(number)).await;
        match self.built.await {
            Ok(Ok(list)) => list,
            Ok(Err(error)) => {
                tracing::error!(%error, "the list of revocations cannot be built");
                None
            }
            Err(error) => {
                tracing::error!(%error, "the list of revocations could not be built");
                None
            }
        }
    }
}

fn build(
    mut pages: mpsc::Receiver<Page>,
    current_until: CurrentUntil,
) -> Result<Option<List>, RevocationError> {
    let mut writer = RevocationWriter::with_current_until(current_until)?;
    let mut load = writer.load();
    loop {
        match pages.blocking_recv() {
            Some(Page::Rows(rows)) => {
                let revocations = rows.iter().filter_map(Row::revocation);
                revocations.for_each(|revocation| load.add(&revocation));
            }
            Some(Page::End(number)) => {
                load.finish();
                return Ok(Some(List { writer, number }));
            }
            // Whoever read has given up: half a list is none.
            None => return Ok(None),
        }
    }
}
