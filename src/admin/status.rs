//! `/status`: version, generation and hash, issuers with keys, certificates, upstreams, last reload.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::issuer::LocalIssuerStatus;
use crate::jwt::{Algorithm, AlgorithmSet, Issuer};
use crate::net::CertificateInfo;
use crate::reload::{ReloadHandle, ReloadReport};
use crate::upstream::{AddressReport, Upstream};

use super::keys::{IssuerKeysReport, KeyReport, SkippedReport, SourceReport, all_of};
use super::revocations::RevocationsReport;
use super::routes::AdminState;

/// Everything that an operator may ask about what is in force. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    /// Counts from 1.
    generation: u64,
    config: ConfigStatus,
    started: String,
    uptime_seconds: i64,
    draining: bool,
    /// Client connections that are open.
    connections: usize,
    /// The longest time since a worker last beat.
    worker_silence_seconds: u64,
    routes: usize,
    issuers: Vec<IssuerStatus>,
    certificates: Vec<CertificateStatus>,
    upstreams: Vec<UpstreamStatus>,
    /// `null` without one.
    store: Option<StoreStatus>,
    /// `null` without one.
    local_issuer: Option<LocalIssuerReport>,
    /// `null` without a store.
    revocations: Option<RevocationsReport>,
    /// `null` until there was one.
    last_reload: Option<ReloadReport>,
}

#[derive(Debug, Serialize)]
struct ConfigStatus {
    /// `null` when it came from memory.
    file: Option<String>,
    /// SHA-256 in hexadecimal.
    hash: String,
}

#[derive(Debug, Serialize)]
struct StoreStatus {
    /// Why it does not answer; `null` if it does.
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct LocalIssuerReport {
    /// The `kid` of the key that signs; `null` while none does.
    signing_key: Option<Box<str>>,
    algorithm: Option<&'static str>,
    /// What is wrong with it; `null` if nothing is.
    problem: Option<String>,
    /// Passwords that are hashed, or wait for it.
    passwords: usize,
}

#[derive(Debug, Serialize)]
struct IssuerStatus {
    name: String,
    /// `iss`
    issuer: String,
    algorithms: Vec<&'static str>,
    /// Remote ones.
    sources: Vec<SourceReport>,
    keys: Vec<KeyStatus>,
    /// The same keys and those that are gone, and which can go.
    key_report: Vec<KeyReport>,
    /// Keys that are not used, each with the reason.
    skipped: Vec<SkippedReport>,
}

#[derive(Debug, Serialize)]
struct KeyStatus {
    kid: Option<String>,
    algorithms: Vec<&'static str>,
    /// A file, or a URL without its query; null for a secret.
    source: Option<String>,
    /// RFC 7638, base64url.
    thumbprint: String,
    /// When it was first loaded.
    loaded: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct CertificateStatus {
    names: Vec<String>,
    file: String,
    expires: String,
    /// Whole days; negative once it has expired.
    days_left: i64,
}

#[derive(Debug, Serialize)]
struct UpstreamStatus {
    name: String,
    addresses: Vec<AddressStatus>,
}

#[derive(Debug, Serialize)]
struct AddressStatus {
    address: String,
    /// Requests in flight.
    requests: usize,
    /// Seconds until it is tried again after it failed; 0 while it is in use.
    left_out_seconds: u64,
}

impl Status {
    /// As of now.
    pub(super) fn of(state: &AdminState) -> Self {
        let shared = &state.shared;
        let snapshot = shared.snapshot.load();
        let now = shared.clock.now();
        let reports = all_of(state, &snapshot);
        let issuers = snapshot.issuers.iter().zip(reports);
        let certificates = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            generation: snapshot.generation,
            config: ConfigStatus {
                file: snapshot
                    .config
                    .file
                    .as_ref()
                    .map(|file| file.display().to_string()),
                hash: snapshot.config.hash.clone(),
            },
            started: state.started.to_string(),
            uptime_seconds: now.since(state.started),
            draining: shared.draining.load(Ordering::Relaxed),
            connections: shared.connections.load(Ordering::Relaxed),
            worker_silence_seconds: (state.silence)().as_secs(),
            routes: snapshot.config.routes.len(),
            issuers: issuers
                .map(|(issuer, report)| IssuerStatus::of(issuer, report, &state.reload))
                .collect(),
            certificates: certificates
                .map(|certificate| CertificateStatus::of(certificate, now))
                .collect(),
            upstreams: snapshot.upstreams.iter().map(UpstreamStatus::of).collect(),
            store: state.revocations.as_ref().map(|stored| StoreStatus {
                failure: stored.store_failure(),
            }),
            local_issuer: state
                .local_issuer
                .as_ref()
                .map(|local| LocalIssuerReport::of(&local.status())),
            revocations: state
                .revocations
                .as_ref()
                .map(|stored| RevocationsReport::of(&stored.feed.status(), now)),
            last_reload: state.reload.last(),
        }
    }
}

impl LocalIssuerReport {
    fn of(status: &LocalIssuerStatus) -> Self {
        Self {
            signing_key: status.signing_key.clone(),
            algorithm: status.algorithm,
            problem: status.trouble(),
            passwords: status.passwords,
        }
    }
}

impl IssuerStatus {
    fn of(issuer: &Issuer, report: IssuerKeysReport, reload: &ReloadHandle) -> Self {
        let keys = issuer.keys.iter().map(|key| KeyStatus {
            kid: key.kid().map(str::to_owned),
            algorithms: names(key.algorithms()),
            source: key.source().map(ToString::to_string),
            thumbprint: URL_SAFE_NO_PAD.encode(key.thumbprint()),
            loaded: reload
                .key_loaded_at(&issuer.name, key.thumbprint())
                .map(|time| time.to_string()),
        });
        Self {
            name: issuer.name.to_string(),
            issuer: issuer.policy.issuer.to_string(),
            algorithms: names(issuer.policy.algorithms),
            sources: report.sources,
            keys: keys.collect(),
            key_report: report.keys,
            skipped: report.skipped,
        }
    }
}

fn names(algorithms: AlgorithmSet) -> Vec<&'static str> {
    algorithms.iter().map(Algorithm::name).collect()
}

impl CertificateStatus {
    fn of(certificate: &CertificateInfo, now: UnixTime) -> Self {
        const DAY: i64 = 24 * 60 * 60;
        Self {
            names: certificate.names.clone(),
            file: certificate.file.display().to_string(),
            expires: certificate.expires.to_string(),
            days_left: certificate.expires.since(now).div_euclid(DAY),
        }
    }
}

impl UpstreamStatus {
    fn of(upstream: &Arc<Upstream>) -> Self {
        let addresses = upstream.addresses().into_iter();
        Self {
            name: upstream.config.name.to_string(),
            addresses: addresses
                .map(|address| AddressStatus::of(&address))
                .collect(),
        }
    }
}

impl AddressStatus {
    fn of(address: &AddressReport) -> Self {
        // Up: what is left out for another millisecond is not in use.
        let seconds = address.left_out.as_millis().div_ceil(1000);
        Self {
            address: address.socket.to_string(),
            requests: address.in_flight,
            left_out_seconds: u64::try_from(seconds).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_certificate_are_whole_ones() {
        let now = UnixTime::from_seconds(1_700_000_000);
        for (seconds, days) in [(86_400, 1), (86_399, 0), (0, 0), (-1, -1), (-86_401, -2)] {
            let certificate = CertificateInfo {
                names: vec!["a.example".into()],
                expires: UnixTime::from_seconds(1_700_000_000 + seconds),
                file: "certs/a.pem".into(),
            };
            let status = CertificateStatus::of(&certificate, now);
            assert_eq!(status.days_left, days, "{seconds}");
            assert_eq!(status.file, "certs/a.pem");
        }
    }
}
