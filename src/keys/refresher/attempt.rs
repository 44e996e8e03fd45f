//! One fetch, from its beginning to what it changes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::clock::UnixTime;
use crate::keys::{Document, Fetched, SetChange};
use crate::metrics::KeyFetch;

use super::held::Held;
use super::remote::Source;
use super::task::{LOOK, Task, blocking, kept};
use super::warnings::{About, about_skipped};

/// Longest fetch: a net below the limits of each request, of which discovery makes three.
const LIMIT: Duration = Duration::from_secs(30);

/// Requests that one fetch answers, at most: those that come faster than they are taken get the next one.
const ANSWERED: usize = 64;

/// Bytes of a reason that are shown, at most.
const REASON: usize = 500;

/// What a fetch brought.
struct Brought {
    outcome: KeyFetch,
    max_age: Option<Duration>,
}

impl Task {
    /// Fetches once.
    pub(super) async fn fetch(&mut self) {
        // Before it begins: who asks from now on gets another.
        while self.wanted.len() < ANSWERED
            && let Some(request) = self.requests.try_next()
        {
            self.ask(request);
        }
        let wanted = std::mem::take(&mut self.wanted);
        let begin = self.now();
        self.schedule.begin(begin);
        self.shared.next.begin();
        self.began = Some(Instant::now());
        let now = begin.second();
        self.show(None);
        self.shared.status.write(|status| {
            status.last_attempt = Some(now);
            status.fetches += 1;
        });
        let outcome = match self.attempt(now).await {
            Ok(brought) => {
                self.succeeded(&brought);
                self.tell_what_is_lacking(&wanted);
                brought.outcome
            }
            Err(reason) => {
                self.failed(bounded(&reason));
                KeyFetch::Failed
            }
        };
        self.shared.counters.fetched(outcome);
        self.shared.tried.send_replace(true);
    }

    async fn attempt(&mut self, now: UnixTime) -> Result<Brought, String> {
        let mut source = self.ready_source().await?;
        let etag = self.held.as_ref().and_then(Held::etag);
        let fetched = {
            let mut fetching = pin!(timeout(LIMIT, source.fetch(etag.as_deref(), now)));
            loop {
                tokio::select! {
                    ended = &mut fetching => break ended,
                    // A set grows old also while nobody answers.
                    () = sleep(LOOK) => drop(self.look()),
                }
            }
        };
        let url = bounded(&source.url());
        self.shared.status.write(|status| status.url = url);
        self.source = Some(source);
        let fetched =
            fetched.unwrap_or_else(|_| Err(format!("no end after {} s", LIMIT.as_secs())));
        match fetched? {
            Fetched::Document(document) => self.take(document, now).await,
            Fetched::NotModified { max_age } => self.confirm(max_age, now).await,
        }
    }

    /// The source, made anew if it is not there or its settings have changed.
    async fn ready_source(&mut self) -> Result<Box<dyn Source>, String> {
        let old = match self.source.take() {
            Some(source) if !self.outdated => return Ok(source),
            old => old,
        };
        let (maker, settings) = (Arc::clone(&self.shared.make), Arc::clone(&self.settings));
        let made = blocking(move || {
            // Read before the client reads it: a change between the two is found at the next reload.
            let ca = settings.ca_digest().ok().flatten();
            maker(&settings).map(|source| (source, ca))
        });
        let problem = match made.await {
            Ok(Ok((source, ca))) => {
                self.ca = ca;
                self.outdated = false;
                self.warn(About::Client, None);
                return Ok(source);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error,
        };
        let Some(old) = old else { return Err(problem) };
        self.warn(About::Client, Some(kept(&bounded(&problem))));
        Ok(old)
    }

    async fn take(&mut self, document: Document, now: UnixTime) -> Result<Brought, String> {
        let Document {
            bytes,
            etag,
            max_age,
        } = document;
        let registry = Arc::clone(&self.shared.registry);
        let (id, settings) = (self.id.clone(), Arc::clone(&self.settings));
        let taken = blocking(move || {
            let change = registry
                .put(&id, bytes, etag, now)
                .map_err(|refused| refused.to_string())?;
            let set = registry.current(&id, settings.issuer.refresh.stale_for);
            let held = set.map(|set| Held::new(set, settings.issuer.policy.algorithms));
            Ok::<_, String>((change, held))
        });
        let (change, held) = taken.await??;
        let old = std::mem::replace(&mut self.held, held);
        // A set that was too old may come back as it was.
        self.untold |= old.is_none() || change != SetChange::Same;
        self.unkept = true;
        let outcome = match change {
            SetChange::Same => KeyFetch::Same,
            SetChange::Changed { shrunk, alternates } => {
                self.tell_of_change(old.as_ref(), shrunk, alternates, now);
                KeyFetch::New
            }
        };
        let skipped = self.held.as_ref().map(|held| about_skipped(&held.skipped));
        self.warn(About::Keys, skipped.unwrap_or_default());
        Ok(Brought { outcome, max_age })
    }

    fn tell_of_change(
        &mut self,
        old: Option<&Held>,
        shrunk: bool,
        alternates: bool,
        now: UnixTime,
    ) {
        let before = old.map_or(0, |old| old.set.keys());
        let keys = self.held.as_ref().map_or(0, |held| held.set.keys());
        tracing::info!(
            issuer = &**self.id.issuer(),
            url = &*self.url,
            keys,
            "a new key set was fetched"
        );
        let smaller = shrunk.then(|| {
            format!("the set has less than half of the keys of the one before: {keys} of {before}")
        });
        self.warn(About::Shrunk, smaller);
        self.changed_at = Some(now);
        let back = alternates.then(|| {
            "the provider went back to the set before the last one, or alternates between two"
                .to_owned()
        });
        self.warn(About::Alternates, back);
    }

    /// The provider said that its set is the one in force.
    async fn confirm(
        &mut self,
        max_age: Option<Duration>,
        now: UnixTime,
    ) -> Result<Brought, String> {
        let registry = Arc::clone(&self.shared.registry);
        let (id, settings) = (self.id.clone(), Arc::clone(&self.settings));
        let confirmed = blocking(move || {
            if !registry.confirm(&id, now) {
                return None;
            }
            let set = registry.current(&id, settings.issuer.refresh.stale_for)?;
            Some(Held::new(set, settings.issuer.policy.algorithms))
        });
        let held = confirmed.await?;
        // Without it the next request is not conditional.
        self.untold |= self.held.is_none() != held.is_none();
        self.held = held;
        if self.held.is_none() {
            return Err("status 304, and there is no set that it could mean".to_owned());
        }
        self.unkept = true;
        Ok(Brought {
            outcome: KeyFetch::NotModified,
            max_age,
        })
    }

    fn succeeded(&mut self, brought: &Brought) {
        let now = self.now();
        let failures = self.schedule.failures();
        self.schedule.succeeded(now, brought.max_age, random());
        if let Some(seconds) = self.outage.ended(now.second()) {
            tracing::info!(
                issuer = &**self.id.issuer(),
                url = &*self.url,
                down_seconds = seconds,
                failures,
                "keys are fetched again"
            );
        }
        self.shared.status.write(|status| status.last_error = None);
    }

    pub(super) fn failed(&mut self, reason: String) {
        let now = self.now();
        self.schedule.failed(now, random());
        let serve_until = self.held.as_ref().map(|held| {
            let until = held.serves_until(&self.settings.issuer.refresh);
            until.to_string()
        });
        let failures = self.schedule.failures();
        let (issuer, url) = (&**self.id.issuer(), &*self.url);
        if !self.outage.failed(&reason, now.second()) {
            tracing::debug!(
                issuer,
                url,
                error = reason,
                failures,
                "keys are still not fetched"
            );
        } else if let Some(serve_until) = serve_until {
            tracing::warn!(
                issuer,
                url,
                error = reason,
                serve_until,
                "keys cannot be fetched; those fetched before serve"
            );
        } else {
            tracing::error!(
                issuer,
                url,
                error = reason,
                "keys cannot be fetched, and there are none from before"
            );
        }
        self.shared
            .status
            .write(|status| status.last_error = Some(reason));
    }

    /// Tells of `kid`s that tokens named, and that the set that came does not have.
    fn tell_what_is_lacking(&mut self, wanted: &[Box<str>]) {
        let Some(held) = &self.held else { return };
        let kids = wanted.iter().map(|kid| &**kid);
        let lacking: Vec<&str> = kids.filter(|kid| !held.has(kid)).collect();
        let now = self.shared.clock.now();
        if let Some(source) = &mut self.source
            && !lacking.is_empty()
        {
            source.doubt_place(now);
        }
        let interval = self.settings.issuer.refresh.interval;
        let Some(kids) = self.unknown.lacking(lacking.into_iter(), now, interval) else {
            return;
        };
        tracing::warn!(
            issuer = &**self.id.issuer(),
            url = &*self.url,
            kids,
            "tokens name keys that the provider does not have"
        );
        let shown = self.unknown.shown();
        self.shared
            .status
            .write(|status| status.unknown_kids = shown);
    }
}

/// A text as it may stand in the log and in the status.
fn bounded(text: &str) -> String {
    let prints = |sign: char| if sign.is_control() { '·' } else { sign };
    let end = text.floor_char_boundary(REASON);
    let mut shown: String = text[..end].chars().map(prints).collect();
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// Between 0 and 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness nothing spreads, and everything else works.
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_or(0.5, |()| {
        f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
    })
}
