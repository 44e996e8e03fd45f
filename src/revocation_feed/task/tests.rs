use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tempfile::TempDir;

use super::super::handle::{FeedHandle, Wiring, start_from};
use super::*;
use crate::config::{Place, StoreUrl};
use crate::jwt::ClaimsSet;
use crate::revocation::{RevocationKind, TokenFacts};

mod model;
mod outages;

/// `iss` of every token here.
const ISSUER: &str = "https://a.example";

/// When a test begins.
const START: i64 = 1_800_000_000;

const STALE_FOR: Duration = Duration::from_mins(10);

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

/// A store that does as it is told.
#[derive(Clone, Default)]
struct Scripted(Arc<Script>);

#[derive(Default)]
struct Script {
    /// As the store has them: without those that were taken back.
    rows: Mutex<Vec<Row>>,
    newest: AtomicI64,
    is_away: AtomicBool,
    /// After so many more questions it goes away, if it is not negative.
    goes_after: AtomicI64,
    told: tokio::sync::Notify,
}

impl Scripted {
    fn new() -> Self {
        let script = Self::default();
        script.0.goes_after.store(-1, Ordering::Relaxed);
        script
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Vec<Row>> {
        self.0.rows.lock().unwrap()
    }

    fn away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::Relaxed);
        self.0.goes_after.store(-1, Ordering::Relaxed);
    }

    /// Puts a row beside those of its target that are there, or in their place if it takes them back.
    fn put(&self, row: Row) {
        let number = self.0.newest.fetch_add(1, Ordering::Relaxed) + 1;
        let mut rows = self.rows();
        rows.retain(|old| {
            !row.removed
                || (&old.issuer, old.kind, &old.value) != (&row.issuer, row.kind, &row.value)
        });
        rows.push(Row { number, ..row });
    }

    fn revoke(&self, kind: RevocationKind, value: &str) {
        self.put(row(kind, value));
    }

    fn unrevoke(&self, kind: RevocationKind, value: &str) {
        self.put(Row {
            removed: true,
            ..row(kind, value)
        });
    }

    fn answers(&self) -> Result<(), StoreError> {
        let left = &self.0.goes_after;
        if left.load(Ordering::Relaxed) == 0 {
            self.0.is_away.store(true, Ordering::Relaxed);
        } else if left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
        }
        if self.0.is_away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("scripted".to_owned()));
        }
        Ok(())
    }
}

impl Source for Scripted {
    async fn newest(&mut self) -> Result<i64, StoreError> {
        self.answers()?;
        Ok(self.0.newest.load(Ordering::Relaxed))
    }

    async fn after(&mut self, number: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.answers()?;
        let rows = self.rows();
        let after = rows.iter().filter(|row| row.number > number);
        Ok(after.take(limit as usize).cloned().collect())
    }

    async fn changed(&mut self) {
        self.0.told.notified().await;
    }
}

fn row(kind: RevocationKind, value: &str) -> Row {
    Row {
        number: 0,
        issuer: ISSUER.into(),
        kind,
        value: value.into(),
        before: None,
        until: None,
        removed: false,
    }
}

/// What is there while a process is not.
struct World {
    store: Scripted,
    state: TempDir,
    clock: Clock,
    seconds: Arc<AtomicI64>,
    fail: StoreFailure,
}

impl World {
    fn new() -> Self {
        let (clock, seconds) = Clock::manual(at(START));
        Self {
            store: Scripted::new(),
            state: tempfile::tempdir().unwrap(),
            clock,
            seconds,
            fail: StoreFailure::Closed,
        }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig {
            place: Place::default(),
            url: StoreUrl::Sqlite("/a.db".into()),
            fail: self.fail,
            stale_for: STALE_FOR,
        }
    }

    fn now(&self) -> i64 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// Both clocks go on.
    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        let seconds = i64::try_from(time.as_secs()).unwrap();
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A process that does nothing by itself.
    async fn process(&self) -> Process {
        let sets = Arc::new(ArcSwap::from_pointee(match self.fail {
            StoreFailure::Closed => RevocationSet::missing(),
            StoreFailure::Open => RevocationSet::empty(),
        }));
        let config = self.config();
        let status = Arc::new(Mutex::new(FeedStatus::new(config.fail, config.stale_for)));
        let outside = Outside {
            sets: Arc::clone(&sets),
            clock: self.clock.clone(),
            metrics: Metrics::new(1, &[]),
            status: Arc::clone(&status),
            loaded: watch::channel(false).0,
        };
        let disk = Disk::of(self.state.path(), &config.url);
        let mut task = Task::new(self.store.clone(), outside, disk, &config);
        task.take_copy().await;
        Process { task, sets, status }
    }

    /// One that runs.
    fn running(&self) -> (FeedHandle, Arc<ArcSwap<RevocationSet>>) {
        let sets = Arc::new(ArcSwap::from_pointee(RevocationSet::empty()));
        let config = self.config();
        let wiring = Wiring {
            sets: Arc::clone(&sets),
            clock: self.clock.clone(),
            state_directory: self.state.path().to_owned(),
            config: &config,
            metrics: Metrics::new(1, &[]),
        };
        (start_from(self.store.clone(), wiring), sets)
    }
}

struct Process {
    task: Task<Scripted>,
    sets: Arc<ArcSwap<RevocationSet>>,
    status: Arc<Mutex<FeedStatus>>,
}

impl Process {
    /// Asks the store, and lets a copy be written to its end.
    async fn poll(&mut self) -> bool {
        let caught_up = self.task.poll().await;
        self.task.copies.settle().await;
        caught_up
    }

    fn verdict(&self, world: &World, jti: &str) -> Verdict {
        verdict(&self.sets.load(), world.now(), jti)
    }
}

/// What a decision makes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    Refused,
    /// 503
    Unknown,
}

fn verdict(set: &RevocationSet, now: i64, jti: &str) -> Verdict {
    verdict_of(set, now, &format!(r#"{{"jti":"{jti}"}}"#))
}

fn verdict_of(set: &RevocationSet, now: i64, json: &str) -> Verdict {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
    let claims = ClaimsSet::parse(encoded.as_bytes()).unwrap();
    let facts = TokenFacts {
        issuer: ISSUER,
        kid: None,
        claims: &claims,
    };
    if !set.is_current(at(now)) {
        Verdict::Unknown
    } else if set.check(&facts, None).is_err() {
        Verdict::Refused
    } else {
        Verdict::Admitted
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_is_refused_until_it_is_taken_back() {
    let world = World::new();
    let mut process = world.process().await;
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    world.store.revoke(RevocationKind::Jti, "a");
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
    assert_eq!(process.verdict(&world, "b"), Verdict::Admitted);
    world.store.unrevoke(RevocationKind::Jti, "a");
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Admitted);
    world.store.revoke(RevocationKind::Jti, "a");
    assert!(process.poll().await);
    assert_eq!(process.verdict(&world, "a"), Verdict::Refused);
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_target_stand_beside_each_other() {
    let world = World::new();
    let mut process = world.process().await;
    let token = r#"{"sub":"u","iat":150}"#;
    // Whether it is read as it comes or all at once, the narrower one takes nothing from the wider.
    for before in [None, Some(100)] {
        world.store.put(Row {
            before: before.map(at),
            ..row(RevocationKind::Sub, "u")
        });
        assert!(process.poll().await);
        let mut another = world.process().await;
        assert!(another.poll().await);
        for process in [&process, &another] {
            let found = verdict_of(&process.sets.load(), world.now(), token);
            assert_eq!(found, Verdict::Refused, "{before:?}");
        }
    }
    // Taken back and revoked more narrowly between two polls.
    world.store.unrevoke(RevocationKind::Sub, "u");
    world.store.put(Row {
        before: Some(at(100)),
        ..row(RevocationKind::Sub, "u")
    });
    assert!(process.poll().await);
    let found = verdict_of(&process.sets.load(), world.now(), token);
    assert_eq!(found, Verdict::Admitted);
}

/// Clocks differ, and one may be set back: in memory and in the copy on disk.
#[tokio::test(start_paused = true)]
async fn what_is_over_is_remembered_for_five_minutes_more() {
    let world = World::new();
    let mut process = world.process().await;
    world.store.put(Row {
        until: Some(at(START + 10)),
        ..row(RevocationKind::Jti, "a")
    });
    let minute = Duration::from_mins(1);
    for (passes, expected) in [
        (Duration::ZERO, Verdict::Refused),
        (minute * 5, Verdict::Refused),
        (minute, Verdict::Admitted),
    ] {
        world.pass(passes).await;
        world.store.away(true);
        if !passes.is_zero() {
            let from_copy = world.process().await;
            assert_eq!(from_copy.verdict(&world, "a"), expected);
        }
        world.store.away(false);
        assert!(process.poll().await);
        assert_eq!(process.verdict(&world, "a"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_million_rows_are_read_in_pages() {
    /// Makes its rows as they are asked for.
    struct Endless(u64);
    impl Source for Endless {
        async fn newest(&mut self) -> Result<i64, StoreError> {
            Ok(1_000_000)
        }
        async fn after(&mut self, number: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
            self.0 += 1;
            assert!(limit <= PAGE);
            let last = (number + i64::from(limit)).min(1_000_000);
            let numbers = number + 1..=last;
            Ok(numbers
                .map(|number| Row {
                    number,
                    ..row(RevocationKind::Jti, &format!("j{number}"))
                })
                .collect())
        }
        async fn changed(&mut self) {}
    }
    let world = World::new();
    let process = world.process().await;
    let outside = process.task.outside;
    let config = world.config();
    let disk = Disk::of(world.state.path(), &config.url);
    let mut task = Task::new(Endless(0), outside, disk, &config);
    assert!(task.poll().await);
    assert_eq!(process.sets.load().len(), 1_000_000);
    assert_eq!(task.source.0, u64::from(1_000_000 / PAGE) + 1);
    for (jti, expected) in [
        ("j1", Verdict::Refused),
        ("j1000000", Verdict::Refused),
        ("j1000001", Verdict::Admitted),
    ] {
        assert_eq!(verdict(&process.sets.load(), world.now(), jti), expected);
    }
}
