use proptest::prelude::*;

use super::*;

const START: Moment = Moment(1_700_000_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Five minutes, 15 s, a day.
fn refresh() -> KeyRefresh {
    KeyRefresh::default()
}

fn with_interval(interval: u64) -> KeyRefresh {
    KeyRefresh {
        interval: seconds(interval),
        ..refresh()
    }
}

/// A schedule whose first fetch has just succeeded, without a jitter.
fn fetched(refresh: KeyRefresh) -> Schedule {
    let mut schedule = Schedule::new(refresh, START);
    schedule.begin(START);
    schedule.succeeded(START, None, 0.0);
    schedule
}

#[test]
fn the_first_fetch_begins_at_once() {
    let mut schedule = Schedule::new(refresh(), START);
    assert_eq!(schedule.wait(START), Some(Duration::ZERO));
    schedule.ask(START);
    assert_eq!(schedule.wait(START), Some(Duration::ZERO));
    schedule.begin(START);
    assert_eq!(schedule.wait(START.plus(seconds(999))), None);
}

#[test]
fn cache_control_only_shortens_the_interval() {
    // (interval, max-age, random, milliseconds until the next fetch)
    let rows: &[(u64, Option<u64>, f64, u64)] = &[
        (300, None, 0.0, 300_000),
        (300, None, 1.0, 270_000),
        (300, Some(86_400), 0.0, 300_000),
        (300, Some(u64::MAX), 1.0, 270_000),
        (300, Some(100), 0.0, 100_000),
        (300, Some(100), 1.0, 90_000),
        (300, Some(31), 1.0, 30_000),
        (300, Some(5), 0.5, 30_000),
        (300, Some(0), 1.0, 30_000),
        // An interval below the floor is what the operator wants.
        (10, None, 0.0, 10_000),
        (10, Some(0), 0.0, 10_000),
        (10, Some(0), 1.0, 9_000),
        (1, Some(60), 1.0, 900),
    ];
    for &(interval, max_age, random, milliseconds) in rows {
        let mut schedule = Schedule::new(with_interval(interval), START);
        schedule.begin(START);
        schedule.succeeded(START, max_age.map(seconds), random);
        let expected = Duration::from_millis(milliseconds);
        let row = (interval, max_age, random);
        assert_eq!(schedule.wait(START), Some(expected), "{row:?}");
    }
}

#[test]
fn failures_double_the_back_off_and_a_success_ends_it() {
    let mut schedule = fetched(refresh());
    for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        schedule.begin(START);
        schedule.failed(START, 0.5);
        assert_eq!(schedule.wait(START), Some(seconds(expected)));
    }
    assert_eq!(schedule.failures(), 9);
    schedule.begin(START);
    schedule.succeeded(START, None, 0.0);
    assert_eq!(schedule.failures(), 0);
    schedule.begin(START);
    schedule.failed(START, 0.0);
    assert_eq!(schedule.wait(START), Some(Duration::from_millis(800)));
    schedule.begin(START);
    schedule.failed(START, 1.0);
    assert_eq!(schedule.wait(START), Some(Duration::from_millis(2400)));
}

#[test]
fn any_number_of_failures_can_be_counted() {
    let mut schedule = fetched(refresh());
    for failures in [31, 32, 33, 64, u32::MAX] {
        schedule.failures = failures;
        schedule.begin(START);
        schedule.failed(START, 0.5);
        assert_eq!(schedule.wait(START), Some(seconds(60)), "{failures}");
    }
    assert_eq!(schedule.failures(), u32::MAX);
}

#[test]
fn a_back_off_is_no_longer_than_the_interval() {
    let mut schedule = fetched(with_interval(5));
    for expected in [1, 2, 4, 5, 5] {
        schedule.begin(START);
        schedule.failed(START, 0.5);
        assert_eq!(schedule.wait(START), Some(seconds(expected)));
    }
}

#[test]
fn who_asks_is_served_at_once_or_when_the_gap_ends() {
    let mut schedule = fetched(refresh());
    let later = START.plus(seconds(4));
    schedule.ask(later);
    assert_eq!(schedule.wait(later), Some(seconds(11)));
    schedule.ask(later);
    assert_eq!(schedule.wait(later), Some(seconds(11)));
    let end = START.plus(seconds(15));
    assert_eq!(schedule.wait(end), Some(Duration::ZERO));
    schedule.begin(end);
    schedule.succeeded(end, None, 0.0);
    // Answered: back to the interval.
    assert_eq!(schedule.wait(end), Some(seconds(300)));
    let much_later = end.plus(seconds(100));
    schedule.ask(much_later);
    assert_eq!(schedule.wait(much_later), Some(Duration::ZERO));
}

#[test]
fn what_is_asked_while_a_fetch_runs_is_answered_by_another() {
    let mut schedule = fetched(refresh());
    let begin = START.plus(seconds(300));
    schedule.begin(begin);
    schedule.ask(begin.plus(seconds(1)));
    assert_eq!(schedule.wait(begin.plus(seconds(4))), None);
    // The gap counts from when the fetch began, not from when it ended.
    let end = begin.plus(seconds(5));
    schedule.succeeded(end, None, 0.0);
    assert_eq!(schedule.wait(end), Some(seconds(10)));
}

#[test]
fn asking_hurries_a_back_off_no_closer_than_the_gap() {
    let mut schedule = fetched(refresh());
    schedule.failures = 6;
    schedule.begin(START);
    schedule.failed(START, 0.5);
    assert_eq!(schedule.wait(START), Some(seconds(60)));
    schedule.ask(START);
    assert_eq!(schedule.wait(START), Some(seconds(15)));
    // And slows none down.
    let mut schedule = fetched(refresh());
    schedule.begin(START);
    schedule.failed(START, 0.5);
    schedule.ask(START);
    assert_eq!(schedule.wait(START), Some(seconds(1)));
}

#[test]
fn a_clock_that_is_set_back_keeps_the_waits() {
    let mut schedule = fetched(refresh());
    let later = START.plus(seconds(10));
    assert_eq!(schedule.wait(later), Some(seconds(290)));
    let back = Moment(later.0 - 7_200_000);
    assert_eq!(schedule.wait(back), Some(seconds(290)));
    schedule.ask(back);
    assert_eq!(schedule.wait(back), Some(seconds(5)));
    assert_eq!(schedule.wait(back.plus(seconds(2))), Some(seconds(3)));
}

#[test]
fn a_clock_that_is_set_forward_causes_one_fetch() {
    let mut schedule = fetched(refresh());
    let forward = START.plus(seconds(7200));
    assert_eq!(schedule.wait(forward), Some(Duration::ZERO));
    schedule.begin(forward);
    schedule.succeeded(forward, None, 0.0);
    assert_eq!(schedule.wait(forward), Some(seconds(300)));
}

#[test]
fn a_clock_that_is_set_forward_during_a_fetch_causes_another_one() {
    let mut schedule = fetched(refresh());
    let begin = START.plus(seconds(300));
    schedule.begin(begin);
    let forward = begin.plus(seconds(7200));
    schedule.succeeded(forward, None, 0.0);
    assert_eq!(schedule.wait(forward), Some(Duration::ZERO));
    schedule.begin(forward);
    schedule.succeeded(forward.plus(seconds(5)), None, 0.0);
    let end = forward.plus(seconds(5));
    assert_eq!(schedule.wait(end), Some(seconds(300)));
}

#[test]
fn other_settings_shorten_a_wait_and_keep_the_rest() {
    let mut schedule = fetched(refresh());
    schedule.set_refresh(with_interval(60), START);
    assert_eq!(schedule.wait(START), Some(seconds(60)));
    schedule.set_refresh(with_interval(3600), START);
    assert_eq!(schedule.wait(START), Some(seconds(60)));
    schedule.set_refresh(
        KeyRefresh {
            unknown_kid_gap: seconds(2),
            ..refresh()
        },
        START,
    );
    schedule.ask(START);
    assert_eq!(schedule.wait(START), Some(seconds(2)));
}

/// What may happen to a schedule.
#[derive(Clone, Debug)]
enum Event {
    /// So many milliseconds pass, of which the task sees each second.
    Pass(u64),
    /// The clock is set, by so many milliseconds.
    Step(i64),
    /// So many requests come at once.
    Ask(u8),
    /// The fetch in flight, if one is, succeeds with a max-age.
    Succeed(Option<u64>),
    /// It fails.
    Fail,
    /// A reload changes the settings.
    Settings(KeyRefresh),
}

fn any_refresh() -> impl Strategy<Value = KeyRefresh> {
    let interval = prop_oneof![1..60_u64, 60..4000_u64, Just(86_400)];
    let gap = prop_oneof![1..30_u64, 1..=3600_u64];
    (interval, gap).prop_map(|(interval, gap)| KeyRefresh {
        interval: seconds(interval),
        unknown_kid_gap: seconds(gap),
        stale_for: seconds(86_400),
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let max_age = prop_oneof![Just(0), 1..100_u64, 100..100_000_u64, Just(u64::MAX)];
    prop_oneof![
        4 => (0..100_000_u64).prop_map(Event::Pass),
        2 => (0..1000_u64).prop_map(Event::Pass),
        1 => (-20_000_000..20_000_000_i64).prop_map(Event::Step),
        1 => (-1500..1500_i64).prop_map(Event::Step),
        4 => (1..50_u8).prop_map(Event::Ask),
        4 => proptest::option::of(max_age).prop_map(Event::Succeed),
        3 => Just(Event::Fail),
        1 => any_refresh().prop_map(Event::Settings),
    ]
}

/// Lives through events as the task does, and looks after each step whether the promises hold.
struct World {
    schedule: Schedule,
    refresh: KeyRefresh,
    now: Moment,
    /// How far the clock went forward since the last fetch began: what a gap is measured in.
    forward: Duration,
    /// The least that must lie between the last fetch and the next one.
    least: Duration,
    in_flight: bool,
    fetches: u64,
    /// Whether an ask waits for its fetch.
    waiting: bool,
}

impl World {
    fn new(refresh: KeyRefresh) -> Self {
        Self {
            schedule: Schedule::new(refresh, START),
            refresh,
            now: START,
            forward: Duration::MAX,
            least: Duration::ZERO,
            in_flight: false,
            fetches: 0,
            waiting: false,
        }
    }

    fn happen(&mut self, event: &Event, random: f64) {
        match event {
            Event::Pass(milliseconds) => {
                for step in (0..*milliseconds).step_by(1000) {
                    self.advance((milliseconds - step).min(1000));
                    self.run();
                }
            }
            Event::Step(milliseconds) => {
                match u64::try_from(*milliseconds) {
                    Ok(milliseconds) => self.advance(milliseconds),
                    Err(_) => self.now.0 += milliseconds,
                }
                self.run();
            }
            Event::Ask(times) => {
                for _ in 0..*times {
                    self.schedule.ask(self.now);
                }
                self.waiting = true;
                self.run();
            }
            Event::Succeed(max_age) if self.in_flight => {
                let max_age = max_age.map(seconds);
                self.schedule.succeeded(self.now, max_age, random);
                self.in_flight = false;
                let old = self.refresh.interval.max(CACHE_FLOOR);
                let is_old = self
                    .schedule
                    .began
                    .is_some_and(|it| self.now.after(it) >= old);
                self.least = if is_old {
                    Duration::ZERO
                } else {
                    self.refresh.interval.mul_f64(0.9).min(CACHE_FLOOR)
                };
                self.run();
            }
            Event::Fail if self.in_flight => {
                self.schedule.failed(self.now, random);
                self.in_flight = false;
                self.least = Duration::from_millis(800);
                self.run();
            }
            Event::Succeed(_) | Event::Fail => {}
            Event::Settings(refresh) => {
                self.schedule.set_refresh(*refresh, self.now);
                self.refresh = *refresh;
                // A new interval may end a wait.
                self.least = Duration::ZERO;
                self.run();
            }
        }
    }

    fn advance(&mut self, milliseconds: u64) {
        self.now = self.now.plus(Duration::from_millis(milliseconds));
        let forward = Duration::from_millis(milliseconds);
        self.forward = self.forward.saturating_add(forward);
    }

    /// What the task does each time it looks.
    fn run(&mut self) {
        let Some(wait) = self.schedule.wait(self.now) else {
            assert!(self.in_flight, "a schedule that stands still");
            return;
        };
        assert!(!self.in_flight, "two fetches at once");
        assert!(wait <= self.refresh.interval, "{wait:?}");
        if self.waiting {
            assert!(wait <= self.refresh.unknown_kid_gap, "{wait:?}");
        }
        if self.schedule.failures() > 0 {
            assert!(wait <= LAST_RETRY.mul_f64(1.0 + SPREAD), "{wait:?}");
        }
        if wait > Duration::ZERO {
            return;
        }
        let gap = self.refresh.unknown_kid_gap;
        let hurried = self.waiting && self.forward >= gap;
        assert!(hurried || self.forward >= self.least, "{:?}", self.forward);
        self.schedule.begin(self.now);
        self.in_flight = true;
        self.fetches += 1;
        self.forward = Duration::ZERO;
        self.waiting = false;
        // And the next look finds it in flight, whatever else is asked.
        assert_eq!(self.schedule.wait(self.now), None);
    }
}

proptest! {
    #[test]
    fn the_promises_hold_whatever_happens(
        refresh in any_refresh(),
        events in proptest::collection::vec((any_event(), 0.0..=1.0_f64), 1..60),
    ) {
        let mut world = World::new(refresh);
        for (event, random) in &events {
            world.happen(event, *random);
        }
        // Nothing stands still: a fetch that ends is followed by another within an interval.
        world.happen(&Event::Fail, 0.5);
        let before = world.fetches;
        let interval = u64::try_from(world.refresh.interval.as_millis()).unwrap();
        world.happen(&Event::Pass(interval), 0.5);
        prop_assert!(world.in_flight || world.fetches > before);
    }

    /// However many ask: while every fetch succeeds, the fetches of an hour are those of the gap or of the interval.
    #[test]
    fn a_flood_causes_one_fetch_per_gap(
        refresh in any_refresh(),
        asks in proptest::collection::vec((0..30_000_u64, 1..200_u8), 1..100),
    ) {
        let mut world = World::new(refresh);
        let mut passed = Duration::ZERO;
        for (pause, times) in asks {
            world.happen(&Event::Ask(times), 0.0);
            world.happen(&Event::Succeed(Some(0)), 0.0);
            for _ in 0..=pause / 1000 {
                world.happen(&Event::Pass(1000), 0.0);
                passed += seconds(1);
                world.happen(&Event::Succeed(Some(0)), 0.0);
            }
        }
        let apart = refresh.unknown_kid_gap.min(refresh.interval).min(CACHE_FLOOR);
        let most = passed.as_secs() / apart.as_secs() + 1;
        prop_assert!(world.fetches <= most, "{} in {passed:?}", world.fetches);
    }

    /// A token of a new key is refused for a gap and the fetch at most: until a fetch began after it was first seen.
    #[test]
    fn a_miss_is_served_when_the_gap_ends(
        refresh in any_refresh(),
        before in 0..4_000_000_u64,
    ) {
        let mut world = World::new(refresh);
        world.run();
        world.happen(&Event::Succeed(None), 1.0);
        world.happen(&Event::Pass(before), 0.5);
        while world.in_flight {
            world.happen(&Event::Succeed(None), 1.0);
        }
        let fetches = world.fetches;
        world.happen(&Event::Ask(1), 0.5);
        let gap = u64::try_from(refresh.unknown_kid_gap.as_millis()).unwrap();
        world.happen(&Event::Pass(gap), 0.5);
        prop_assert!(world.fetches > fetches);
    }
}
