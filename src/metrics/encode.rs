//! What a scrape sees: `OpenMetrics` text. Combinations of labels that were never counted are left out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::registry::Registry;

use super::families::{self, Family};
use super::handles::{ConnectionError, UpstreamEvent};
use super::histogram::HistogramSum;
use super::key_use::{KeyCounts, LabelledKey};
use super::keys::KeyFetch;
use super::labels::{CODES, METHODS};
use super::process::Process;
use super::registry::{Metrics, lock};
use super::revocations::RevocationMetrics;
use super::sessions::{Refresh, SignIn};

impl Metrics {
    /// The type of what [`Self::encode`] returns.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Everything as `OpenMetrics` text, the process included.
    #[must_use]
    pub fn encode(self: &Arc<Self>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut out = String::new();
        // Writing into a String cannot fail, and no encoder below has an error of its own.
        if text::encode(&mut out, &registry).is_err() {
            tracing::error!("metrics could not be written");
        }
        out
    }

    fn encode_requests(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let routes = self.routes.all();
        let mut family = start(out, &families::HTTP_REQUESTS)?;
        for (route, handle) in &routes {
            for (m, method) in METHODS.into_iter().enumerate() {
                // Most routes see two or three methods: with ten thousand routes this is most of a scrape.
                if !handle.shards.iter().any(|shard| shard.saw(m)) {
                    continue;
                }
                for (c, code) in CODES.into_iter().enumerate() {
                    let count = handle.shards.sum(|shard| shard.requests(m, c));
                    let labels = [("route", &**route), ("method", method), ("code", code)];
                    counter_if_any(&mut family, &labels, count)?;
                }
            }
        }
        let mut family = start(out, &families::HTTP_DURATION)?;
        for (route, handle) in &routes {
            let sum = HistogramSum::of(handle.shards.iter().map(|shard| &shard.durations));
            histogram_if_any(&mut family, &[("route", &**route)], &sum)?;
        }
        let mut family = start(out, &families::REJECTIONS)?;
        for (route, handle) in &routes {
            for (r, reason) in self.reasons.iter().enumerate() {
                let count = handle.shards.sum(|shard| shard.rejections(r));
                counter_if_any(
                    &mut family,
                    &[("route", &**route), ("reason", reason)],
                    count,
                )?;
            }
        }
        Ok(())
    }

    fn encode_signatures(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let mut family = start(out, &families::SIGNATURE_CHECKS)?;
        for (index, result) in ["success", "failure"].into_iter().enumerate() {
            let sum = self.workers.iter().map(|worker| worker.signatures()[index]);
            counter(&mut family, &[("result", result)], sum.sum())?;
        }
        Ok(())
    }

    fn encode_token_cache(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let mut sums = [0; 4];
        for worker in &self.workers {
            for (sum, count) in sums.iter_mut().zip(worker.token_cache()) {
                *sum += count;
            }
        }
        let [hits, misses, bytes, entries] = sums;
        let mut family = start(out, &families::TOKEN_CACHE_REQUESTS)?;
        counter(&mut family, &[("result", "hit")], hits)?;
        counter(&mut family, &[("result", "miss")], misses)?;
        start(out, &families::TOKEN_CACHE_BYTES)?.encode_gauge(&bytes)?;
        start(out, &families::TOKEN_CACHE_ENTRIES)?.encode_gauge(&entries)
    }

    fn encode_upstreams(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let upstreams = self.upstreams.all();
        let mut family = start(out, &families::UPSTREAM_DURATION)?;
        for (upstream, handle) in &upstreams {
            let sum = HistogramSum::of(handle.shards.iter().map(|shard| &shard.durations));
            histogram_if_any(&mut family, &[("upstream", &**upstream)], &sum)?;
        }
        for (family, event) in [
            (&families::UPSTREAM_CONNECTIONS, UpstreamEvent::Connected),
            (
                &families::UPSTREAM_CONNECT_FAILURES,
                UpstreamEvent::ConnectFailed,
            ),
            (&families::UPSTREAM_RETRIES, UpstreamEvent::Retried),
        ] {
            let mut family = start(out, family)?;
            for (upstream, handle) in &upstreams {
                counter_if_any(&mut family, &[("upstream", &**upstream)], handle.sum(event))?;
            }
        }
        Ok(())
    }

    fn encode_workers(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let workers: Vec<_> = (0..)
            .map(|id: u64| id.to_string())
            .zip(&self.workers)
            .collect();
        let mut family = start(out, &families::WORKER_CONNECTIONS)?;
        for (id, worker) in &workers {
            let labels = [("worker", id)];
            family
                .encode_family(&labels)?
                .encode_gauge(&worker.open())?;
        }
        let mut family = start(out, &families::CONNECTIONS)?;
        for (id, worker) in &workers {
            counter(&mut family, &[("worker", id)], worker.accepted_count())?;
        }
        let mut family = start(out, &families::CONNECTIONS_HANDED_OVER)?;
        for (id, worker) in &workers {
            counter(&mut family, &[("worker", id)], worker.handed_over_count())?;
        }
        let mut family = start(out, &families::CONNECTION_ERRORS)?;
        for (id, worker) in &workers {
            for cause in ConnectionError::ALL {
                let labels = [("worker", id.as_str()), ("cause", cause.name())];
                counter_if_any(&mut family, &labels, worker.errors(cause))?;
            }
        }
        Ok(())
    }

    fn encode_keys(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let issuers = self.keys.all();
        let mut family = start(out, &families::KEY_FETCHES)?;
        for (issuer, handle) in &issuers {
            for outcome in KeyFetch::ALL {
                let labels = [("issuer", &**issuer), ("outcome", outcome.name())];
                counter_if_any(&mut family, &labels, handle.fetches(outcome))?;
            }
        }
        let mut family = start(out, &families::KEY_SET_AGE)?;
        for (issuer, seconds) in self.key_set_ages.oldest() {
            let labels = [("issuer", &*issuer)];
            family.encode_family(&labels)?.encode_gauge(&seconds)?;
        }
        let mut family = start(out, &families::KEY_REQUESTS)?;
        for (issuer, handle) in &issuers {
            counter_if_any(&mut family, &[("issuer", &**issuer)], handle.requests())?;
        }
        Ok(())
    }

    fn encode_sessions(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let mut family = start(out, &families::SIGN_INS)?;
        for outcome in SignIn::ALL {
            let labels = [("outcome", outcome.name())];
            counter_if_any(&mut family, &labels, self.sessions.sign_ins(outcome))?;
        }
        let mut family = start(out, &families::REFRESHES)?;
        for outcome in Refresh::ALL {
            let labels = [("outcome", outcome.name())];
            counter_if_any(&mut family, &labels, self.sessions.refreshes(outcome))?;
        }
        start(out, &families::PASSWORD_QUEUE)?.encode_gauge(&self.sessions.queued())
    }

    fn encode_config(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let mut family = start(out, &families::CONFIG_RELOADS)?;
        for (result, count) in [
            ("success", &self.reloads_applied),
            ("failure", &self.reloads_failed),
        ] {
            let count = count.load(Ordering::Relaxed);
            counter(&mut family, &[("result", result)], count)?;
        }
        let successful = u64::from(!self.last_reload_failed.load(Ordering::Relaxed));
        start(out, &families::CONFIG_LAST_RELOAD)?.encode_gauge(&successful)?;
        let generation = self.generation.load(Ordering::Relaxed);
        start(out, &families::CONFIG_GENERATION)?.encode_gauge(&generation)?;
        let mut family = start(out, &families::ISSUER_KEYS)?;
        for issuer in lock(&self.issuer_keys).iter() {
            let labels = [("issuer", &*issuer.issuer)];
            family.encode_family(&labels)?.encode_gauge(&issuer.keys)?;
        }
        self.encode_keys(out)?;
        let mut family = start(out, &families::CERTIFICATE_EXPIRY)?;
        for certificate in lock(&self.certificates).iter() {
            let labels = [("certificate", certificate.certificate.as_str())];
            let expires = &certificate.expires_seconds;
            family.encode_family(&labels)?.encode_gauge(expires)?;
        }
        start(out, &families::BUILD)?.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

impl Collector for Metrics {
    fn encode(&self, mut out: DescriptorEncoder) -> fmt::Result {
        self.encode_requests(&mut out)?;
        let mut family = start(&mut out, &families::TOKENS_ACCEPTED)?;
        for (issuer, handle) in self.issuers.all() {
            counter_if_any(&mut family, &[("issuer", &*issuer)], handle.accepted_sum())?;
        }
        self.encode_signatures(&mut out)?;
        self.encode_token_cache(&mut out)?;
        self.encode_upstreams(&mut out)?;
        self.encode_workers(&mut out)?;
        let dropped = self.access_log_dropped.load(Ordering::Relaxed);
        unlabelled(
            &mut start(&mut out, &families::ACCESS_LOG_DROPPED)?,
            dropped,
        )?;
        self.encode_config(&mut out)?;
        encode_key_uses(&self.key_uses.by_label(), &mut out)?;
        encode_revocations(&self.revocations, &mut out)?;
        self.encode_sessions(&mut out)?;
        encode_process(&Process::read(), &mut out)
    }
}

fn encode_revocations(counts: &RevocationMetrics, out: &mut DescriptorEncoder) -> fmt::Result {
    let gauges = [&families::REVOCATIONS, &families::REVOCATION_AGE];
    for (family, value) in gauges.into_iter().zip(counts.list()) {
        let mut family = start(out, family)?;
        if let Some(value) = value {
            family.encode_gauge(&value)?;
        }
    }
    for (family, counts) in [
        (&families::REVOCATION_READS, counts.reads()),
        (&families::BACK_CHANNEL_LOGOUTS, counts.logouts()),
    ] {
        let mut family = start(out, family)?;
        for (result, count) in ["success", "failure"].into_iter().zip(counts) {
            counter_if_any(&mut family, &[("result", result)], count)?;
        }
    }
    Ok(())
}

fn encode_key_uses(keys: &[LabelledKey], out: &mut DescriptorEncoder) -> fmt::Result {
    type Value = fn(&KeyCounts) -> Option<i64>;
    let counters = [
        (
            &families::KEY_TOKENS,
            (|counts| counts.tokens) as fn(&KeyCounts) -> u64,
        ),
        (&families::KEY_PRESENTED, |counts| counts.presented),
    ];
    for (family, value) in counters {
        let mut family = start(out, family)?;
        for key in keys {
            counter_if_any(&mut family, &key.labels(), value(&key.counts))?;
        }
    }
    let gauges = [
        (
            &families::KEY_LAST_TOKEN,
            (|counts| counts.last_token) as Value,
        ),
        (&families::KEY_NEWEST_EXPIRY, |counts| counts.newest_expiry),
    ];
    for (family, value) in gauges {
        let mut family = start(out, family)?;
        for key in keys {
            if let Some(value) = value(&key.counts) {
                family.encode_family(&key.labels())?.encode_gauge(&value)?;
            }
        }
    }
    Ok(())
}

fn encode_process(process: &Process, out: &mut DescriptorEncoder) -> fmt::Result {
    if let Some(seconds) = process.cpu_seconds {
        start(out, &families::PROCESS_CPU)?.encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
    }
    for (family, value) in [
        (&families::PROCESS_MEMORY, process.resident_bytes),
        (&families::PROCESS_OPEN_FDS, process.open_fds),
        (&families::PROCESS_MAX_FDS, process.max_fds),
    ] {
        if let Some(value) = value {
            start(out, family)?.encode_gauge(&value)?;
        }
    }
    if let Some(seconds) = process.start_seconds {
        start(out, &families::PROCESS_START)?.encode_gauge(&seconds)?;
    }
    Ok(())
}

/// Writes the head of a family; its series follow.
fn start<'e>(
    out: &'e mut DescriptorEncoder,
    family: &Family,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    let kind = family.kind.metric_type();
    out.encode_descriptor(family.base_name(), family.help, None, kind)
}

fn unlabelled(family: &mut MetricEncoder, count: u64) -> fmt::Result {
    family.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

fn counter(family: &mut MetricEncoder, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    unlabelled(&mut family.encode_family(labels)?, count)
}

fn counter_if_any(
    family: &mut MetricEncoder,
    labels: &impl EncodeLabelSet,
    count: u64,
) -> fmt::Result {
    if count == 0 {
        return Ok(());
    }
    counter(family, labels, count)
}

fn histogram_if_any(
    family: &mut MetricEncoder,
    labels: &impl EncodeLabelSet,
    sum: &HistogramSum,
) -> fmt::Result {
    if sum.count == 0 {
        return Ok(());
    }
    family
        .encode_family(labels)?
        .encode_histogram::<NoLabelSet>(sum.seconds, sum.count, &sum.buckets, None)
}

#[cfg(test)]
mod tests;
