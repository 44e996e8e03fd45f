use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn second_before(time: Timestamp) -> Timestamp {
    time - SignedDuration::from_secs(1)
}

fn rules(algorithm: Algorithm, days: u32) -> Rules {
    Rules {
        algorithm,
        rotate: DAY * days,
    }
}

const EDDSA: Algorithm = Algorithm::EdDsa;

impl Steps {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A store of keys, and the clock of its database.
#[derive(Default)]
struct Keys {
    keys: Vec<PlannedKey>,
    made: u128,
}

impl Keys {
    /// Ids without an order: it must not matter.
    fn add(&mut self, algorithm: Algorithm, times: KeyTimes) -> Uuid {
        self.made += 1;
        let id = Uuid::from_u128(
            self.made
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        );
        self.keys.push(PlannedKey {
            id,
            algorithm: algorithm.name().into(),
            times,
        });
        id
    }

    fn apply(&mut self, steps: &Steps, rules: Rules) -> Option<Uuid> {
        self.keys.retain(|key| !steps.remove.contains(&key.id));
        for (id, times) in &steps.change {
            let key = self.keys.iter_mut().find(|key| key.id == *id);
            key.expect("only keys that are there change").times = *times;
        }
        steps.add.map(|times| self.add(rules.algorithm, times))
    }

    fn run(&mut self, now: Timestamp, rules: Rules, ask: Ask) -> Result<Steps, TooManyKeys> {
        let steps = plan(&self.keys, now, rules, ask)?;
        self.apply(&steps, rules);
        Ok(steps)
    }

    /// Does what is due; nothing is due then.
    fn due(&mut self, now: Timestamp, rules: Rules) -> Steps {
        let mut run = || self.run(now, rules, Ask::Due).expect("what is due is done");
        let steps = run();
        let again = run();
        assert!(again.is_empty(), "{again:?} after {steps:?}");
        steps
    }

    fn signer(&self, now: Timestamp) -> Uuid {
        signer(&self.keys, now).expect("a key signs").id
    }
}

#[test]
fn the_first_key_signs_at_once() {
    let mut keys = Keys::default();
    assert_eq!(signer(&keys.keys, at(0)), None);
    let steps = keys.due(at(0), rules(EDDSA, 30));
    let add = steps.add.unwrap();
    assert_eq!((add.published, add.use_from), (at(0), at(0)));
    assert_eq!(add.retire_at, later(at(0), DAY * 30));
    assert_eq!(add.gone_at, later(add.retire_at, KEPT_AFTER));
    assert_eq!((steps.change, steps.remove), (vec![], vec![]));
    assert_eq!(keys.signer(at(0)), keys.keys[0].id);
}

#[test]
fn the_next_key_is_published_an_hour_before_it_signs_and_the_last_one_stays_for_its_tokens() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    keys.due(at(0), rules);
    let first = keys.keys[0].id;
    let due = later(at(0), HOUR * (30 * 24 - 1));
    assert!(keys.due(second_before(due), rules).is_empty());

    let steps = keys.due(due, rules);
    let add = steps.add.unwrap();
    let switch = later(at(0), DAY * 30);
    assert_eq!((add.published, add.use_from), (due, switch));
    let second = keys.keys[1].id;
    assert_eq!(keys.signer(later(due, HOUR / 2)), first);
    assert_eq!(keys.signer(switch), second);

    let gone = later(switch, KEPT_AFTER);
    assert!(keys.due(second_before(gone), rules).is_empty());
    assert_eq!(keys.due(gone, rules).remove, [first]);
    assert_eq!(keys.keys.len(), 1);
}

#[test]
fn after_a_year_without_a_gateway_the_known_key_signs_until_the_next_one_was_seen() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    keys.due(at(0), rules);
    let (first, year) = (keys.keys[0].id, later(at(0), DAY * 365));
    // Nobody has planned yet.
    assert_eq!(keys.signer(year), first);
    let steps = keys.due(year, rules);
    assert_eq!(steps.add.unwrap().use_from, later(year, HOUR));
    assert!(steps.remove.is_empty());
    let (id, times) = steps.change[0];
    assert_eq!((id, times.retire_at), (first, later(year, HOUR)));
    assert_eq!(times.gone_at, later(year, HOUR + KEPT_AFTER));
    assert_eq!(keys.signer(year), first);
}

#[test]
fn another_interval_or_algorithm_is_followed_an_hour_later() {
    // (days when it was made, after how many days, days now, algorithm now, whether a key is made)
    for (before, after, days, algorithm, made) in [
        (30, 10, 30, EDDSA, false),
        (30, 10, 10, EDDSA, true),
        (30, 10, 11, EDDSA, false),
        (30, 30, 60, EDDSA, false),
        (30, 60, 60, EDDSA, true),
        (30, 1, 30, Algorithm::Es256, true),
        (30, 0, 30, Algorithm::Rs256, true),
    ] {
        let mut keys = Keys::default();
        keys.due(at(0), rules(EDDSA, before));
        let now = later(at(0), DAY * after);
        let steps = keys.due(now, rules(algorithm, days));
        let use_from = steps.add.map(|times| times.use_from);
        let expected = made.then(|| later(now, HOUR));
        assert_eq!(use_from, expected, "{before} {after} {days} {algorithm:?}");
    }
}

#[test]
fn two_gateways_that_disagree_make_a_key_an_hour_at_most() {
    let mut keys = Keys::default();
    for tick in 0..3 * 24 * 12 {
        let algorithm = [EDDSA, Algorithm::Es256][usize::from(tick % 2 == 0)];
        keys.due(at(tick * 300), rules(algorithm, 30));
        assert!(keys.keys.len() <= 27, "{}", keys.keys.len());
    }
}

#[test]
fn a_key_that_is_asked_for_is_made_once() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    keys.due(at(0), rules);
    let now = later(at(0), DAY);
    let steps = keys.run(now, rules, Ask::Rotate).unwrap();
    assert_eq!(steps.add.unwrap().use_from, later(now, HOUR));
    assert!(keys.run(now, rules, Ask::Rotate).unwrap().is_empty());

    // The one that waits is brought forward.
    let waits = keys.keys[1].id;
    let soon = later(now, Duration::from_secs(20));
    let steps = keys.run(soon, rules, Ask::RotateNow).unwrap();
    assert_eq!(steps.add, None);
    let minute = later(now, SEEN_WITHIN);
    let of_waiting = steps.change.iter().find(|(id, _)| *id == waits);
    assert_eq!(of_waiting.unwrap().1.use_from, minute);
    assert_eq!(keys.keys[0].times.retire_at, minute);
    assert!(keys.run(soon, rules, Ask::RotateNow).unwrap().is_empty());
    assert_eq!(keys.signer(minute), waits);

    // And where everybody has seen it, it signs at once.
    keys.run(later(now, HOUR), rules, Ask::Rotate).unwrap();
    let then = later(now, HOUR + HOUR / 2);
    keys.run(then, rules, Ask::RotateNow).unwrap();
    assert_eq!(keys.signer(then), keys.keys[2].id);
}

#[test]
fn a_key_that_is_needed_now_signs_in_a_minute() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    keys.due(at(0), rules);
    let first = keys.keys[0].id;
    let add = keys.run(at(100), rules, Ask::RotateNow).unwrap().add;
    assert_eq!(add.unwrap().use_from, at(160));
    assert_eq!(keys.signer(at(159)), first);
    assert_ne!(keys.signer(at(160)), first);
    // In an empty store it is the first.
    let add = Keys::default().run(at(0), rules, Ask::RotateNow).unwrap();
    assert_eq!(add.add.unwrap().use_from, at(0));
}

#[test]
fn a_lost_key_leaves_the_set_with_its_tokens_and_no_other_does() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    keys.due(at(0), rules);
    keys.run(at(100), rules, Ask::RotateNow).unwrap();
    let (first, lost) = (keys.keys[0].id, keys.keys[1].id);
    let add = keys.run(at(200), rules, Ask::Lost).unwrap().add;
    assert_eq!(add.unwrap().use_from, at(260));
    assert!(keys.due(at(259), rules).is_empty());
    assert_eq!(keys.signer(at(259)), lost);
    // Also where the next one is late.
    assert_eq!(keys.due(at(900), rules).remove, [lost]);
    let ids: Vec<Uuid> = keys.keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, [first, keys.signer(at(900))]);

    // The one that waits is brought forward.
    let now = later(at(0), DAY * 3);
    keys.run(now, rules, Ask::Rotate).unwrap();
    let signs = keys.signer(now);
    let minute = later(now, SEEN_WITHIN);
    assert_eq!(keys.run(now, rules, Ask::Lost).unwrap().add, None);
    assert_eq!(keys.due(minute, rules).remove.last(), Some(&signs));
    // At once, where it was seen: then it is not the one that is lost.
    keys.run(minute, rules, Ask::Rotate).unwrap();
    let (signs, next) = (keys.signer(minute), keys.keys.last().unwrap().id);
    let then = later(minute, HOUR / 2);
    assert_eq!(keys.run(then, rules, Ask::Lost).unwrap().remove, [signs]);
    assert_eq!(keys.signer(then), next);
    // And in an empty store there is nothing to lose.
    let add = Keys::default().run(at(0), rules, Ask::Lost).unwrap().add;
    assert_eq!(add.unwrap().use_from, at(0));
}

#[test]
fn nobody_fills_the_set_by_hand() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    let mut refused = 0;
    for minute in 0..24 * 60 {
        refused += u32::from(keys.run(at(minute * 61), rules, Ask::RotateNow).is_err());
        keys.due(at(minute * 61), rules);
    }
    assert!(refused > 0);
    assert!(keys.keys.len() <= MOST_KEYS, "{}", keys.keys.len());
    assert!(keys.run(at(3 * 86400), rules, Ask::RotateNow).is_ok());
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_for_long() {
    let mut keys = Keys::default();
    let rules = rules(EDDSA, 30);
    let year = later(at(0), DAY * 365);
    keys.due(at(0), rules);
    let first = keys.keys[0].id;
    // The clock jumps a year ahead, a key is made, and it jumps back.
    keys.due(year, rules);
    let second = keys.keys[1].id;
    let now = at(600);
    keys.due(now, rules);
    let times = |id: Uuid| keys.keys.iter().find(|key| key.id == id).unwrap().times;
    assert_eq!(times(second).use_from, later(now, HOUR));
    assert_eq!(times(second).published, now);
    assert_eq!(times(first).retire_at, later(now, HOUR));
    assert_eq!(
        (keys.signer(now), keys.signer(later(now, HOUR))),
        (first, second)
    );
    // The same where all of them were made in the future: one of them signs meanwhile.
    let mut keys = Keys::default();
    keys.due(year, rules);
    assert_eq!(keys.signer(at(0)), keys.keys[0].id);
    keys.due(at(0), rules);
    assert_eq!(keys.keys[0].times.use_from, at(0));
    assert_eq!(keys.signer(at(0)), keys.keys[0].id);
}

/// What happens to a store and its gateways.
#[derive(Clone, Debug)]
enum Event {
    /// Gateways run for so many ticks of this many minutes, and mint.
    Run(u32, i64),
    /// Nobody runs for so many hours.
    Off(i64),
    /// The gateways get other rules: the two of them may differ.
    Rules([(Algorithm, u32); 2]),
    /// Someone asks for a key.
    Ask(Ask),
    /// The clock of the database is set, by so many minutes.
    Step(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let rule = || {
        let algorithm = select(vec![EDDSA, Algorithm::Es256, Algorithm::Rs256]);
        (algorithm, select(vec![1_u32, 2, 30, 365]))
    };
    prop_oneof![
        6 => (1_u32..200, select(vec![1_i64, 5, 60])).prop_map(|(ticks, each)| Event::Run(ticks, each)),
        2 => (1_i64..2000).prop_map(Event::Off),
        1 => rule().prop_map(|rule| Event::Rules([rule, rule])),
        1 => (rule(), rule()).prop_map(|(one, two)| Event::Rules([one, two])),
        1 => select(vec![Ask::Rotate, Ask::RotateNow, Ask::Lost]).prop_map(Event::Ask),
        1 => prop_oneof![-600_000_i64..600_000, -90_i64..90].prop_map(Event::Step),
    ]
}

/// The world of [`Event`]s: what must hold is asserted at each tick.
struct World {
    keys: Keys,
    rules: [Rules; 2],
    /// Minutes that have really passed, and what the clock is off.
    passed: i64,
    off: i64,
    /// When a key was really published; `None` where it need not be an hour before it signs.
    published: Vec<(Uuid, Option<i64>)>,
    /// Keys that are to leave the set when they sign no more: nothing is promised to their tokens.
    lost: Vec<Uuid>,
    /// Of each key the token that was minted last: its `iat`, by the clock.
    tokens: Vec<(Uuid, Timestamp)>,
}

impl World {
    fn new() -> Self {
        Self {
            keys: Keys::default(),
            rules: [rules(EDDSA, 30); 2],
            passed: 0,
            off: 0,
            published: Vec::new(),
            lost: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at((self.passed + self.off) * 60)
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Run(ticks, each) => {
                for tick in 0..*ticks {
                    self.look(self.rules[usize::from(tick % 2 == 0)], Ask::Due);
                    self.mint();
                    self.passed += each;
                }
            }
            Event::Off(hours) => self.passed += hours * 60,
            Event::Rules(pairs) => self.rules = pairs.map(|(alg, days)| rules(alg, days)),
            Event::Ask(ask) => self.look(self.rules[0], *ask),
            Event::Step(minutes) => {
                self.off += minutes;
                let now = self.now();
                // Tokens from a future that was none, and keys whose hour was cut short.
                self.tokens.retain(|(_, issued)| *issued <= now);
                for (_, published) in &mut self.published {
                    *published = None;
                }
            }
        }
    }

    fn look(&mut self, rules: Rules, ask: Ask) {
        let now = self.now();
        let before: Vec<Uuid> = self.keys.keys.iter().map(|key| key.id).collect();
        let steps = match ask {
            Ask::Due => self.keys.due(now, rules),
            Ask::Rotate | Ask::RotateNow | Ask::Lost => {
                self.lost.extend(
                    signer(&self.keys.keys, now)
                        .filter(|_| ask == Ask::Lost)
                        .map(|key| key.id),
                );
                let steps = self.keys.run(now, rules, ask);
                steps.unwrap_or_default()
            }
        };
        let soon = matches!(ask, Ask::RotateNow | Ask::Lost);
        let hurried = before.is_empty() || soon;
        for key in &self.keys.keys {
            if !before.contains(&key.id) {
                let published = (!hurried).then_some(self.passed);
                self.published.push((key.id, published));
            }
        }
        if soon {
            for (id, _) in &steps.change {
                let moved = self.published.iter_mut().find(|(key, _)| key == id);
                moved.expect("it was published").1 = None;
            }
        }
        assert!(self.keys.keys.len() <= 100, "{}", self.keys.keys.len());
        // Its `exp` is a day after its `iat`, and leeway lets it pass for five minutes more.
        let good = DAY + Duration::from_mins(5);
        self.tokens
            .retain(|(key, issued)| now < later(*issued, good) && !self.lost.contains(key));
        for (key, issued) in &self.tokens {
            let there = self.keys.keys.iter().any(|held| held.id == *key);
            assert!(there, "the key of a token of {issued} is gone at {now}");
        }
    }

    fn mint(&mut self) {
        let signer = self.keys.signer(self.now());
        let (_, published) = self
            .published
            .iter()
            .find(|(key, _)| *key == signer)
            .unwrap();
        if let Some(published) = published {
            assert!(published + 60 <= self.passed, "{published} {}", self.passed);
        }
        self.tokens.retain(|(key, _)| *key != signer);
        self.tokens.push((signer, self.now()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Every token that is good finds its key, no key signs before everybody could see it, one key signs at each time, and
    /// the set stays one that can be read.
    #[test]
    fn whatever_happens_every_token_finds_its_key(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
    }

    #[test]
    fn without_disturbance_a_key_signs_as_long_as_it_is_to(days in 1_u32..20, minutes in 10_i64..60) {
        let rules = rules(EDDSA, days);
        let mut keys = Keys::default();
        let mut since = None;
        for tick in 0..i64::from(days) * 3 * 1440 / minutes {
            let now = at(tick * minutes * 60);
            keys.due(now, rules);
            let signs = keys.signer(now);
            let (_, from) = *since.get_or_insert((signs, now));
            if since.is_some_and(|(key, _)| key != signs) {
                let signed = now.duration_since(from);
                let slack = SignedDuration::from_mins(2 * minutes);
                let planned = SignedDuration::try_from(rules.rotate).unwrap();
                prop_assert!(planned - slack <= signed && signed <= planned + slack, "{signed:?}");
                since = Some((signs, now));
            }
            prop_assert!(keys.keys.len() <= 3);
        }
    }
}
