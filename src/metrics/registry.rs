//! All metrics of the process, and the handles to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handles::{self, IssuerMetrics, RouteMetrics, UpstreamMetrics, WorkerMetrics};
use super::key_use::KeyUses;
use super::keys::{KeyMetrics, KeySetAge, KeySetAges};
use super::revocations::RevocationMetrics;
use super::sessions::SessionMetrics;
use super::shard::WorkerId;

/// What requests that reached no route are counted under.
const NO_ROUTE: &str = "none";

/// Every metric of the process. Made once; handles of routes, issuers and upstreams outlive snapshots.
#[derive(Debug)]
pub struct Metrics {
    /// Names of the reasons, by index.
    pub(super) reasons: &'static [&'static str],
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    /// Counts of anybody who takes the handle of a worker that does not exist; never shown.
    stray: Arc<WorkerMetrics>,
    pub(super) routes: Handles<RouteMetrics>,
    pub(super) issuers: Handles<IssuerMetrics>,
    pub(super) upstreams: Handles<UpstreamMetrics>,
    pub(super) keys: Handles<KeyMetrics>,
    pub(super) key_set_ages: KeySetAges,
    pub(super) access_log_dropped: AtomicU64,
    pub(super) reloads_applied: AtomicU64,
    pub(super) reloads_failed: AtomicU64,
    pub(super) last_reload_failed: AtomicBool,
    pub(super) generation: AtomicU64,
    pub(super) issuer_keys: Mutex<Vec<IssuerKeys>>,
    pub(super) certificates: Mutex<Vec<CertificateExpiry>>,
    pub(super) key_uses: Arc<KeyUses>,
    pub(super) revocations: RevocationMetrics,
    pub(super) sessions: SessionMetrics,
}

/// How many keys of an issuer are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKeys {
    /// The issuer's name.
    pub issuer: Arc<str>,
    /// Its usable keys.
    pub keys: u64,
}

/// When a certificate expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateExpiry {
    /// Its place in the configuration and its file name; never what the certificate says.
    pub certificate: String,
    /// `notAfter` in seconds since 1970.
    pub expires_seconds: i64,
}

impl Metrics {
    /// Families for `workers` workers; `reasons` are the names of all refusal reasons, in the order of their index.
    ///
    /// # Panics
    /// With more than 64 reasons: they are a constant of the program.
    #[must_use]
    pub fn new(workers: usize, reasons: &'static [&'static str]) -> Arc<Self> {
        assert!(handles::countable(reasons.len()), "too many reasons");
        Arc::new(Self {
            reasons,
            workers: (0..workers).map(|_| Arc::default()).collect(),
            stray: Arc::default(),
            routes: Handles::default(),
            issuers: Handles::default(),
            upstreams: Handles::default(),
            keys: Handles::default(),
            key_set_ages: KeySetAges::default(),
            access_log_dropped: AtomicU64::new(0),
            reloads_applied: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            last_reload_failed: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            issuer_keys: Mutex::default(),
            certificates: Mutex::default(),
            key_uses: Arc::new(KeyUses::new(workers)),
            revocations: RevocationMetrics::default(),
            sessions: SessionMetrics::default(),
        })
    }

    /// The handle of a configured route; the same one for the same name.
    #[must_use]
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        // A route that is really called "none" shares the handle: two equal series would spoil the whole scrape.
        let name = if name.is_empty() { NO_ROUTE } else { name };
        let workers = self.workers.len();
        self.routes.take(name, || RouteMetrics::new(workers))
    }

    /// What is counted of revocations.
    #[must_use]
    pub fn revocations(&self) -> &RevocationMetrics {
        &self.revocations
    }

    /// The handle of a configured issuer.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Arc<IssuerMetrics> {
        let workers = self.workers.len();
        self.issuers.take(name, || IssuerMetrics::new(workers))
    }

    /// The handle of a configured upstream.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        let workers = self.workers.len();
        self.upstreams.take(name, || UpstreamMetrics::new(workers))
    }

    /// The handle of a configured issuer with remote keys.
    #[must_use]
    pub fn keys(&self, issuer: &str) -> Arc<KeyMetrics> {
        self.keys.take(issuer, KeyMetrics::default)
    }

    /// The handle of one remote source of an issuer: `portcullis_key_set_age_seconds{issuer}` shows the oldest set of
    /// all handles of the issuer that still exist.
    #[must_use]
    pub fn key_set_age(&self, issuer: &Arc<str>) -> Arc<KeySetAge> {
        self.key_set_ages.add(issuer)
    }

    /// The uses of all keys.
    #[must_use]
    pub fn key_uses(&self) -> &Arc<KeyUses> {
        &self.key_uses
    }

    /// What the local issuer counts.
    #[must_use]
    pub fn sessions(&self) -> &SessionMetrics {
        &self.sessions
    }

    /// The counters of one worker.
    #[must_use]
    pub fn worker(&self, worker: WorkerId) -> Arc<WorkerMetrics> {
        Arc::clone(self.workers.get(worker.0).unwrap_or(&self.stray))
    }

    /// Access-log lines were dropped: `portcullis_access_log_dropped_total`.
    pub fn access_log_dropped(&self, lines: u64) {
        self.access_log_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// A reload ended: `portcullis_config_reloads_total{result}` and `portcullis_config_last_reload_successful`.
    pub fn reloaded(&self, applied: bool) {
        let counter = if applied {
            &self.reloads_applied
        } else {
            &self.reloads_failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.last_reload_failed.store(!applied, Ordering::Relaxed);
    }

    /// The generation in force: `portcullis_config_generation`.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The issuers in force: `portcullis_issuer_keys{issuer}`. Replaces all that were there.
    pub fn set_issuer_keys(&self, keys: Vec<IssuerKeys>) {
        *lock(&self.issuer_keys) = keys;
    }

    /// The certificates in force: `portcullis_tls_certificate_expiry_timestamp_seconds{certificate}`. Replaces all.
    pub fn set_certificates(&self, certificates: Vec<CertificateExpiry>) {
        *lock(&self.certificates) = certificates;
    }
}

/// Handles by name. Looked up when a configuration is built, never while a request runs.
#[derive(Debug)]
pub(super) struct Handles<T>(Mutex<BTreeMap<Box<str>, Arc<T>>>);

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Handles<T> {
    fn take(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut handles = lock(&self.0);
        if let Some(handle) = handles.get(name) {
            return Arc::clone(handle);
        }
        let handle = Arc::new(make());
        handles.insert(name.into(), Arc::clone(&handle));
        handle
    }

    /// All handles with their names, in order of name.
    pub(super) fn all(&self) -> Vec<(Box<str>, Arc<T>)> {
        lock(&self.0)
            .iter()
            .map(|(name, handle)| (name.clone(), Arc::clone(handle)))
            .collect()
    }
}

/// Locks, also after a panic of another holder: what is behind is replaced or inserted whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
