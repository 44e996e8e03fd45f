//! Whatever happens, in whatever order: what is refused is what the store's list says.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Revoke {
        value: usize,
        before: Option<i64>,
        lasts: Option<i64>,
    },
    Unrevoke(usize),
    /// The store forgets what is over, but not its newest row.
    Purge,
    Poll,
    /// After so many questions the store goes away, and a poll breaks off in the middle.
    BreakOff(i64),
    Away,
    Back,
    Restart,
    TearCopy,
    Pass(u64),
}

const VALUES: [&str; 4] = ["a", "b", "c", "d"];

/// `iat` of the tokens.
const ISSUED: [i64; 2] = [START - 50, START + 50];

fn step() -> impl Strategy<Value = Step> {
    let value = 0..VALUES.len();
    let dates = (
        proptest::option::of(-100_i64..100),
        proptest::option::of(1_i64..2000),
    );
    prop_oneof![
        5 => (value.clone(), dates).prop_map(|(value, (before, lasts))| Step::Revoke {
            value,
            before,
            lasts
        }),
        3 => value.prop_map(Step::Unrevoke),
        1 => Just(Step::Purge),
        6 => Just(Step::Poll),
        2 => (0_i64..3).prop_map(Step::BreakOff),
        1 => Just(Step::Away),
        2 => Just(Step::Back),
        2 => Just(Step::Restart),
        1 => Just(Step::TearCopy),
        2 => (1_u64..400).prop_map(Step::Pass),
    ]
}

/// Whether a row refuses a token as long as it is not over.
fn refuses(row: &Row, value: &str, issued: i64) -> bool {
    let before = row.before.is_none_or(|before| at(issued) <= before);
    !row.removed && *row.value == *value && before
}

/// The list as of one moment, and that moment.
#[derive(Clone)]
struct Known {
    rows: Vec<Row>,
    as_of: i64,
}

struct Run {
    world: World,
    process: Process,
    /// What the process says it knows.
    known: Option<Known>,
    /// What the list was whenever the store went away in the middle of a poll: the process may know it, or not.
    perhaps: Vec<Vec<Row>>,
    /// What the copy on disk says.
    copied: Option<Known>,
    is_torn: bool,
    /// Rows that the store has forgotten.
    purged: Vec<Row>,
}

impl Run {
    /// Compares every token with what the list said when the process last knew it.
    fn compare(&self) -> Result<(), TestCaseError> {
        let now = self.world.now();
        let is_current = |known: &&Known| at(now) < at(known.as_of).plus(STALE_FOR);
        let known = self.known.as_ref().filter(is_current);
        for (value, issued) in VALUES.into_iter().flat_map(|v| ISSUED.map(|iat| (v, iat))) {
            let json = format!(r#"{{"jti":"{value}","iat":{issued}}}"#);
            let found = verdict_of(&self.process.sets.load(), now, &json);
            let is_over = |row: &Row| row.until.is_some_and(|until| until <= at(now));
            let says = |rows: &[Row]| {
                let mut refusing = rows.iter().filter(|row| refuses(row, value, issued));
                if refusing.clone().any(|row| !is_over(row)) {
                    return vec![Verdict::Refused];
                }
                // Tokens of a row that is over are over, too, and it may be remembered a little longer.
                let taken_back = rows
                    .iter()
                    .filter(|row| row.removed && *row.value == *value);
                let taken_back = taken_back.map(|row| row.number).max();
                let mut purged = self.purged.iter();
                let remembered = refusing.next().is_some()
                    || purged
                        .any(|row| refuses(row, value, issued) && Some(row.number) > taken_back);
                if remembered {
                    vec![Verdict::Admitted, Verdict::Refused]
                } else {
                    vec![Verdict::Admitted]
                }
            };
            let expected = match known {
                None => vec![Verdict::Unknown],
                Some(known) => {
                    let perhaps = self.perhaps.iter().flat_map(|rows| says(rows));
                    says(&known.rows).into_iter().chain(perhaps).collect()
                }
            };
            prop_assert!(
                expected.contains(&found),
                "{value} {issued}: {found:?}, not {expected:?}"
            );
        }
        Ok(())
    }

    async fn poll(&mut self) {
        let rows = self.world.store.rows().clone();
        let copies = self.process.task.copies.state();
        if self.process.poll().await {
            let as_of = self.world.now();
            self.known = Some(Known { rows, as_of });
            self.perhaps.clear();
            let (now, then) = (self.process.task.copies.state(), copies);
            // One that is confirmed is written only when the list has changed.
            self.is_torn &= now.0 == then.0;
            if now != then && !self.is_torn {
                self.copied.clone_from(&self.known);
            }
        } else {
            self.perhaps.push(rows);
        }
    }

    async fn step(&mut self, step: Step) {
        let store = &self.world.store;
        match step {
            Step::Revoke {
                value,
                before,
                lasts,
            } => store.put(Row {
                before: before.map(|before| at(START + before)),
                until: lasts.map(|lasts| at(self.world.now() + lasts)),
                ..row(RevocationKind::Jti, VALUES[value])
            }),
            Step::Unrevoke(value) => store.unrevoke(RevocationKind::Jti, VALUES[value]),
            Step::Purge => {
                let (now, newest) = (self.world.now(), store.0.newest.load(Ordering::Relaxed));
                let is_kept = |row: &Row| {
                    row.number == newest || row.until.is_none_or(|until| until >= at(now))
                };
                let mut rows = store.rows();
                self.purged
                    .extend(rows.iter().filter(|row| !is_kept(row)).cloned());
                rows.retain(is_kept);
            }
            Step::Poll => self.poll().await,
            Step::BreakOff(questions) => {
                store.0.goes_after.store(questions, Ordering::Relaxed);
                self.poll().await;
                self.world.store.away(false);
            }
            Step::Away => store.away(true),
            Step::Back => store.away(false),
            Step::Restart => {
                self.process = self.world.process().await;
                self.known.clone_from(&self.copied);
                self.perhaps.clear();
            }
            Step::TearCopy => {
                let file = self.world.state.path().join("revocations");
                if let Ok(content) = std::fs::read(&file) {
                    std::fs::write(&file, &content[..content.len() / 2]).unwrap();
                    self.copied = None;
                    self.is_torn = true;
                }
            }
            Step::Pass(seconds) => self.world.pass(Duration::from_secs(seconds)).await,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_set_in_force_says_what_the_list_of_the_store_says(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            let process = world.process().await;
            let mut run = Run { world, process, known: None, perhaps: Vec::new(), copied: None, is_torn: false, purged: Vec::new() };
            for step in steps {
                run.step(step).await;
                run.compare()?;
            }
            // Once the store answers, nothing of all that is left.
            run.world.store.away(false);
            run.poll().await;
            prop_assert!(run.known.is_some());
            run.compare()
        })?;
    }
}
