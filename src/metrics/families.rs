//! The names of all families: docs/metrics.md says the same, and a test holds them together.

use prometheus_client::metrics::MetricType;

/// One family of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, as a query spells it.
    pub name: &'static str,
    /// What kind of numbers it holds.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
    /// Always 1: the labels are what matters.
    Info,
}

impl Kind {
    /// Its name in `# TYPE` lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    pub(super) const fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }
}

impl Family {
    /// The name without the suffix that the text format adds to counters and infos by itself.
    pub(super) fn base_name(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Family = Family {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// Every family, in the order in which a scrape shows them.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    HTTP_REQUESTS: Counter "portcullis_http_requests_total" ["route", "method", "code"]
        "Requests that were answered";
    HTTP_DURATION: Histogram "portcullis_http_request_duration_seconds" ["route"]
        "From the head of a request to the end of its response";
    REJECTIONS: Counter "portcullis_rejections_total" ["route", "reason"]
        "Requests that were refused, by reason";
    TOKENS_ACCEPTED: Counter "portcullis_tokens_accepted_total" ["issuer"]
        "Tokens that were verified";
    SIGNATURE_CHECKS: Counter "portcullis_signature_checks_total" ["result"]
        "Signatures of tokens that were checked";
    TOKEN_CACHE_REQUESTS: Counter "portcullis_token_cache_requests_total" ["result"]
        "Tokens that were looked for among those verified before";
    TOKEN_CACHE_BYTES: Gauge "portcullis_token_cache_bytes" []
        "Bytes of the verified tokens that are remembered";
    TOKEN_CACHE_ENTRIES: Gauge "portcullis_token_cache_entries" []
        "Verified tokens that are remembered";
    UPSTREAM_DURATION: Histogram "portcullis_upstream_request_duration_seconds" ["upstream"]
        "From sending a request upstream to the head of its response";
    UPSTREAM_CONNECTIONS: Counter "portcullis_upstream_connections_total" ["upstream"]
        "Connections that were made to an upstream";
    UPSTREAM_CONNECT_FAILURES: Counter "portcullis_upstream_connect_failures_total" ["upstream"]
        "Connections to an upstream that could not be made";
    UPSTREAM_RETRIES: Counter "portcullis_upstream_retries_total" ["upstream"]
        "Requests that were sent upstream a second time";
    WORKER_CONNECTIONS: Gauge "portcullis_worker_connections" ["worker"]
        "Client connections that are open";
    CONNECTIONS: Counter "portcullis_connections_total" ["worker"]
        "Client connections that were accepted";
    CONNECTIONS_HANDED_OVER: Counter "portcullis_connections_handed_over_total" ["worker"]
        "Client connections that went to a worker with fewer";
    CONNECTION_ERRORS: Counter "portcullis_connection_errors_total" ["worker", "cause"]
        "Client connections that were ended before a request existed";
    ACCESS_LOG_DROPPED: Counter "portcullis_access_log_dropped_total" []
        "Access-log lines that were dropped because the log was too slow";
    CONFIG_RELOADS: Counter "portcullis_config_reloads_total" ["result"]
        "Reloads of configuration, keys and certificates";
    CONFIG_LAST_RELOAD: Gauge "portcullis_config_last_reload_successful" []
        "1 if the last reload was applied, 0 if the previous configuration stayed in force";
    CONFIG_GENERATION: Gauge "portcullis_config_generation" []
        "The generation of the configuration in force, from 1";
    ISSUER_KEYS: Gauge "portcullis_issuer_keys" ["issuer"]
        "Keys of an issuer that are in use";
    KEY_FETCHES: Counter "portcullis_key_fetches_total" ["issuer", "outcome"]
        "Fetches of remote key sets";
    KEY_SET_AGE: Gauge "portcullis_key_set_age_seconds" ["issuer"]
        "Since the provider last gave or confirmed the key set in force; of several sources the oldest";
    KEY_REQUESTS: Counter "portcullis_key_requests_total" ["issuer"]
        "Tokens with an unknown key, for which remote keys were asked for again";
    CERTIFICATE_EXPIRY: Gauge "portcullis_tls_certificate_expiry_timestamp_seconds" ["certificate"]
        "When a certificate expires, in seconds since 1970";
    BUILD: Info "portcullis_build_info" ["version"]
        "The version that runs";
    KEY_TOKENS: Counter "portcullis_key_tokens_total" ["issuer", "kid"]
        "Good tokens that a key has verified, each as often as it came";
    KEY_PRESENTED: Counter "portcullis_key_presented_after_removal_total" ["issuer", "kid"]
        "Tokens that named a key after it was removed, and were refused";
    KEY_LAST_TOKEN: Gauge "portcullis_key_last_token_timestamp_seconds" ["issuer", "kid"]
        "When the last good token of a key came, in seconds since 1970";
    KEY_NEWEST_EXPIRY: Gauge "portcullis_key_newest_expiry_timestamp_seconds" ["issuer", "kid"]
        "When the last of the tokens that a key has verified expires, in seconds since 1970";
    REVOCATIONS: Gauge "portcullis_revocations" []
        "Revocations that are in force";
    REVOCATION_AGE: Gauge "portcullis_revocation_age_seconds" []
        "Since the revocations in force were known to be all that the store has";
    REVOCATION_READS: Counter "portcullis_revocation_reads_total" ["result"]
        "Times that the store was asked for changes of revocations";
    BACK_CHANNEL_LOGOUTS: Counter "portcullis_back_channel_logouts_total" ["result"]
        "Logout tokens that providers sent";
    SIGN_INS: Counter "portcullis_sign_ins_total" ["outcome"]
        "Names with passwords that came to the local issuer";
    REFRESHES: Counter "portcullis_refreshes_total" ["outcome"]
        "Refresh tokens that came to the local issuer";
    PASSWORD_QUEUE: Gauge "portcullis_password_queue" []
        "Passwords that are being hashed or wait to be";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "CPU time of the process";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
        "Resident memory of the process";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors of the process";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "Most file descriptors that the process may open";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970";
}
