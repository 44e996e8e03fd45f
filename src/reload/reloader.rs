//! The one task that publishes snapshots.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::clock::UnixTime;
use crate::config::{Certificates, Config};
use crate::jwt::{Algorithm, VerifyingKey};
use crate::keys::{RemoteKeySets, SourceId};
use crate::metrics::{CertificateExpiry, IssuerKeys, KeyInForce, Metrics};
use crate::snapshot::{Fixtures, Snapshot, name_of};

use super::changes::View;
use super::contents::Contents;
use super::handle::{KeyTimes, Known, ReloadHandle, ReloadReport, Request, lock};
use super::key_feed::KeyFeed;
use super::source::{BuildFailure, Built, Source};
use super::watcher::{Cause, Watcher};

/// Requests that may wait; who asks beyond that waits to ask.
const WAITING: usize = 16;

/// How long before its end a certificate that we made is made anew. Less than the week in which making one no longer
/// returns the old one, so that a renewal renews.
const RENEWAL: Duration = Duration::from_hours(3 * 24);

/// Builds what would follow a snapshot: blocking, so it runs on a thread of its own.
type Build = Arc<dyn Fn(&Snapshot) -> Result<Built, BuildFailure> + Send + Sync>;

/// Starts the reloader on the present (control) runtime: it watches the parent directories of every file of the
/// configuration (250 ms debounce, 30 s poll as a net), takes requests from its handle, and what the refreshers of `feed` say.
#[must_use]
pub fn start(
    source: Source,
    publisher: Arc<ArcSwap<Snapshot>>,
    fixtures: Fixtures,
    feed: KeyFeed,
) -> ReloadHandle {
    let files = source.files(&publisher.load().config);
    let shown = fixtures.clone();
    let build = move |running: &Snapshot| source.build(running, &fixtures);
    start_with(Arc::new(build), &files, publisher, &shown, feed)
}

fn start_with(
    build: Build,
    files: &BTreeSet<PathBuf>,
    publisher: Arc<ArcSwap<Snapshot>>,
    fixtures: &Fixtures,
    feed: KeyFeed,
) -> ReloadHandle {
    let (requests, waiting) = mpsc::channel(WAITING);
    let known = Arc::new(Known {
        publisher,
        clock: fixtures.clock.clone(),
        last: Mutex::default(),
        loaded: Mutex::default(),
    });
    let handle = ReloadHandle { requests, known };
    // Watched and read before the first change that anybody can make after this returns.
    let mut watcher = Watcher::new();
    watcher.watch(files);
    let contents = Contents::read(files);
    let running = handle.known.publisher.load_full();
    let reloader = Reloader {
        build,
        watcher,
        view: View::of(&running, &contents),
        contents,
        failed: None,
        known: Arc::clone(&handle.known),
        metrics: Arc::clone(&fixtures.metrics),
        sets: Arc::clone(&fixtures.keys),
        feed,
        _handle: handle.clone(),
    };
    reloader.show(&running);
    tokio::spawn(reloader.run(waiting));
    handle
}

struct Reloader {
    build: Build,
    watcher: Watcher,
    /// The snapshot in force, as far as changes are told.
    view: View,
    /// What was last tried, or is in force.
    contents: Contents,
    /// Why the last try failed.
    failed: Option<String>,
    known: Arc<Known>,
    metrics: Arc<Metrics>,
    /// What was fetched, for when its keys were first seen.
    sets: Arc<RemoteKeySets>,
    feed: KeyFeed,
    /// Keeps the channel open: files are watched also when nobody can ask.
    _handle: ReloadHandle,
}

/// Who wants a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Somebody asked.
    Request,
    /// Files may have changed.
    Watcher(Cause),
}

impl Reloader {
    async fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        loop {
            tokio::select! {
                request = waiting.recv() => {
                    let Some(request) = request else { return };
                    let report = if request.dry_run {
                        self.try_out().await
                    } else {
                        // So that the watcher does not find the same change again.
                        self.read().await;
                        let report = self.reload(Trigger::Request).await;
                        // Who asks wants the newest of everything.
                        self.feed.refresh_all();
                        report
                    };
                    // Who asked may have gone.
                    let _ = request.reply.send(report);
                }
                cause = self.watcher.changed() => self.look(cause).await,
                issuers = self.feed.changed() => self.take_keys(Some(issuers)).await,
            }
        }
    }

    /// Reloads if files hold something else than when they were last read. After a failure a poll tries again: what was
    /// missing may lie where nobody watches.
    async fn look(&mut self, cause: Cause) {
        let changed = self.read().await;
        let again = self.failed.is_some() || self.is_renewal_due();
        if changed || (cause == Cause::Poll && again) {
            self.reload(Trigger::Watcher(cause)).await;
        } else if cause == Cause::Event {
            // The same contents, perhaps in another directory: the next change happens there.
            self.watcher.watch(&self.contents.files());
        }
    }

    /// Whether a certificate that we made ourselves ends soon: no file changes by itself then.
    fn is_renewal_due(&self) -> bool {
        let snapshot = self.known.publisher.load();
        let self_signed = matches!(
            snapshot.config.server.tls,
            Some(Certificates::SelfSigned(_))
        );
        let soon = self.known.clock.now().plus(RENEWAL);
        let mut certificates = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
        self_signed && certificates.any(|certificate| certificate.expires <= soon)
    }

    /// Reads the known files again. Whether one of them has changed.
    async fn read(&mut self) -> bool {
        let files = self.contents.files();
        match spawn_blocking(move || Contents::read(&files)).await {
            Ok(contents) => std::mem::replace(&mut self.contents, contents) != self.contents,
            // The runtime is ending.
            Err(_) => false,
        }
    }

    /// What a reload would do.
    async fn try_out(&self) -> ReloadReport {
        match self.built().await {
            Ok(built) => {
                let new = View::of(&built.snapshot, &built.contents);
                let mut report = self.known.report(Ok(self.view.changes(&new)));
                report.needs_restart = built.needs_restart;
                report
            }
            Err(failure) => self.known.report(Err(failure.error)),
        }
    }

    async fn reload(&mut self, trigger: Trigger) -> ReloadReport {
        match self.built().await {
            Ok(built) => {
                let report = self.publish(built).await;
                // A refresher that was replaced may have left keys without a word.
                self.take_keys(None).await;
                report
            }
            Err(failure) => self.keep(failure, trigger),
        }
    }

    async fn built(&self) -> Result<Built, BuildFailure> {
        let build = Arc::clone(&self.build);
        let running = self.known.publisher.load_full();
        spawn_blocking(move || build(&running))
            .await
            .unwrap_or_else(|error| {
                Err(BuildFailure {
                    error: format!("internal: {error}"),
                    files: BTreeSet::new(),
                })
            })
    }

    /// Puts a snapshot in force.
    async fn publish(&mut self, mut built: Built) -> ReloadReport {
        let new = View::of(&built.snapshot, &built.contents);
        let changes = self.view.changes(&new);
        self.feed.settle(&mut built.snapshot).await;
        let snapshot = Arc::new(built.snapshot);
        self.known.publisher.store(Arc::clone(&snapshot));
        self.show(&snapshot);
        self.metrics.reloaded(true);
        self.view = new;
        self.contents = built.contents.or_older(&self.contents);
        self.failed = None;
        self.watcher.watch(&self.contents.files());
        let mut report = self.known.report(Ok(changes));
        report.applied = true;
        report.needs_restart = built.needs_restart;
        tracing::info!(
            generation = report.generation,
            changes = report.changes.join("; "),
            "configuration reloaded"
        );
        if !report.needs_restart.is_empty() {
            let settings = report.needs_restart.join(", ");
            tracing::warn!(settings, "a restart is needed to change these settings");
        }
        self.remember(report)
    }

    /// Puts keys in force that were fetched for these issuers, or for any; drops those that are too old.
    async fn take_keys(&mut self, issuers: Option<BTreeSet<Arc<str>>>) {
        let running = self.known.publisher.load_full();
        let Some(found) = self.feed.look(running, issuers).await else {
            return;
        };
        let snapshot = Arc::new(found.snapshot);
        self.known.publisher.store(Arc::clone(&snapshot));
        self.show(&snapshot);
        self.view.see_keys(&snapshot);
        for (issuer, changes) in found.changes {
            tracing::info!(issuer = &*issuer, changes, "keys changed");
        }
    }

    /// Leaves everything as it is. The same failure for the same reason is told and counted once.
    fn keep(&mut self, failure: BuildFailure, trigger: Trigger) -> ReloadReport {
        let mut files = self.contents.files();
        files.extend(failure.files);
        let contents = Contents::read(&files).or_older(&self.contents);
        self.watcher.watch(&files);
        self.contents = contents;
        let report = self.known.report(Err(failure.error.clone()));
        let again = self.failed.as_ref() == Some(&failure.error);
        if again && trigger == Trigger::Watcher(Cause::Poll) {
            return report;
        }
        self.metrics.reloaded(false);
        tracing::error!(
            generation = report.generation,
            error = failure.error,
            "reload failed, the previous configuration stays in force"
        );
        self.failed = Some(failure.error);
        self.remember(report)
    }

    fn remember(&self, report: ReloadReport) -> ReloadReport {
        *lock(&self.known.last) = Some(report.clone());
        report
    }

    /// Shows a snapshot in metrics, and notes its keys.
    fn show(&self, snapshot: &Snapshot) {
        let issuers = snapshot.issuers.iter();
        let keys = issuers.clone().flat_map(|issuer| {
            let keys = issuer.keys.iter();
            keys.map(|key| (Arc::clone(&issuer.name), *key.thumbprint()))
        });
        self.known
            .note_keys(keys, &first_seen(&snapshot.config, &self.sets));
        self.publish_uses(snapshot);
        self.metrics.set_generation(snapshot.generation);
        let counts = issuers.map(|issuer| IssuerKeys {
            issuer: Arc::clone(&issuer.name),
            keys: u64::try_from(issuer.keys.iter().len()).unwrap_or(u64::MAX),
        });
        self.metrics.set_issuer_keys(counts.collect());
        let certificates = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
        let certificates = certificates.enumerate().map(|(index, certificate)| {
            let file = certificate.file.file_name().unwrap_or_default();
            CertificateExpiry {
                certificate: format!("{index}:{}", file.to_string_lossy()),
                expires_seconds: certificate.expires.seconds(),
            }
        });
        self.metrics.set_certificates(certificates.collect());
    }

    /// The keys of a snapshot count as in force from now on.
    fn publish_uses(&self, snapshot: &Snapshot) {
        let now = self.known.clock.now();
        let loaded = lock(&self.known.loaded);
        let issuers = snapshot.issuers.iter().map(|issuer| {
            let keys = issuer.keys.iter().map(|key| {
                let first = loaded.get(&(Arc::clone(&issuer.name), *key.thumbprint()));
                in_force(key, first.copied().unwrap_or(now))
            });
            (&*issuer.name, keys.collect())
        });
        let issuers: Vec<_> = issuers.collect();
        self.metrics.key_uses().publish(&issuers, now.seconds());
    }
}

fn in_force(key: &VerifyingKey, first_seen: UnixTime) -> KeyInForce<'_> {
    KeyInForce {
        name: name_of(key),
        algorithms: key.algorithms().iter().map(Algorithm::name).collect(),
        source: key.source().cloned(),
        first_seen: first_seen.seconds(),
    }
}

/// When keys of remote sources were first seen, also by an earlier process.
fn first_seen(config: &Config, sets: &RemoteKeySets) -> KeyTimes {
    let mut times = KeyTimes::new();
    for issuer in &config.issuers {
        let held = SourceId::all_of(issuer);
        let held = held.filter_map(|id| sets.current(&id, issuer.refresh.stale_for));
        for (thumbprint, time) in held.flat_map(|held| held.first_seen.clone()) {
            let first = times.entry((Arc::clone(&issuer.name), thumbprint));
            first
                .and_modify(|first| *first = time.min(*first))
                .or_insert(time);
        }
    }
    times
}

#[cfg(test)]
mod tests;

/// For tests of others: each reload takes the next generation, and `bad` as realm fails.
#[cfg(test)]
pub(super) fn testing_handle(
    publisher: Arc<ArcSwap<Snapshot>>,
    fixtures: &Fixtures,
) -> ReloadHandle {
    let build = |running: &Snapshot| {
        let config = running.config.as_ref().clone();
        if &*config.server.realm == "bad" {
            return Err(BuildFailure {
                error: "the realm is bad".into(),
                files: BTreeSet::new(),
            });
        }
        Ok(Built {
            snapshot: super::testing::snapshot(running.generation + 1, config),
            contents: Contents::default(),
            needs_restart: vec![],
        })
    };
    let feed = KeyFeed::new(fixtures);
    start_with(Arc::new(build), &BTreeSet::new(), publisher, fixtures, feed)
}
