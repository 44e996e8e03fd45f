//! `/keys`: where each issuer's keys come from, what became of their tokens, and which can go; `/keys/refresh`.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::config;
use crate::jwt::SkippedKey;
use crate::keys::{Lifetimes, ReportedKey, SourceStatus, SourceWarning, report_keys};
use crate::metrics::KnownKey;
use crate::snapshot::Snapshot;

use super::problem::{Answer, json, problem_with};
use super::routes::AdminState;

/// The keys of every issuer. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub(super) struct KeysReport {
    /// Since when tokens are counted: what came before, nobody here knows.
    observed_since: String,
    issuers: Vec<IssuerReport>,
}

/// The keys of one issuer.
#[derive(Debug, Serialize)]
struct IssuerReport {
    name: String,
    /// `iss`
    issuer: String,
    #[serde(flatten)]
    keys: IssuerKeysReport,
}

/// Where an issuer's keys come from, and what became of them.
#[derive(Debug, Serialize)]
pub(super) struct IssuerKeysReport {
    /// Remote ones.
    pub(super) sources: Vec<SourceReport>,
    pub(super) keys: Vec<KeyReport>,
    /// Keys that are not used, each with the reason.
    pub(super) skipped: Vec<SkippedReport>,
}

/// A remote source.
#[derive(Debug, Serialize)]
pub(super) struct SourceReport {
    issuer: String,
    kind: &'static str,
    /// The URL that its keys name as their source.
    source: String,
    /// Where its JWK Set is, once that is known.
    url: String,
    state: &'static str,
    keys: usize,
    last_attempt: Option<String>,
    last_success: Option<String>,
    /// `null` while it is being fetched.
    next_attempt: Option<String>,
    /// When its keys are dropped, unless a fetch succeeds before.
    serves_until: Option<String>,
    last_error: Option<String>,
    /// Since the last success.
    failures: u32,
    /// Since the start.
    fetches: u64,
    warnings: Vec<WarningReport>,
    /// What tokens named lately, and it does not have.
    unknown_kids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WarningReport {
    text: String,
    since: String,
}

/// A key that is left out.
#[derive(Debug, Serialize)]
pub(super) struct SkippedReport {
    /// A file, or a URL without its query.
    source: Option<String>,
    /// Its place there, from 0.
    index: usize,
    kid: Option<Box<str>>,
    error: String,
    /// Whether it is right there, beside keys for our use.
    of_other_use: bool,
}

/// A key that is in force, or was.
#[derive(Debug, Serialize)]
pub(super) struct KeyReport {
    kid: Option<Box<str>>,
    /// RFC 7638, base64url.
    thumbprint: String,
    algorithms: Box<[&'static str]>,
    /// A file, or a URL without its query; `null` for a secret.
    source: Option<String>,
    in_force: bool,
    /// Perhaps by an earlier process.
    first_seen: String,
    /// Now, or when it was removed.
    last_seen: String,
    /// Since when its tokens are counted.
    observed_since: String,
    /// Good ones, each as often as it came.
    tokens: u64,
    last_token: Option<String>,
    /// The newest `exp` of all of them.
    newest_expiry: Option<String>,
    /// Tokens that named it after it was removed, and were refused.
    presented_after_removal: u64,
    last_presented: Option<String>,
    verdict: String,
    /// The same in one word that does not change.
    verdict_code: &'static str,
}

impl KeysReport {
    /// As of now.
    pub(super) fn of(state: &AdminState) -> Self {
        let snapshot = state.shared.snapshot.load();
        let issuers = snapshot.issuers.iter().zip(all_of(state, &snapshot));
        Self {
            observed_since: state.started.to_string(),
            issuers: issuers
                .map(|(issuer, keys)| IssuerReport {
                    name: issuer.name.to_string(),
                    issuer: issuer.policy.issuer.to_string(),
                    keys,
                })
                .collect(),
        }
    }
}

/// What there is to say of the keys of each issuer of a snapshot, in its order.
pub(super) fn all_of(state: &AdminState, snapshot: &Snapshot) -> Vec<IssuerKeysReport> {
    let now = state.shared.clock.now();
    let mut known = state.metrics.key_uses().all();
    let none = Vec::new();
    let skipped = snapshot.skipped_keys.iter().chain(std::iter::repeat(&none));
    let issuers = snapshot.issuers.iter().zip(skipped);
    let report = issuers.map(|(issuer, skipped)| {
        let place = known.iter().position(|(name, _)| **name == *issuer.name);
        let keys = place.map_or_else(Vec::new, |place| known.swap_remove(place).1);
        let lifetimes = Lifetimes {
            leeway: issuer.policy.leeway,
            max_lifetime: issuer.policy.max_lifetime,
        };
        let keys = report_keys(keys, lifetimes, now).into_iter();
        let sources = state.key_sources.of(&issuer.name).into_iter();
        IssuerKeysReport {
            sources: sources.map(SourceReport::of).collect(),
            keys: keys.map(|key| KeyReport::of(key, now)).collect(),
            skipped: skipped.iter().map(SkippedReport::of).collect(),
        }
    });
    report.collect()
}

impl SourceReport {
    fn of(status: SourceStatus) -> Self {
        let shown = |time: Option<UnixTime>| time.map(|time| time.to_string());
        let warnings = status.warnings.into_iter();
        Self {
            issuer: status.issuer.to_string(),
            kind: status.kind,
            source: status.source.to_string(),
            url: status.url,
            state: status.state.name(),
            keys: status.keys,
            last_attempt: shown(status.last_attempt),
            last_success: shown(status.last_success),
            next_attempt: shown(status.next_attempt),
            serves_until: shown(status.serves_until),
            last_error: status.last_error,
            failures: status.failures,
            fetches: status.fetches,
            warnings: warnings
                .map(|SourceWarning { text, since }| WarningReport {
                    text,
                    since: since.to_string(),
                })
                .collect(),
            unknown_kids: status.unknown_kids,
        }
    }
}

impl SkippedReport {
    fn of(key: &SkippedKey) -> Self {
        Self {
            source: key.source.as_deref().map(str::to_owned),
            index: key.index,
            kid: key.kid.clone(),
            error: key.error.to_string(),
            of_other_use: key.error.is_of_other_use(),
        }
    }
}

impl KeyReport {
    fn of(key: ReportedKey, now: UnixTime) -> Self {
        let ReportedKey { known, verdict } = key;
        let KnownKey {
            kid,
            thumbprint,
            algorithms,
            source,
            first_seen,
            observed,
            removed,
            counts,
        } = known;
        let shown = |seconds: i64| UnixTime::from_seconds(seconds).to_string();
        Self {
            kid,
            thumbprint: URL_SAFE_NO_PAD.encode(thumbprint),
            algorithms,
            source: source.map(|source| source.to_string()),
            in_force: removed.is_none(),
            first_seen: shown(first_seen),
            last_seen: removed.map_or_else(|| now.to_string(), shown),
            observed_since: shown(observed),
            tokens: counts.tokens,
            last_token: counts.last_token.map(shown),
            newest_expiry: counts.newest_expiry.map(shown),
            presented_after_removal: counts.presented,
            last_presented: counts.last_presented.map(shown),
            verdict: verdict.to_string(),
            verdict_code: verdict.code(),
        }
    }
}

/// Why an issuer has no key, from what is known of its sources: `no usable key: URL: connection refused (next attempt in 8 s)`.
pub(super) fn no_usable_key(sources: &[SourceStatus], now: UnixTime) -> String {
    let mut text = "no usable key".to_owned();
    for (index, source) in sources.iter().enumerate() {
        let error = source
            .last_error
            .as_deref()
            .unwrap_or(match source.last_attempt {
                Some(_) => "being fetched",
                None => "not fetched yet",
            });
        let before = if index == 0 { ": " } else { "; " };
        text.push_str(before);
        // A provider may have written a part of it.
        text.extend(error.chars().map(|c| if c.is_control() { ' ' } else { c }));
        if let Some(next) = source.next_attempt {
            let seconds = next.since(now).max(0);
            // Writing into a String cannot fail.
            let _ = write!(text, " (next attempt in {seconds} s)");
        }
    }
    text
}

/// Whose keys are fetched, and when.
#[derive(Debug, Serialize)]
struct Refreshed {
    /// Names of issuers that have remote keys.
    issuers: Vec<String>,
    sources: Vec<RefreshedSource>,
}

#[derive(Debug, Serialize)]
struct RefreshedSource {
    issuer: String,
    source: String,
    /// `unknown_kid_gap` after the last attempt, or when it is due anyway.
    fetched_at: String,
}

/// Asks for the remote keys of the issuer of that name, or of all. Whatever comes of it shows in the report.
pub(super) fn refresh_keys(state: &AdminState, name: Option<&str>) -> Answer {
    let snapshot = state.shared.snapshot.load();
    let mut found = false;
    let mut refreshed = Refreshed {
        issuers: Vec::new(),
        sources: Vec::new(),
    };
    for (index, issuer) in snapshot.config.issuers.iter().enumerate() {
        if name.is_some_and(|name| *name != *issuer.name) {
            continue;
        }
        found = true;
        if let Some(Some(requester)) = snapshot.key_requesters.get(index) {
            // Before it is asked: afterwards the attempt may be this one.
            refreshed.sources.extend(sources(state, issuer));
            requester.refresh_now();
            refreshed.issuers.push(issuer.name.to_string());
        }
    }
    match name {
        Some(name) if !found => problem_with(
            StatusCode::NOT_FOUND,
            "There is no such issuer.",
            &format!("no issuer is named {name:?}"),
        ),
        Some(name) if refreshed.issuers.is_empty() => problem_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The issuer has no remote keys.",
            &format!("the keys of issuer {name:?} are not fetched: a reload reads them again"),
        ),
        Some(_) | None => json(StatusCode::OK, &refreshed),
    }
}

/// The sources of an issuer, and when each is fetched if somebody asks now.
fn sources(state: &AdminState, issuer: &config::Issuer) -> Vec<RefreshedSource> {
    let now = state.shared.clock.now();
    let sources = state.key_sources.of(&issuer.name).into_iter();
    let source = |source: SourceStatus| {
        let gap = issuer.refresh.unknown_kid_gap;
        let asked = source.last_attempt.map_or(now, |last| last.plus(gap));
        let due = source.next_attempt.unwrap_or(asked);
        RefreshedSource {
            issuer: issuer.name.to_string(),
            source: source.source.to_string(),
            fetched_at: asked.min(due).max(now).to_string(),
        }
    };
    sources.map(source).collect()
}

#[cfg(test)]
mod tests;
