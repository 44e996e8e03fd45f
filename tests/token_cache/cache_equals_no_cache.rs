//! The property: at every step of any sequence, a worker that remembers decides as one that does not.

use portcullis::clock::UnixTime;
use portcullis::gate::{Reason, WorkerMemory};
use portcullis::revocation::{Revocation, RevocationTarget, RevocationWriter};
use proptest::prelude::*;

use crate::world::{ISSUERS, PATHS, Published, START, Setup, TokenSpec, Workshop, ask, ask_with};

#[derive(Clone, Debug)]
enum Step {
    Request { token: usize, path: usize },
    Reload(Change),
    Clock(i64),
    Revoke(usize, usize, Option<i64>),
    Allow(usize, usize),
}

#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Keys(usize, Vec<Published>),
    Audience(usize, u8),
    Leeway(u8),
    MaxLifetime(bool),
    Header(u8),
}

fn keys() -> impl Strategy<Value = Vec<Published>> {
    let one = (0..4_usize, prop::option::weighted(0.8, 0..3_u8));
    let one = one.prop_map(|(key, kid)| Published { key, kid });
    prop::collection::vec(one, 1..4)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Nothing),
        4 => (0..2_usize, keys()).prop_map(|(issuer, keys)| Change::Keys(issuer, keys)),
        1 => (0..2_usize, 0..2_u8).prop_map(|(issuer, audience)| Change::Audience(issuer, audience)),
        1 => prop_oneof![Just(0), Just(30), Just(60)].prop_map(Change::Leeway),
        1 => any::<bool>().prop_map(Change::MaxLifetime),
        1 => (0..2_u8).prop_map(Change::Header),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..TOKENS, 0..PATHS.len()).prop_map(|(token, path)| Step::Request { token, path }),
        2 => change().prop_map(Step::Reload),
        1 => (-120..120_i64).prop_map(Step::Clock),
        1 => (0..2_usize, 0..TARGETS.len(), prop::option::of(-60..60_i64))
            .prop_map(|(issuer, target, before)| Step::Revoke(issuer, target, before)),
        1 => (0..2_usize, 0..TARGETS.len()).prop_map(|(issuer, target)| Step::Allow(issuer, target)),
    ]
}

fn token() -> impl Strategy<Value = TokenSpec> {
    let times = (
        prop_oneof![3 => Just(3600), 1 => -60..120_i64, 1 => Just(10_000)],
        prop::option::weighted(0.2, -60..60_i64),
        prop::option::weighted(0.7, -60..60_i64),
    );
    let made = prop_oneof![
        2 => prop_oneof![Just((0, 0, 0)), Just((0, 1, 1)), Just((1, 2, 2))],
        1 => (0..3_usize, 0..4_usize, 0..3_u8),
    ];
    let said = (prop::bool::weighted(0.2), 0..3_u8, any::<bool>());
    (made, said, times, prop::bool::weighted(0.1)).prop_map(
        |((issuer, key, kid), (other_audience, subject, scope), times, forged)| TokenSpec {
            issuer,
            key,
            kid,
            audience: other_audience.into(),
            expires: times.0,
            not_before: times.1,
            issued_at: times.2,
            subject,
            scope,
            forged,
        },
    )
}

fn apply(change: Change, setup: &mut Setup) {
    match change {
        Change::Nothing => {}
        Change::Keys(issuer, keys) => setup.keys[issuer] = keys,
        Change::Audience(issuer, audience) => setup.audience[issuer] = audience,
        Change::Leeway(leeway) => setup.leeway = leeway,
        Change::MaxLifetime(limited) => setup.max_lifetime = limited,
        Change::Header(header) => setup.header = header,
    }
}

/// What is revoked, now and then.
const TARGETS: [RevocationTarget<'static>; 7] = [
    RevocationTarget::Sub("user0"),
    RevocationTarget::Sub("user1"),
    RevocationTarget::Jti("4f1c"),
    RevocationTarget::Kid("k0"),
    RevocationTarget::Kid("k1"),
    RevocationTarget::Kid("k2"),
    RevocationTarget::All,
];

/// Tokens of a sequence; the first ones are good at the start.
const TOKENS: usize = 8;

/// Room for nothing, for one or two tokens, for a few, for all.
const SIZES: [u64; 4] = [0, 3 << 10, 8 << 10, 1 << 20];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_worker_that_remembers_decides_as_one_that_does_not(
        tokens in prop::collection::vec(token(), TOKENS - 2),
        steps in prop::collection::vec(step(), 1..80),
        size in 0..SIZES.len(),
    ) {
        let good = [TokenSpec::default(), TokenSpec { issuer: 1, key: 2, kid: 2, ..TokenSpec::default() }];
        let tokens: Vec<String> = good.iter().chain(&tokens).map(TokenSpec::sign).collect();
        let (workshop, mut setup) = (Workshop::new(), Setup::default());
        let mut snapshot = workshop.build(&setup, None);
        let (mut memory, mut after) = (WorkerMemory::new(SIZES[size]), 0);
        let mut writer = RevocationWriter::new().expect("randomness");
        let mut revocations = writer.publish();
        for (number, step) in steps.iter().enumerate() {
            match step.clone() {
                Step::Reload(change) => {
                    let before = setup.clone();
                    apply(change, &mut setup);
                    // One kid for two keys leaves a set without a key, which keeps what is in force.
                    if setup.keys.iter().any(|keys| is_ambiguous(keys)) {
                        setup = before;
                    }
                    snapshot = workshop.build(&setup, Some(&snapshot));
                }
                Step::Clock(seconds) => after += seconds,
                Step::Revoke(issuer, target, before) => {
                    writer.add(&Revocation {
                        issuer: ISSUERS[issuer],
                        target: TARGETS[target],
                        before: before.map(|before| UnixTime::from_seconds(START + before)),
                        until: None,
                    });
                    revocations = writer.publish();
                }
                Step::Allow(issuer, target) => {
                    writer.remove(ISSUERS[issuer], TARGETS[target]);
                    revocations = writer.publish();
                }
                Step::Request { token, path } => {
                    let (token, path) = (&tokens[token], PATHS[path]);
                    let remembered = ask_with(&revocations, &snapshot, &mut memory, path, token, after);
                    let anew = ask_with(&revocations, &snapshot, &mut WorkerMemory::new(0), path, token, after);
                    prop_assert_eq!(remembered, anew, "step {} of {:?}", number, steps);
                }
            }
        }
    }
}

/// Whether a kid stands for different keys.
fn is_ambiguous(keys: &[Published]) -> bool {
    keys.iter().any(|one| {
        one.kid.is_some()
            && keys
                .iter()
                .any(|other| one.kid == other.kid && one.key != other.key)
    })
}

#[test]
fn the_cache_property_sees_hits_and_every_kind_of_refusal() {
    // The generators are worth something only if what they make reaches the cache, and what ends there.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (workshop, setup) = (Workshop::new(), Setup::default());
    let snapshot = workshop.build(&setup, None);
    let mut memory = WorkerMemory::new(1 << 20);
    let mut reasons = Vec::new();
    for _ in 0..200 {
        let spec = token().new_tree(&mut runner).expect("a token").current();
        let token = spec.sign();
        for path in PATHS {
            reasons.push(ask(&snapshot, &mut memory, path, &token, 0).reason());
        }
    }
    let counts = memory.take_counts();
    assert!(counts.hits > 100 && counts.misses > 100, "{counts:?}");
    for reason in [
        None,
        Some(Reason::BadSignature),
        Some(Reason::UnknownKey),
        Some(Reason::WrongIssuer),
        Some(Reason::WrongAudience),
        Some(Reason::Expired),
        Some(Reason::NotYetValid),
        Some(Reason::InsufficientScope),
    ] {
        assert!(reasons.contains(&reason), "{reason:?}");
    }
}
