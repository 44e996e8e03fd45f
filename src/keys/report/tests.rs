use crate::metrics::KeyCounts;

use super::*;

const START: i64 = 1_000_000;
const LEEWAY: i64 = 30;
const LIFETIME: i64 = 3600;
/// From here on a token that was made before the start has ended.
const OBSERVED: i64 = START + LIFETIME + 2 * LEEWAY;

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap())
}

fn lifetimes(max_lifetime: Option<i64>) -> Lifetimes {
    Lifetimes {
        leeway: seconds(LEEWAY),
        max_lifetime: max_lifetime.map(seconds),
    }
}

/// A key that nobody has used, in force since the start.
fn key(number: u8) -> KnownKey {
    KnownKey {
        kid: Some(number.to_string().into()),
        thumbprint: [number; 32],
        algorithms: ["RS256"].into(),
        source: None,
        first_seen: START,
        observed: START,
        removed: None,
        counts: KeyCounts::default(),
    }
}

/// One whose tokens end then.
fn used(number: u8, expires: i64) -> KnownKey {
    let mut key = key(number);
    key.counts.tokens = 5;
    key.counts.newest_expiry = Some(expires);
    key
}

/// One that was removed at the start, and whose tokens came so often since.
fn gone(number: u8, presented: u64, last: i64) -> KnownKey {
    let mut key = used(number, START + 10);
    key.removed = Some(START);
    key.counts.presented = presented;
    key.counts.last_presented = (presented > 0).then_some(last);
    key
}

fn seen(mut key: KnownKey, first: i64) -> KnownKey {
    key.first_seen = first;
    key
}

/// The verdict on the first of these keys.
fn verdict(keys: &[KnownKey], max_lifetime: Option<i64>, now: i64) -> KeyVerdict {
    let now = UnixTime::from_seconds(now);
    let rows = report_keys(keys.to_vec(), lifetimes(max_lifetime), now);
    assert_eq!(rows.len(), keys.len());
    rows[0].verdict
}

#[test]
fn a_key_is_in_use_until_its_last_token_has_ended_with_the_leeway() {
    let expires = OBSERVED + 1000;
    let keys = [used(0, expires), key(1)];
    let until = UnixTime::from_seconds(expires + LEEWAY);
    for (now, expected) in [
        (START, KeyVerdict::InUse { until }),
        (expires, KeyVerdict::InUse { until }),
        (expires + LEEWAY - 1, KeyVerdict::InUse { until }),
        (expires + LEEWAY, KeyVerdict::Safe),
        (expires + LEEWAY + LIFETIME, KeyVerdict::Safe),
    ] {
        assert_eq!(verdict(&keys, Some(LIFETIME), now), expected, "{now}");
    }
}

#[test]
fn nothing_is_safe_before_one_lifetime_of_observation() {
    let keys = [used(0, START + 10), key(1)];
    for (now, expected) in [
        (START + 10 + LEEWAY, KeyVerdict::Idle),
        (START + LIFETIME, KeyVerdict::Idle),
        (OBSERVED - 1, KeyVerdict::Idle),
        (OBSERVED, KeyVerdict::Safe),
    ] {
        assert_eq!(verdict(&keys, Some(LIFETIME), now), expected, "{now}");
    }
    // A clock that was set back has observed nothing.
    assert_eq!(
        verdict(&[used(0, 10), key(1)], Some(LIFETIME), 100),
        KeyVerdict::Idle
    );
    // However long ago an earlier process saw it.
    let keys = [seen(used(0, START + 10), 0), key(1)];
    assert_eq!(
        verdict(&keys, Some(LIFETIME), OBSERVED - 1),
        KeyVerdict::Idle
    );
}

#[test]
fn without_a_configured_lifetime_it_is_the_longest_seen_and_a_day_at_least() {
    const DAY: i64 = 24 * 3600;
    for (seen, lifetime) in [
        (None, DAY),
        (Some(60), DAY),
        (Some(-5), DAY),
        (Some(DAY), DAY),
        (Some(DAY + 1), DAY + 1),
        (Some(30 * DAY), 30 * DAY),
    ] {
        // Seen of another key of the issuer.
        let mut other = key(1);
        other.counts.longest_lifetime = seen;
        let keys = [used(0, START + 10), other];
        let observed = START + lifetime + 2 * LEEWAY;
        assert_eq!(
            verdict(&keys, None, observed - 1),
            KeyVerdict::Idle,
            "{seen:?}"
        );
        assert_eq!(verdict(&keys, None, observed), KeyVerdict::Safe, "{seen:?}");
    }
}

#[test]
fn the_only_key_is_never_safe() {
    let alone = [used(0, START + 10)];
    assert_eq!(verdict(&alone, Some(LIFETIME), OBSERVED), KeyVerdict::Idle);
    let last = [used(0, START + 10), gone(1, 0, 0)];
    assert_eq!(verdict(&last, Some(LIFETIME), OBSERVED), KeyVerdict::Idle);
}

#[test]
fn a_key_that_nobody_used_is_new_unless_a_newer_one_is_in_use() {
    let expires = OBSERVED + 1000;
    for (name, keys, expected) in [
        ("alone", vec![key(0)], KeyVerdict::New),
        (
            "nobody comes",
            vec![key(0), seen(key(1), START + 1)],
            KeyVerdict::New,
        ),
        (
            "beside another",
            vec![key(0), used(1, expires)],
            KeyVerdict::New,
        ),
        (
            "the next one",
            vec![seen(key(0), START + 1), used(1, expires)],
            KeyVerdict::New,
        ),
        (
            "an old one",
            vec![key(0), seen(used(1, expires), START + 1)],
            KeyVerdict::Safe,
        ),
    ] {
        assert_eq!(verdict(&keys, Some(LIFETIME), OBSERVED), expected, "{name}");
        let before = verdict(&keys, Some(LIFETIME), OBSERVED - 1);
        assert_eq!(before, KeyVerdict::New, "{name}");
    }
}

#[test]
fn a_key_that_is_gone_says_who_still_names_it() {
    let last = START + 100;
    let still = KeyVerdict::StillPresented {
        tokens: 3,
        last: UnixTime::from_seconds(last),
    };
    for (now, expected) in [
        (last, still),
        (last + LIFETIME - 1, still),
        (last + LIFETIME, KeyVerdict::Gone),
    ] {
        let keys = [gone(0, 3, last), key(1)];
        assert_eq!(verdict(&keys, Some(LIFETIME), now), expected, "{now}");
    }
    // Its tokens may have some time left: it is gone all the same.
    let mut early = gone(0, 0, 0);
    early.counts.newest_expiry = Some(OBSERVED + 1000);
    assert_eq!(
        verdict(&[early], Some(LIFETIME), OBSERVED),
        KeyVerdict::Gone
    );
}

#[test]
fn verdicts_are_words_and_codes() {
    let at = UnixTime::from_seconds(START);
    let presented = |tokens| KeyVerdict::StillPresented { tokens, last: at };
    for (verdict, code, words) in [
        (KeyVerdict::New, "new", "new and never used"),
        (
            KeyVerdict::InUse { until: at },
            "in_use",
            "in use until 1970-01-12T13:46:40Z",
        ),
        (KeyVerdict::Idle, "idle", "idle"),
        (KeyVerdict::Safe, "safe_to_retire", "safe to retire"),
        (
            presented(1),
            "still_presented",
            "gone, still presented (once, at 1970-01-12T13:46:40Z)",
        ),
        (
            presented(20),
            "still_presented",
            "gone, still presented (20 times, last at 1970-01-12T13:46:40Z)",
        ),
        (KeyVerdict::Gone, "gone", "gone"),
    ] {
        assert_eq!((verdict.code(), &*verdict.to_string()), (code, words));
    }
}
