//! Durations in buckets.

use std::time::Duration;

use super::shard::{Block, Writer};

/// Upper bounds in seconds: those that OpenTelemetry advises for HTTP, and three below for answers that a local cache
/// gives in less than a millisecond.
pub(super) const BOUNDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// The same in nanoseconds, so that observing needs no floating point.
const BOUNDS_NANOS: [u64; BOUNDS.len()] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// Buckets with a bound, and the one without.
const BUCKETS: usize = BOUNDS.len() + 1;

/// One shard of a histogram: the buckets, then the sum in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Histogram(Block<{ BUCKETS + 1 }>);

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration, writer: Writer) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // `le` includes the bound itself.
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        self.0.add(bucket, 1, writer);
        self.0.add(BUCKETS, nanos, writer);
    }
}

/// A histogram as a scrape shows it: the shards added up.
#[derive(Debug, PartialEq)]
pub(super) struct HistogramSum {
    /// (upper bound, how many fell between it and the one below); the last bound is infinite.
    pub(super) buckets: [(f64, u64); BUCKETS],
    /// How many in all.
    pub(super) count: u64,
    /// Seconds in all.
    pub(super) seconds: f64,
}

impl HistogramSum {
    /// Adds shards up.
    pub(super) fn of<'h>(shards: impl Iterator<Item = &'h Histogram>) -> Self {
        let mut buckets = [(f64::INFINITY, 0); BUCKETS];
        for (bucket, bound) in buckets.iter_mut().zip(BOUNDS) {
            bucket.0 = bound;
        }
        let mut total = Duration::ZERO;
        for shard in shards {
            for (index, bucket) in buckets.iter_mut().enumerate() {
                bucket.1 += shard.0.get(index);
            }
            total = total.saturating_add(Duration::from_nanos(shard.0.get(BUCKETS)));
        }
        Self {
            count: buckets.iter().map(|bucket| bucket.1).sum(),
            seconds: total.as_secs_f64(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_of_bounds_are_the_same() {
        for (seconds, nanos) in BOUNDS.iter().zip(BOUNDS_NANOS) {
            assert_eq!(
                Duration::from_secs_f64(*seconds),
                Duration::from_nanos(nanos)
            );
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_includes_it() {
        for (duration, bucket) in [
            (Duration::ZERO, 0),
            (Duration::from_micros(500), 0),
            (Duration::from_nanos(500_001), 1),
            (Duration::from_secs(10), 16),
            (Duration::from_nanos(10_000_000_001), 17),
            (Duration::MAX, 17),
        ] {
            let shard = Histogram::default();
            shard.observe(duration, Writer::Only);
            let sum = HistogramSum::of([&shard].into_iter());
            assert_eq!(sum.buckets[bucket].1, 1, "{duration:?}");
            assert_eq!(sum.count, 1, "{duration:?}");
        }
    }

    #[test]
    fn shards_add_up() {
        let (one, two) = (Histogram::default(), Histogram::default());
        one.observe(Duration::from_millis(1500), Writer::Only);
        two.observe(Duration::from_millis(250), Writer::Only);
        two.observe(Duration::from_millis(250), Writer::Only);
        let sum = HistogramSum::of([&one, &two].into_iter());
        assert_eq!(sum.count, 3);
        assert!((sum.seconds - 2.0).abs() < 1e-9);
        assert_eq!(sum.buckets[9], (0.25, 2));
        assert_eq!(sum.buckets[13], (2.5, 1));
    }
}
