//! The task of one source: waits, looks, fetches, and does not end by itself.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, UnixTime};
use crate::keys::requester::NextAttempt;
use crate::keys::schedule::{Moment, Schedule};
use crate::keys::status::StatusCell;
use crate::keys::{KeyRequest, KeyRequests, RemoteKeySets, SourceId, SourceState};
use crate::metrics::{KeyFetch, KeyMetrics, KeySetAge};

use super::held::Held;
use super::outage::Outage;
use super::remote::{MakeSource, Source};
use super::settings::{Digest, Settings};
use super::unknown_kids::UnknownKids;
use super::warnings::{About, Warnings};

/// Longest time between two looks at the clock: one that was set forward is noticed then.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Least real time between the beginnings of two fetches, whatever the clock does.
const APART: Duration = Duration::from_millis(500);

/// From a panic until the task goes on; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest time from a panic until the task goes on.
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// For how long a set that has come back is called alternating, if it stays from then on.
const ALTERNATION: Duration = Duration::from_hours(1);

/// A clock that was set back by more than this makes a set look as if it came from the future.
const SET_BACK: Duration = Duration::from_mins(5);

/// What a task works with.
pub(super) struct Shared {
    pub(super) registry: Arc<RemoteKeySets>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<KeyMetrics>,
    pub(super) age: Arc<KeySetAge>,
    pub(super) changed: mpsc::Sender<Arc<str>>,
    pub(super) make: MakeSource,
    pub(super) status: Arc<StatusCell>,
    pub(super) next: Arc<NextAttempt>,
    pub(super) tried: watch::Sender<bool>,
}

/// One source and what became of it.
pub(super) struct Task {
    pub(super) id: SourceId,
    /// What the log calls it.
    pub(super) url: String,
    pub(super) shared: Shared,
    pub(super) settings: Arc<Settings>,
    new_settings: watch::Receiver<Arc<Settings>>,
    pub(super) requests: KeyRequests,
    pub(super) schedule: Schedule,
    /// The real time at which the last fetch began.
    pub(super) began: Option<Instant>,
    /// The `kid`s that the next fetch is to find.
    pub(super) wanted: Vec<Box<str>>,
    /// Absent before the first fetch, while one runs, and after a panic.
    pub(super) source: Option<Box<dyn Source>>,
    /// What `ca` held when the source was made.
    pub(super) ca: Option<Digest>,
    /// Whether the source was made for other settings.
    pub(super) outdated: bool,
    pub(super) held: Option<Held>,
    /// The last second in which the set served, if it became too old.
    expired: Option<UnixTime>,
    /// When the last other set came.
    pub(super) changed_at: Option<UnixTime>,
    /// Whether the reloader is to hear that the keys have changed.
    pub(super) untold: bool,
    /// Whether the disk is to get what was fetched.
    pub(super) unkept: bool,
    /// What writes to disk. Nobody waits for it: a disk that hangs keeps no key from serving.
    keeping: Option<JoinHandle<()>>,
    pub(super) outage: Outage,
    pub(super) warnings: Warnings,
    pub(super) unknown: UnknownKids,
}

impl Task {
    pub(super) fn new(
        id: SourceId,
        shared: Shared,
        mut new_settings: watch::Receiver<Arc<Settings>>,
        requests: KeyRequests,
    ) -> Self {
        let settings = Arc::clone(&new_settings.borrow_and_update());
        let schedule = Schedule::new(settings.issuer.refresh, Moment::now(&shared.clock));
        Self {
            id,
            url: settings.url(),
            shared,
            settings,
            new_settings,
            requests,
            schedule,
            began: None,
            wanted: Vec::new(),
            source: None,
            ca: None,
            outdated: false,
            held: None,
            expired: None,
            changed_at: None,
            untold: false,
            unkept: false,
            keeping: None,
            outage: Outage::default(),
            warnings: Warnings::default(),
            unknown: UnknownKids::default(),
        }
    }

    /// Works until it is aborted, or nobody wants it any more. A panic is said, and does not end it.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        self.warn_of_the_way();
        while AssertUnwindSafe(self.work()).catch_unwind().await.is_err() {
            self.recover();
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn work(&mut self) {
        self.take_what_is_held().await;
        if self.held.is_some() {
            self.shared.tried.send_replace(true);
        }
        loop {
            let wait = self.look();
            if self.is_clock_set_back() {
                let had_keys = self.held.is_some();
                self.take_what_is_held().await;
                self.untold |= had_keys != self.held.is_some();
            }
            if wait.is_zero() {
                self.fetch().await;
                continue;
            }
            tokio::select! {
                // One is enough until the fetch that it asks for: the others wait in the channel, which fills up and
                // makes asking cheap.
                request = self.requests.0.recv(), if !self.schedule.is_asked() => match request {
                    Some(request) => self.ask(request),
                    None => return,
                },
                changed = self.new_settings.changed() => match changed {
                    Ok(()) => self.settle().await,
                    Err(_) => return,
                },
                () = sleep(wait.min(LOOK)) => {}
            }
        }
    }

    pub(super) fn ask(&mut self, request: KeyRequest) {
        self.schedule.ask(self.now());
        match request {
            KeyRequest::Unknown(Some(kid)) => self.wanted.push(kid),
            KeyRequest::Unknown(None) | KeyRequest::Refresh => {}
        }
    }

    /// Looks at the clock, and does what is due but a fetch. How long until a fetch is to begin; zero is now.
    pub(super) fn look(&mut self) -> Duration {
        let now = self.now();
        self.look_at_the_set(now.second());
        if self.untold {
            // What finds no place goes with the next look.
            let told = self.shared.changed.try_send(Arc::clone(self.id.issuer()));
            self.untold = matches!(told, Err(mpsc::error::TrySendError::Full(_)));
        }
        self.keep();
        let wait = self.schedule.wait(now);
        self.show(wait.is_some().then(|| self.schedule.next().second()));
        let apart = self.began.map_or(Duration::ZERO, |began| {
            APART.saturating_sub(began.elapsed())
        });
        wait.unwrap_or(LOOK).max(apart)
    }

    /// Writes what was fetched to disk, once it was told and no write is under way.
    fn keep(&mut self) {
        let is_free = self.keeping.as_ref().is_none_or(JoinHandle::is_finished);
        if self.unkept && is_free {
            let (registry, id) = (Arc::clone(&self.shared.registry), self.id.clone());
            self.keeping = Some(spawn_blocking(move || registry.keep(&id)));
            self.unkept = false;
        }
    }

    /// Drops a set that is too old, and says so; says before that it is going to be.
    fn look_at_the_set(&mut self, now: UnixTime) {
        let settled = |at: UnixTime| now >= at.plus(ALTERNATION);
        if self.changed_at.is_some_and(settled) {
            self.changed_at = None;
            self.warn(About::Alternates, None);
        }
        let refresh = self.settings.issuer.refresh;
        let Some(held) = &self.held else {
            self.shared.age.set(None);
            return;
        };
        self.shared.age.set(Some(now.since(held.set.fetched)));
        let until = held.serves_until(&refresh);
        if held.set.is_stale(now, refresh.stale_for) {
            tracing::error!(
                issuer = &**self.id.issuer(),
                url = &*self.url,
                fetched = %held.set.fetched,
                "the keys are older than stale_for and no longer serve"
            );
            self.held = None;
            self.expired = Some(until);
            self.untold = true;
            self.shared.age.set(None);
        } else if self.schedule.failures() > 0
            && held.near_end(&refresh, now)
            && self.outage.near_end()
        {
            tracing::error!(
                issuer = &**self.id.issuer(),
                url = &*self.url,
                fetched = %held.set.fetched,
                serve_until = %until,
                "the keys are nearly older than stale_for, and cannot be fetched"
            );
        }
    }

    /// Whether the set comes from the future: the registry lets it age anew. Or whether there is none because it was too old
    /// by a clock that was wrong.
    fn is_clock_set_back(&self) -> bool {
        let now = self.shared.clock.now();
        match &self.held {
            Some(held) => now.plus(SET_BACK) < held.set.fetched,
            None => self.expired.is_some_and(|until| now <= until),
        }
    }

    /// Other settings, or the same after a reload.
    async fn settle(&mut self) {
        let settings = Arc::clone(&self.new_settings.borrow_and_update());
        let old = std::mem::replace(&mut self.settings, Arc::clone(&settings));
        self.schedule
            .set_refresh(settings.issuer.refresh, self.now());
        self.warn_of_the_way();
        let same = old.same_client(&settings);
        let read = Arc::clone(&settings);
        match blocking(move || read.ca_digest()).await {
            // Never made: the next fetch makes it of what is there then.
            _ if self.source.is_none() => {}
            Ok(Ok(ca)) if same && ca == self.ca => {
                if !self.outdated {
                    self.warn(About::Client, None);
                }
            }
            Ok(Err(error)) if same => {
                let ca = settings.source.ca.as_deref().unwrap_or_else(|| "".as_ref());
                let text = format!("{}: cannot read the file: {error}", ca.display());
                self.warn(About::Client, Some(kept(&text)));
            }
            Ok(_) | Err(_) => {
                self.outdated = true;
                self.schedule.ask(self.now());
            }
        }
        self.take_what_is_held().await;
    }

    /// What the registry has: of the disk at the start, and of the last fetch otherwise.
    async fn take_what_is_held(&mut self) {
        let registry = Arc::clone(&self.shared.registry);
        let (id, settings) = (self.id.clone(), Arc::clone(&self.settings));
        let held = blocking(move || {
            let set = registry.current(&id, settings.issuer.refresh.stale_for)?;
            Some(Held::new(set, settings.issuer.policy.algorithms))
        });
        match held.await {
            Ok(held) => self.held = held,
            Err(error) => tracing::error!(error, "a kept key set was not read"),
        }
    }

    fn warn_of_the_way(&mut self) {
        let url = self.settings.source.plain_http();
        let text = url.map(|_| {
            "the keys come in plain http: whoever is on the way can put in keys of their own"
                .to_owned()
        });
        self.warn(About::Way, text);
    }

    /// From now on this holds about a subject, and nothing else.
    pub(super) fn warn(&mut self, about: About, texts: impl IntoIterator<Item = String>) {
        let (issuer, url) = (&**self.id.issuer(), &*self.url);
        let say = |text: &str| tracing::warn!(issuer, url, warning = text, "a source of keys");
        let now = self.shared.clock.now();
        self.warnings.set(about, texts, now, say);
        let shown = self.warnings.shown();
        self.shared.status.write(|status| status.warnings = shown);
    }

    /// Goes on after a panic: with a new client, and as after a failed fetch if one was running.
    fn recover(&mut self) {
        tracing::error!(
            issuer = &**self.id.issuer(),
            url = &*self.url,
            "internal: the refresher panicked and starts again"
        );
        self.source = None;
        if self.schedule.wait(self.now()).is_none() {
            self.failed("internal: a panic".to_owned());
            self.shared.counters.fetched(KeyFetch::Failed);
        }
        self.shared.tried.send_replace(true);
    }

    /// Shows the state as of now; `next` is when the next fetch is to begin.
    pub(super) fn show(&self, next: Option<UnixTime>) {
        self.shared.next.set(next);
        let failures = self.schedule.failures();
        let held = self.held.as_ref();
        let state = match held {
            None if self.expired.is_some() => SourceState::Expired,
            None => SourceState::Never,
            Some(held) if held.set.from_disk => SourceState::FromDisk,
            Some(_) if failures > 0 => SourceState::Stale,
            Some(_) => SourceState::Fresh,
        };
        let refresh = &self.settings.issuer.refresh;
        self.shared.status.write(|status| {
            status.state = state;
            status.next_attempt = next;
            status.failures = failures;
            status.keys = held.map_or(0, |held| held.usable);
            status.serves_until = held.map(|held| held.serves_until(refresh));
            if let Some(held) = held {
                status.last_success = Some(held.set.fetched);
            }
        });
    }

    pub(super) fn now(&self) -> Moment {
        Moment::now(&self.shared.clock)
    }
}

/// What is said of a client that cannot be made anew.
pub(super) fn kept(problem: &str) -> String {
    format!("{problem}; the client made before goes on")
}

/// Does what may block where that is allowed. The error is a panic, or the end of the process.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| format!("internal: {error}"))
}
