//! How long things take: in turn and in several rounds, so that a moment in which the machine does something else falls
//! on one round of everything.

use std::time::{Duration, Instant};

/// Rounds of a measurement: enough for a median that one or two disturbed rounds do not move.
pub(super) const ROUNDS: u32 = 7;

/// What each round found, in one unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rounds(Vec<f64>);

impl Rounds {
    /// Of a round.
    pub(super) fn add(&mut self, value: f64) {
        let place = self.0.partition_point(|known| *known < value);
        self.0.insert(place, value);
    }

    /// The middle one.
    pub(super) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// The smallest and the largest.
    pub(super) fn range(&self) -> (f64, f64) {
        let of = |value: Option<&f64>| value.copied().unwrap_or_default();
        (of(self.0.first()), of(self.0.last()))
    }
}

/// How often something is done between two looks at the clock: a look costs some 25 ns.
pub(super) const BATCH: u32 = 64;

/// Seconds that one of a batch takes. `batch` does [`BATCH`] of them and says how long they took, without what it needed to
/// get ready; it is called until `slice` has passed.
pub(super) fn seconds_each(slice: Duration, mut batch: impl FnMut() -> Duration) -> f64 {
    let began = Instant::now();
    let mut spent = Duration::ZERO;
    let mut batches = 0_u32;
    while batches == 0 || began.elapsed() < slice {
        spent += batch();
        batches += 1;
    }
    spent.as_secs_f64() / (f64::from(batches) * f64::from(BATCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_rounds() {
        let mut rounds = Rounds::default();
        for value in [3.0, 9.0, 1.0, 2.0, 100.0] {
            rounds.add(value);
        }
        assert!((rounds.median() - 3.0).abs() < 1e-9);
        assert_eq!(rounds.range(), (1.0, 100.0));
        assert!(Rounds::default().median().abs() < 1e-9);
    }

    #[test]
    fn only_the_time_that_a_batch_says_counts() {
        let mut calls = 0;
        let each = seconds_each(Duration::from_millis(1), || {
            calls += 1;
            Duration::from_millis(64)
        });
        assert!((each - 0.001).abs() < 1e-9, "{each}");
        assert!(calls >= 1);
        // However slow the machine, there is a figure.
        assert!(seconds_each(Duration::ZERO, || Duration::from_secs(64)) > 0.9);
    }
}
