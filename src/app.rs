//! One process: from a configuration to a running gateway to an exit code.

mod services;
mod signals;

use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};

use crate::admin::{self, AdminState};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, ConfigErrors};
use crate::gate::Reason;
use crate::issuer::IssuerHandle;
use crate::keys::RemoteKeySets;
use crate::metrics::Metrics;
use crate::net::{ListenError, raise_open_files};
use crate::proxy::{AccessLogSink, Publisher, SharedState, access_log};
use crate::reload::{self, KeyFeed, ReloadHandle, ReloadReport, Source};
use crate::revocation::RevocationSet;
use crate::revocation_feed::FeedStatus;
use crate::server::{Drain, DrainHandle, Listeners, Pulse, WorkerParts, Workers};
use crate::snapshot::{Fixtures, Snapshot};
use crate::telemetry;
use crate::upstream;

use self::services::{ServiceParts, Services};
use self::signals::Signals;

/// What a gateway is started from.
pub struct Options {
    /// Its configuration.
    pub source: Source,
    /// Its time.
    pub clock: Clock,
    /// Where access-log lines go; `None` is standard output, if `[log]` says so.
    pub access_log: Option<Box<dyn AccessLogSink>>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration, or a file it names: exit 78.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// An address is taken: exit 69.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused threads, sockets or randomness: exit 1.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// A running gateway. Dropping it cuts everything off.
pub struct Gateway {
    control: Control,
    /// `None` without a store, and when they have ended.
    services: Option<Services>,
    shared: Arc<SharedState>,
    drain: DrainHandle,
    /// Ends when all workers have ended, or one has died: with the number of the dead one.
    workers: JoinHandle<Result<(), usize>>,
    pulse: Pulse,
    reload: ReloadHandle,
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
}

impl Gateway {
    /// Starts workers, control runtime, admin listener and reloader.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            source,
            clock,
            access_log: sink,
        } = options;
        let config = source.load()?;
        if let Err(error) = raise_open_files() {
            tracing::warn!(%error, "the limit on open files stays where it is");
        }
        let metrics = Metrics::new(config.server.workers.get(), Reason::NAMES);
        let fixtures = Fixtures {
            metrics: Arc::clone(&metrics),
            tickets: tickets()?,
            keys: Arc::new(RemoteKeySets::new(&config.state_directory, clock.clone())),
            clock,
        };
        let snapshot = Snapshot::build(config, None, &fixtures)?;
        let config = Arc::clone(&snapshot.config);

        let listeners = Listeners::bind(&config.server.listen, config.server.workers.get())?;
        let addresses = listeners.addresses().to_vec();
        let admin = config.admin.listen.map(AdminSocket::bind).transpose()?;
        let admin_address = admin.as_ref().map(|admin| admin.address);

        let control = control_runtime()?;
        let mut feed = KeyFeed::new(&fixtures);
        let key_sources = feed.statuses();
        let (shared, services) = prepare(&control, snapshot, &fixtures, &mut feed)?;
        control.spawn(keep_resolving(Arc::clone(&shared.snapshot)));
        control.spawn(give_memory_back());
        let reload = {
            let _entered = control.enter();
            reload::start(source, Arc::clone(&shared.snapshot), fixtures, feed)
        };
        let (drain, watched) = DrainHandle::new();
        let workers = start_workers(&config, listeners, &shared, &metrics, sink, watched)?;
        let pulse = workers.pulse();
        if let Some(admin) = admin {
            let state = AdminState {
                shared: Arc::clone(&shared),
                metrics,
                reload: reload.clone(),
                key_sources,
                revocations: services.as_ref().map(Services::revocations),
                local_issuer: services.as_ref().and_then(Services::local_issuer),
                silence: silence(pulse.clone()),
                started: shared.clock.now(),
            };
            control.spawn(admin::serve(admin.listener, Arc::new(state)));
        }
        let workers = control.spawn_blocking(move || workers.join());
        Ok(Self {
            control,
            services,
            shared,
            drain,
            workers,
            pulse,
            reload,
            addresses,
            admin_address,
        })
    }

    /// Where clients connect, in the order of `listen`, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin listener is.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What is known of revocations, where there is a store.
    #[must_use]
    pub fn revocations(&self) -> Option<FeedStatus> {
        let services = self.services.as_ref()?;
        Some(services.revocations().feed.status())
    }

    /// Reloads: the same as HUP and `POST /reload`.
    #[must_use]
    pub fn reload(&self, dry_run: bool) -> ReloadReport {
        self.control.block_on(self.reload.reload(dry_run))
    }

    /// Drains as TERM does and waits for the end. True if nothing was cut off.
    #[must_use]
    pub fn stop(mut self) -> bool {
        let ended = self
            .control
            .block_on(drained(&self.shared, &self.drain, &mut self.workers));
        self.control.block_on(end_of(self.services.take()));
        ended.is_ok() && self.pulse.cut_off() == 0
    }

    /// Serves until TERM or INT: then drains; a second one cuts. HUP reloads. Returns the exit code.
    #[must_use]
    pub fn run(mut self) -> u8 {
        let code = self.control.block_on(async {
            let mut signals = Signals::listen()?;
            tokio::select! {
                () = signals.end(&self.reload) => {}
                ended = &mut self.workers => return Ok(exit_code(&flattened(ended))),
            }
            tracing::info!("draining; a second signal ends at once");
            tokio::select! {
                ended = drained(&self.shared, &self.drain, &mut self.workers) => {
                    end_of(self.services.take()).await;
                    tracing::info!(connections_cut_off = self.pulse.cut_off(), "ended");
                    Ok(exit_code(&ended))
                }
                () = signals.end(&self.reload) => Ok(0),
            }
        });
        code.unwrap_or_else(|error: std::io::Error| {
            tracing::error!(%error, "signals cannot be listened for");
            1
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.drain.cut();
    }
}

/// The control runtime. Its end waits for what it runs, workers that were cut and their last log lines included, but not
/// for what hangs: a second signal ends the process whatever a file system or a worker does.
struct Control(Option<Runtime>);

impl Deref for Control {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        // Taken when it is dropped, and never before.
        self.0.as_ref().expect("invariant: taken only by drop")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(LAST_WAIT);
        }
    }
}

/// How long the end waits for what was cut.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// From now on HUP does not end the process, as its default would. Until [`Gateway::run`] listens for it, it means
/// nothing else: what it asks for is being read just then.
///
/// # Errors
/// When the system refuses.
pub fn outlive_hangup() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler of the process stays when the stream is dropped.
    signal(SignalKind::hangup()).map(drop)
}

/// Threads of the control runtime: one may be busy with a key file while the other answers `/livez`.
const CONTROL_THREADS: usize = 2;

/// How often names are looked at; each is resolved again when it is a few seconds old.
const RESOLVE_TICK: Duration = Duration::from_secs(1);

/// How often free memory is returned: what was freed within a second stays for the next connections anyway.
const GIVE_BACK_TICK: Duration = Duration::from_secs(2);

/// Longest that a start waits for the keys of sources of which nothing is known, and for the store. Without them their routes
/// answer 503 until they are there, and all others are served.
const FIRST_FETCH: Duration = Duration::from_secs(2);

/// Longest that a start waits for names: a worker resolves for itself what is missing then.
const FIRST_RESOLVE: Duration = Duration::from_secs(1);

fn tickets() -> Result<Arc<dyn rustls::server::ProducesTickets>, std::io::Error> {
    rustls::crypto::aws_lc_rs::Ticketer::new().map_err(std::io::Error::other)
}

fn control_runtime() -> std::io::Result<Control> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()?;
    Ok(Control(Some(runtime)))
}

/// The admin listener, bound before anything runs.
struct AdminSocket {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminSocket {
    fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind().map_err(|source| ListenError { address, source })
    }
}

/// How the admin listener learns of a worker that hangs.
fn silence(pulse: Pulse) -> Box<dyn Fn() -> Duration + Send + Sync> {
    Box::new(move || pulse.silence())
}

fn start_workers(
    config: &Config,
    listeners: Listeners,
    shared: &Arc<SharedState>,
    metrics: &Arc<Metrics>,
    sink: Option<Box<dyn AccessLogSink>>,
    drain: Drain,
) -> std::io::Result<Workers> {
    let sink = sink.or_else(|| {
        config
            .log
            .access
            .then(|| Box::new(telemetry::StdoutSink) as Box<dyn AccessLogSink>)
    });
    let dropped = {
        let metrics = Arc::clone(metrics);
        Arc::new(move |lines| metrics.access_log_dropped(lines))
    };
    Workers::start(WorkerParts {
        listeners,
        shared: Arc::clone(shared),
        metrics: Arc::clone(metrics),
        access_log: access_log(sink, telemetry::is_json(config.log.format), dropped),
        drain,
    })
}

/// What workers share, with the first snapshot in force, and the services beside them.
fn prepare(
    control: &Runtime,
    mut snapshot: Snapshot,
    fixtures: &Fixtures,
    feed: &mut KeyFeed,
) -> Result<(Arc<SharedState>, Option<Services>), ConfigErrors> {
    control.block_on(feed.settle(&mut snapshot));
    let config = Arc::clone(&snapshot.config);
    let (issuer, requests) = IssuerHandle::channel();
    let shared = Arc::new(SharedState {
        revocations: Arc::new(ArcSwap::from_pointee(RevocationSet::empty())),
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        issuer,
        clock: fixtures.clock.clone(),
        draining: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
    });
    let services = {
        let _entered = control.enter();
        Services::start(ServiceParts {
            config: &config,
            fixtures,
            requests,
            revocations: &shared.revocations,
            snapshot: &shared.snapshot,
            tell: feed.teller(),
        })
        .map_err(|error| ConfigErrors(vec![error]))?
    };
    control
        .block_on(first_answers(&shared.snapshot, feed, services.as_ref()))
        .map_err(|error| ConfigErrors(vec![error]))?;
    Ok((shared, services))
}

/// Resolves names, fetches keys and asks the store, each for a bounded time, and puts into the first snapshot what came of it.
///
/// # Errors
/// The store is none that this gateway can work with.
async fn first_answers(
    snapshot: &Publisher,
    feed: &KeyFeed,
    services: Option<&Services>,
) -> Result<(), ConfigError> {
    let first = snapshot.load_full();
    let asked = async {
        match services {
            Some(services) => services.first_look(FIRST_FETCH).await,
            None => Ok(()),
        }
    };
    let ((), (), looked) = tokio::join!(
        resolve_upstreams(&first),
        feed.first_fetches(FIRST_FETCH),
        asked
    );
    if let Some(with_keys) = feed.take_first(&first) {
        snapshot.store(Arc::new(with_keys));
    }
    looked
}

/// Ends what the workers needed, when they have ended.
async fn end_of(services: Option<Services>) {
    if let Some(services) = services {
        services.end().await;
    }
}

/// Resolves every name once before the first request, for a bounded time.
async fn resolve_upstreams(snapshot: &Snapshot) {
    let upstreams = &snapshot.upstreams;
    let all = futures_util::future::join_all(upstreams.iter().map(upstream::refresh_addresses));
    if tokio::time::timeout(FIRST_RESOLVE, all).await.is_err() {
        tracing::warn!("names of upstreams are not resolved yet; starting all the same");
    }
}

/// Resolves names again as they age, of the upstreams in force. Each in a task of its own: a slow name holds up no other.
async fn keep_resolving(snapshot: Publisher) {
    loop {
        tokio::time::sleep(RESOLVE_TICK).await;
        for upstream in snapshot.load_full().upstreams.clone() {
            tokio::spawn(async move { upstream::refresh_addresses(&upstream).await });
        }
    }
}

/// Lets the allocator return the memory that connections at rest have freed. mimalloc does so when a thread has allocated
/// a lot, and when one ends; a gateway whose clients are silent does neither by itself.
async fn give_memory_back() {
    loop {
        tokio::time::sleep(GIVE_BACK_TICK).await;
        // A thread that never allocates is none to the allocator.
        let allocate = || drop(std::hint::black_box(Vec::<u8>::with_capacity(64)));
        if let Err(error) = std::thread::Builder::new().spawn(allocate) {
            tracing::debug!(%error, "no thread to give memory back");
        }
    }
}

/// The drain: readyz says 503, the workers close their listeners after `drain_delay` and end with their last connection,
/// after `drain_timeout` at the latest.
async fn drained(
    shared: &SharedState,
    drain: &DrainHandle,
    workers: &mut JoinHandle<Result<(), usize>>,
) -> Result<(), usize> {
    shared.draining.store(true, Ordering::Relaxed);
    drain.start();
    flattened(workers.await)
}

/// A join that failed is ours, no worker's: the runtime is going down.
fn flattened(ended: Result<Result<(), usize>, JoinError>) -> Result<(), usize> {
    ended.unwrap_or(Ok(()))
}

fn exit_code(ended: &Result<(), usize>) -> u8 {
    match ended {
        Ok(()) => 0,
        Err(worker) => {
            tracing::error!(worker, "a worker thread died");
            1
        }
    }
}
