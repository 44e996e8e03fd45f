//! A gateway's refreshers in a world of their own: the clock is moved by hand, and the provider does as it is told.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;

use crate::clock::{Clock, UnixTime};
use crate::config::{Config, Environment, Issuer, parse};
use crate::keys::refresher::remote::Source;
use crate::keys::testing;
use crate::keys::{
    Document, Fetched, HeldSet, KeysError, Refreshers, RemoteKeySets, SourceId, SourceStatus,
};
use crate::metrics::Metrics;

/// The second at which a world begins.
pub(super) const START: i64 = 1_700_000_000;

/// What a provider answers, from now on.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// This set; with an entity-tag if the second part is one, and a max-age in seconds.
    Set(Vec<u8>, Option<&'static str>, Option<u64>),
    /// It has not changed.
    NotModified,
    /// The same, after so long.
    NotModifiedAfter(Duration),
    Fail(String),
    /// Nothing, ever.
    Hang,
    Panic,
}

impl Answer {
    /// Fresh keys of these names, without more.
    pub(super) fn keys(kids: &[&str]) -> Self {
        Self::Set(testing::fresh_set(kids), None, None)
    }

    pub(super) fn fail(reason: &str) -> Self {
        Self::Fail(reason.to_owned())
    }
}

/// One fetch.
struct Asked {
    /// Seconds since the world began.
    at: i64,
    etag: Option<String>,
}

pub(super) struct Provider {
    pub(super) answer: Answer,
    asked: Vec<Asked>,
    /// Clients that were made.
    made: usize,
    /// Clients that are there.
    pub(super) clients: usize,
    /// Why no client can be made.
    pub(super) refuses: Option<&'static str>,
    /// Fetches that run.
    in_flight: usize,
    /// How often it was doubted that this is the place of the keys.
    pub(super) doubts: usize,
}

/// The provider's end of a client.
struct Client(Arc<Mutex<Provider>>);

impl Drop for Client {
    fn drop(&mut self) {
        lock(&self.0).clients -= 1;
    }
}

/// Counts a fetch while it runs.
struct InFlight(Arc<Mutex<Provider>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}

impl Source for Client {
    fn fetch<'a>(
        &'a mut self,
        etag: Option<&'a str>,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Fetched, String>> {
        let answer = {
            let mut provider = lock(&self.0);
            assert_eq!(provider.in_flight, 0, "two fetches at once");
            provider.in_flight += 1;
            provider.asked.push(Asked {
                at: now.seconds() - START,
                etag: etag.map(str::to_owned),
            });
            provider.answer.clone()
        };
        let in_flight = InFlight(Arc::clone(&self.0));
        async move {
            let _in_flight = in_flight;
            match answer {
                Answer::Set(bytes, etag, max_age) => Ok(Fetched::Document(Document {
                    bytes,
                    etag: etag.map(Into::into),
                    max_age: max_age.map(Duration::from_secs),
                })),
                Answer::NotModified => Ok(Fetched::NotModified { max_age: None }),
                Answer::NotModifiedAfter(time) => {
                    sleep(time).await;
                    Ok(Fetched::NotModified { max_age: None })
                }
                Answer::Fail(reason) => Err(reason),
                Answer::Hang => std::future::pending().await,
                Answer::Panic => panic!("as it was told"),
            }
        }
        .boxed()
    }

    fn doubt_place(&mut self, _: UnixTime) {
        lock(&self.0).doubts += 1;
    }

    fn url(&self) -> String {
        "https://provider.test/keys".to_owned()
    }
}

pub(super) struct World {
    pub(super) refreshers: Refreshers,
    pub(super) registry: Arc<RemoteKeySets>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) changed: mpsc::Receiver<Arc<str>>,
    clock: Arc<AtomicI64>,
    provider: Arc<Mutex<Provider>>,
    log: Log,
    _logging: DefaultGuard,
    pub(super) directory: TempDir,
}

impl World {
    /// Nothing runs yet.
    pub(super) fn new(answer: Answer) -> Self {
        Self::with_room_for(16, answer)
    }

    /// The reloader takes so many messages before it reads one.
    pub(super) fn with_room_for(messages: usize, answer: Answer) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, seconds) = Clock::manual(UnixTime::from_seconds(START));
        let registry = Arc::new(RemoteKeySets::new(directory.path(), clock.clone()));
        let metrics = Metrics::new(1, &[]);
        let (sender, changed) = mpsc::channel(messages);
        let provider = Arc::new(Mutex::new(Provider {
            answer,
            asked: Vec::new(),
            made: 0,
            clients: 0,
            refuses: None,
            in_flight: 0,
            doubts: 0,
        }));
        let maker = Arc::clone(&provider);
        let make = move |_: &super::Settings| {
            let mut provider = lock(&maker);
            if let Some(problem) = provider.refuses {
                return Err(KeysError {
                    file: "ca.pem".into(),
                    problem: problem.to_owned(),
                });
            }
            provider.made += 1;
            provider.clients += 1;
            Ok(Box::new(Client(Arc::clone(&maker))) as Box<dyn Source>)
        };
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        Self {
            refreshers: Refreshers::with(
                Arc::clone(&registry),
                clock,
                Arc::clone(&metrics),
                sender,
                Arc::new(make),
            ),
            registry,
            metrics,
            changed,
            clock: seconds,
            provider,
            log,
            _logging: tracing::subscriber::set_default(subscriber),
            directory,
        }
    }

    /// With the issuer `corp`, whose first fetch has ended.
    pub(super) async fn started(answer: Answer) -> Self {
        let mut world = Self::new(answer);
        world.settle([corp()]);
        world.pass(1).await;
        world
    }

    /// These issuers are in force.
    pub(super) fn settle(&mut self, issuers: impl IntoIterator<Item = Issuer>) {
        let mut config = empty_config();
        config.issuers = issuers.into_iter().collect();
        self.refreshers.settle(&config);
    }

    /// So many seconds pass.
    pub(super) async fn pass(&self, seconds: i64) {
        for _ in 0..seconds {
            self.step(1);
            sleep(Duration::from_secs(1)).await;
        }
        // And what becomes of the last one.
        sleep(Duration::from_millis(10)).await;
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.clock.load(Ordering::Relaxed))
    }

    /// The clock is set.
    pub(super) fn step(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn provider(&self) -> MutexGuard<'_, Provider> {
        lock(&self.provider)
    }

    pub(super) fn answers(&self, answer: Answer) {
        self.provider().answer = answer;
    }

    /// When the provider was asked, in seconds.
    pub(super) fn times(&self) -> Vec<i64> {
        self.provider().asked.iter().map(|asked| asked.at).collect()
    }

    /// The entity-tags that the provider was sent.
    pub(super) fn etags(&self) -> Vec<Option<String>> {
        let provider = self.provider();
        let asked = provider.asked.iter();
        asked.map(|asked| asked.etag.clone()).collect()
    }

    /// How often the provider was asked since this was last called.
    pub(super) fn fetches(&self) -> usize {
        std::mem::take(&mut self.provider().asked).len()
    }

    /// How many clients were made.
    pub(super) fn made(&self) -> usize {
        self.provider().made
    }

    /// The only source.
    pub(super) fn status(&self) -> SourceStatus {
        let all = self.refreshers.statuses().all();
        let [status] = <[_; 1]>::try_from(all).unwrap();
        status
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let warnings = self.status().warnings.into_iter();
        warnings.map(|warning| warning.text).collect()
    }

    /// The set of `corp` in force.
    pub(super) fn held(&self) -> Option<Arc<HeldSet>> {
        let issuer = corp();
        let id = SourceId::all_of(&issuer).next().unwrap();
        self.registry.current(&id, issuer.refresh.stale_for)
    }

    pub(super) fn ask(&self, kid: &str) {
        self.refreshers
            .requester("corp")
            .unwrap()
            .unknown_kid(Some(kid));
    }

    /// How often the reloader was told since this was last called.
    pub(super) fn told(&mut self) -> usize {
        std::iter::from_fn(|| self.changed.try_recv().ok()).count()
    }

    /// Lines of the log that have this level and this text.
    pub(super) fn said(&self, level: &str, text: &str) -> usize {
        let log = self.log.0.lock().unwrap();
        let log = String::from_utf8(log.clone()).unwrap();
        let lines = log.lines();
        lines
            .filter(|line| line.contains(&format!(" {level} ")) && line.contains(text))
            .count()
    }

    /// The whole log.
    pub(super) fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn metric(&self, series: &str) -> Option<String> {
        let text = self.metrics.encode();
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value.map(|value| value.trim().to_owned())
    }
}

/// `corp`, with the default settings and one source.
pub(super) fn corp() -> Issuer {
    testing::issuer(testing::jwks_url("https://provider.test/keys"))
}

fn empty_config() -> Config {
    let text = "[server]\nlisten = [\"127.0.0.1:8080\"]\nworkers = 1\nstrip = []\n";
    let environment = Environment([("STATE_DIRECTORY".to_owned(), "/state".to_owned())].into());
    let name = Path::new("gateway.toml");
    parse(text, name, Path::new("/"), &environment).unwrap()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
