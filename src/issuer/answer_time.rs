//! When an answer about a password is given: at a fixed moment after the question, whatever it is.

use std::time::Duration;

/// The moments at which answers about passwords are given: multiples of a slot after the arrival.
///
/// A slot is half a second, which every hash of ours fits into many times. A hash of another program may take longer; so
/// that its users are not told apart from strangers, all slots are longer for an hour after such a one was seen.
#[derive(Debug, Default)]
pub(super) struct AnswerTimes {
    /// How many [`SLOT`]s make one, above the first.
    more: u32,
    /// Since when, on the clock of the caller.
    since: Duration,
}

/// Half a second: ten times an argon2 of ours, and not yet felt as slow.
const SLOT: Duration = Duration::from_millis(500);

/// The longest slot: four seconds. No hash that is accepted takes longer on a machine that works.
const MOST_SLOTS: u32 = 8;

/// How long a hash that took more than a slot is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);

impl AnswerTimes {
    /// Verifying a hash took so long, without waiting for its turn.
    pub(super) fn saw(&mut self, took: Duration, now: Duration) {
        // What else a sign-in takes fits into half a slot.
        let more = slots_of(took + SLOT / 2).min(MOST_SLOTS) - 1;
        if more >= self.more(now) && more > 0 {
            *self = Self { more, since: now };
        }
    }

    /// How long after its arrival a request is answered that is ready after `elapsed`.
    pub(super) fn release(&self, elapsed: Duration, now: Duration) -> Duration {
        let slot = SLOT * (self.more(now) + 1);
        let slots = elapsed.as_millis() / slot.as_millis() + 1;
        slot * u32::try_from(slots).unwrap_or(u32::MAX)
    }

    fn more(&self, now: Duration) -> u32 {
        if now.saturating_sub(self.since) < REMEMBERED {
            self.more
        } else {
            0
        }
    }
}

/// How many slots something takes that takes so long.
fn slots_of(took: Duration) -> u32 {
    u32::try_from(took.as_millis() / SLOT.as_millis() + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn answers_are_given_at_the_next_half_second() {
        let times = AnswerTimes::default();
        for (elapsed, release) in [
            (0, 500),
            (1, 500),
            (45, 500),
            (499, 500),
            (500, 1000),
            (501, 1000),
            (2300, 2500),
        ] {
            assert_eq!(times.release(ms(elapsed), ms(0)), ms(release));
        }
    }

    #[test]
    fn a_slow_hash_makes_everybody_slow_for_an_hour() {
        let mut times = AnswerTimes::default();
        let now = ms(5_000);
        times.saw(ms(200), now);
        assert_eq!(times.release(ms(45), now), ms(500));
        times.saw(ms(1100), now);
        // Of its users and of others the answers come alike.
        for elapsed in [45, 600, 1150] {
            assert_eq!(times.release(ms(elapsed), now), ms(1500));
        }
        // A faster one changes nothing.
        times.saw(ms(45), now);
        times.saw(ms(300), now);
        assert_eq!(times.release(ms(45), now), ms(1500));
        let later = now + REMEMBERED;
        assert_eq!(times.release(ms(45), later), ms(500));
    }

    /// Besides the hash there is the store, and the waiting for a core.
    #[test]
    fn a_hash_that_leaves_no_time_for_the_rest_makes_the_slot_longer() {
        for (took, release) in [
            (249, 500),
            (250, 1000),
            (499, 1000),
            (749, 1000),
            (750, 1500),
        ] {
            let mut times = AnswerTimes::default();
            times.saw(ms(took), ms(0));
            assert_eq!(times.release(ms(took), ms(0)), ms(release), "{took}");
        }
    }

    #[test]
    fn no_slot_is_longer_than_four_seconds() {
        let mut times = AnswerTimes::default();
        times.saw(Duration::from_secs(90), ms(0));
        assert_eq!(times.release(ms(45), ms(0)), ms(4000));
    }
}
