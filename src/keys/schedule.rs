//! When a remote source is fetched next: pure, without clock, randomness or sockets of its own.

use std::time::Duration;

use crate::clock::{Clock, UnixTime};
use crate::config::KeyRefresh;

/// `Cache-Control` makes no interval shorter than this: 30 s. A server that forbids caching is not hammered for it.
const CACHE_FLOOR: Duration = Duration::from_secs(30);

/// What comes after the first failure: 1 s; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Longest back-off: 60 s, if the interval is not shorter.
const LAST_RETRY: Duration = Duration::from_mins(1);

/// How much earlier than planned a fetch may come, as a share: many gateways spread out, and none waits longer.
const EARLIER: f64 = 0.1;

/// How far a back-off may lie from what it doubles to, either way, as a share.
const SPREAD: f64 = 0.2;

/// A moment in milliseconds since 1970. Whole seconds would let two fetches follow each other at once around their change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment(i64);

impl Moment {
    /// The present one.
    pub(super) fn now(clock: &Clock) -> Self {
        Self(clock.timestamp().as_millisecond())
    }

    /// The second it lies in.
    pub(super) fn second(self) -> UnixTime {
        UnixTime::from_seconds(self.0.div_euclid(1000))
    }

    fn plus(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }

    /// How long until this moment; zero if it is over.
    fn after(self, now: Self) -> Duration {
        let milliseconds = self.0.saturating_sub(now.0);
        u64::try_from(milliseconds).map_or(Duration::ZERO, Duration::from_millis)
    }
}

/// The plan of one source.
///
/// Between two fetches lies the interval, or after failures the back-off. Who asks for a fetch hastens it, but no closer to
/// the beginning of the one before than `unknown_kid_gap`, and what was asked for is never dropped: a fetch that begins
/// afterwards follows. There is one fetch at a time.
///
/// Waits survive a clock that is set back, as they were. One that is set forward ends them, once, also while a fetch runs.
#[derive(Debug)]
pub(super) struct Schedule {
    refresh: KeyRefresh,
    /// The present when it was last looked at.
    seen: Moment,
    /// When the last fetch began.
    began: Option<Moment>,
    in_flight: bool,
    /// When the next one begins though nobody asks.
    due: Moment,
    /// Whether somebody has asked since the last fetch began.
    asked: bool,
    /// Failed fetches in a row.
    failures: u32,
}

impl Schedule {
    /// A first fetch at once.
    pub(super) fn new(refresh: KeyRefresh, now: Moment) -> Self {
        Self {
            refresh,
            seen: now,
            began: None,
            in_flight: false,
            due: now,
            asked: false,
            failures: 0,
        }
    }

    /// Other settings from now on: what was planned is kept where it does not lie too far away for them.
    pub(super) fn set_refresh(&mut self, refresh: KeyRefresh, now: Moment) {
        self.look(now);
        self.refresh = refresh;
        self.due = self.due.min(now.plus(refresh.interval));
    }

    /// Somebody needs newer keys.
    pub(super) fn ask(&mut self, now: Moment) {
        self.look(now);
        self.asked = true;
    }

    /// Whether somebody has asked since the last fetch began.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// How long until a fetch is to begin: zero is now, `None` while one is in flight. Never longer than the interval.
    pub(super) fn wait(&mut self, now: Moment) -> Option<Duration> {
        self.look(now);
        (!self.in_flight).then(|| self.next().after(now))
    }

    /// When the next fetch begins as it looks now, while none is in flight.
    pub(super) fn next(&self) -> Moment {
        match self.began {
            _ if !self.asked => self.due,
            Some(began) => self.due.min(began.plus(self.refresh.unknown_kid_gap)),
            None => self.due.min(self.seen),
        }
    }

    /// A fetch begins: what was asked for until now is answered by it.
    pub(super) fn begin(&mut self, now: Moment) {
        self.look(now);
        debug_assert!(!self.in_flight, "one at a time");
        self.began = Some(now);
        self.in_flight = true;
        self.asked = false;
    }

    /// The fetch succeeded. `max_age` is what `Cache-Control` allowed; `random` lies between 0 and 1.
    pub(super) fn succeeded(&mut self, now: Moment, max_age: Option<Duration>, random: f64) {
        self.look(now);
        self.in_flight = false;
        self.failures = 0;
        let early = |planned: Duration| planned.mul_f64(1.0 - EARLIER * random);
        let fresh = max_age.map_or(Duration::MAX, |age| {
            early(age.min(self.refresh.interval)).max(CACHE_FLOOR)
        });
        self.due = if self.is_old_on_arrival(now) {
            now
        } else {
            now.plus(early(self.refresh.interval).min(fresh))
        };
    }

    /// Whether the clock was set forward, or the machine slept, while the fetch ran: no fetch takes [`CACHE_FLOOR`]. What it
    /// brought is as old as the fetch, and may be too old to serve.
    fn is_old_on_arrival(&self, now: Moment) -> bool {
        let old = self.refresh.interval.max(CACHE_FLOOR);
        self.began.is_some_and(|began| now.after(began) >= old)
    }

    /// The fetch failed. `random` lies between 0 and 1.
    pub(super) fn failed(&mut self, now: Moment, random: f64) {
        self.look(now);
        self.in_flight = false;
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let retry = FIRST_RETRY.saturating_mul(doubled).min(LAST_RETRY);
        let retry = retry.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random);
        // A source that is asked each few seconds is not asked less often because it failed.
        self.due = now.plus(retry.min(self.refresh.interval));
    }

    /// Failed fetches since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes the present. A clock that was set back takes the whole plan with it.
    fn look(&mut self, now: Moment) {
        let back = self.seen.0.saturating_sub(now.0).max(0);
        if back > 0 {
            self.due.0 = self.due.0.saturating_sub(back);
            if let Some(began) = &mut self.began {
                began.0 = began.0.saturating_sub(back);
            }
        }
        self.seen = now;
    }
}

#[cfg(test)]
mod tests;
