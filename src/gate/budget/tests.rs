use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const RATE: u32 = 3;
const CLIENT_BURST: u32 = RATE * CLIENT_BURST_SECONDS;

fn budget(per_client: u32, per_worker: u32) -> SignatureBudget {
    SignatureBudget::new(limits(per_client, per_worker))
}

fn limits(per_client: u32, per_worker: u32) -> BadSignatureLimits {
    BadSignatureLimits {
        per_client: NonZeroU32::new(per_client),
        per_worker: NonZeroU32::new(per_worker),
    }
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(1_700_000_000 + seconds)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn numbered(number: u32) -> IpAddr {
    IpAddr::from(number.to_be_bytes())
}

/// A forged token: whether it was looked at.
fn forge(budget: &mut SignatureBudget, client: IpAddr, now: UnixTime) -> bool {
    let looked_at = budget.permits(client, now).is_ok();
    if looked_at {
        budget.charge(client, now);
    }
    looked_at
}

/// How many of `count` forged tokens are looked at.
fn forge_many(budget: &mut SignatureBudget, client: IpAddr, count: u32, now: UnixTime) -> u32 {
    let looked_at = (0..count).filter(|_| forge(budget, client, now)).count();
    u32::try_from(looked_at).unwrap()
}

#[test]
fn a_client_has_its_burst_and_then_its_rate() {
    let mut budget = budget(RATE, 0);
    let (forger, other) = (address("192.0.2.1"), address("192.0.2.2"));
    assert_eq!(forge_many(&mut budget, forger, 100, at(0)), CLIENT_BURST);
    let after = budget.permits(forger, at(0)).unwrap_err();
    assert_eq!(after.seconds(), CLIENT_BURST_SECONDS);
    assert_eq!(budget.permits(other, at(0)), Ok(()));
    assert_eq!(forge_many(&mut budget, forger, 100, at(1)), RATE);
    assert_eq!(forge_many(&mut budget, forger, 100, at(3)), 2 * RATE);
    // Who waits as long as it is told to has everything again.
    assert_eq!(
        forge_many(&mut budget, forger, 100, at(3 + 5)),
        CLIENT_BURST
    );
    assert_eq!(forge_many(&mut budget, forger, 100, at(900)), CLIENT_BURST);
}

#[test]
fn an_ipv6_client_is_a_network_and_a_mapped_address_is_ipv4() {
    for (one, other, same) in [
        ("2001:db8::1", "2001:db8:0:0:ffff::2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "::ffff:192.0.2.2", false),
        // The mapped addresses are one /64 with the loopback address, and no client of it.
        ("::ffff:192.0.2.1", "::1", false),
        ("192.0.2.1", "192.0.2.2", false),
    ] {
        let mut budget = budget(RATE, 0);
        forge_many(&mut budget, address(one), 100, at(0));
        let refused = budget.permits(address(other), at(0)).is_err();
        assert_eq!(refused, same, "{one} {other}");
    }
}

#[test]
fn the_worker_refuses_only_who_failed_within_the_last_minute() {
    let mut budget = budget(100, 10);
    let (once, forger) = (address("192.0.2.1"), address("192.0.2.2"));
    assert!(forge(&mut budget, once, at(0)));
    assert_eq!(forge_many(&mut budget, forger, 50, at(10)), 10);
    let after = budget.permits(once, at(10)).unwrap_err();
    assert_eq!(after.seconds(), WORKER_BURST_SECONDS);
    assert_eq!(budget.permits(address("192.0.2.3"), at(10)), Ok(()));
    assert_eq!(budget.permits(once, at(11)), Ok(()), "room again");
    assert_eq!(forge_many(&mut budget, forger, 50, at(59)), 10);
    assert!(budget.permits(once, at(59)).is_err());
    assert_eq!(forge_many(&mut budget, forger, 50, at(60)), 10);
    assert_eq!(budget.permits(once, at(60)), Ok(()), "a minute later");
}

#[test]
fn what_new_addresses_cost_does_not_lengthen_the_wait_of_others() {
    let mut budget = budget(0, 10);
    let once = address("192.0.2.1");
    assert!(forge(&mut budget, once, at(0)));
    let looked_at = (0..1000).filter(|n| forge(&mut budget, numbered(*n), at(0)));
    assert_eq!(looked_at.count(), 1000, "each once");
    assert!((0..1000).all(|n| !forge(&mut budget, numbered(n), at(0))));
    assert_eq!(budget.permits(once, at(1)), Ok(()));
}

#[test]
fn many_addresses_that_fail_once_do_not_wash_out_one_that_always_fails() {
    let mut budget = budget(RATE, 0);
    let forger = address("192.0.2.1");
    forge_many(&mut budget, forger, 100, at(0));
    for number in 0..4 * u32::try_from(CLIENTS).unwrap() {
        forge(&mut budget, numbered(number), at(0));
    }
    assert!(budget.permits(forger, at(0)).is_err());
    assert_eq!(size_of_val(&*budget.clients), 512 << 10);
    // Long afterwards they are in nobody's way.
    for number in 0..1000 {
        let client = numbered(number | 1 << 24);
        assert_eq!(forge_many(&mut budget, client, 100, at(61)), CLIENT_BURST);
        assert!(budget.permits(client, at(61)).is_err());
    }
}

#[test]
fn a_clock_that_steps_locks_nobody_out_for_long() {
    for step in [-1, -60, -86_400, i64::MIN / 2] {
        let mut budget = budget(RATE, RATE);
        let forger = address("192.0.2.1");
        forge_many(&mut budget, forger, 100, at(0));
        let back = UnixTime::from_seconds(step);
        assert!(budget.permits(forger, back).is_err(), "still owed");
        let later = UnixTime::from_seconds(step + i64::from(CLIENT_BURST_SECONDS));
        assert_eq!(budget.permits(forger, later), Ok(()), "{step}");
    }
    let mut budget = budget(u32::MAX, u32::MAX);
    let forger = address("192.0.2.1");
    for seconds in [i64::MAX, i64::MIN, 0, i64::MIN, i64::MAX, i64::MAX] {
        let now = UnixTime::from_seconds(seconds);
        assert!(forge(&mut budget, forger, now), "{seconds}");
    }
}

#[test]
fn new_limits_are_in_force_at_once() {
    let mut budget = budget(1000, 0);
    let forger = address("192.0.2.1");
    assert_eq!(forge_many(&mut budget, forger, 9000, at(0)), 5000);
    budget.set_limits(limits(1, 0));
    let after = budget.permits(forger, at(0)).unwrap_err();
    assert_eq!(after.seconds(), 5, "as if it had been so before");
    budget.set_limits(limits(0, 0));
    assert_eq!(forge_many(&mut budget, forger, 9000, at(0)), 9000);
    budget.set_limits(limits(0, 2));
    assert_eq!(forge_many(&mut budget, forger, 9000, at(0)), 2);
}

#[test]
fn without_limits_nothing_is_kept() {
    let mut budget = budget(0, 0);
    assert_eq!(
        forge_many(&mut budget, address("192.0.2.1"), 9000, at(0)),
        9000
    );
    assert!(budget.clients.is_empty());
}

/// Who forges, and how many seconds after the last.
fn floods() -> impl Strategy<Value = Vec<(u8, i64)>> {
    let pauses = prop_oneof![20 => Just(0), 3 => 1..4_i64, 1 => 50..70_i64];
    prop::collection::vec((0..4_u8, pauses), 1..300)
}

/// The most of `moments` that lie in any span, less what `rate` gives for that span.
fn most_at_once(moments: &[i64], rate: u32) -> i64 {
    let counted = |(first, start): (usize, &i64)| {
        let until = moments[first..].iter().zip(1_i64..);
        until
            .map(|(end, count)| count - i64::from(rate) * (end - start))
            .max()
    };
    let all = moments.iter().enumerate().filter_map(counted);
    all.max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_client_gets_more_than_its_burst_and_its_rate(flood in floods()) {
        let mut budget = budget(RATE, 0);
        let mut looked_at: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        let mut second = 0;
        for (client, pause) in flood {
            second += pause;
            if forge(&mut budget, numbered(client.into()), at(second)) {
                looked_at.entry(client).or_default().push(second);
            }
        }
        for moments in looked_at.values() {
            prop_assert!(most_at_once(moments, RATE) <= i64::from(CLIENT_BURST));
        }
    }

    #[test]
    fn the_worker_gives_those_who_failed_no_more_than_its_burst_and_its_rate(flood in floods()) {
        let mut budget = budget(0, RATE);
        let mut failed: BTreeMap<u8, i64> = BTreeMap::new();
        let mut looked_at = Vec::new();
        let mut second = 0;
        for (client, pause) in flood {
            second += pause;
            if forge(&mut budget, numbered(client.into()), at(second)) {
                let before = failed.insert(client, second);
                if before.is_some_and(|before| second - before < RECENT_SECONDS) {
                    looked_at.push(second);
                }
            }
        }
        prop_assert!(most_at_once(&looked_at, RATE) <= i64::from(RATE * WORKER_BURST_SECONDS));
    }

    #[test]
    fn who_never_fails_is_always_checked(
        flood in prop::collection::vec((any::<u32>(), any::<i64>()), 0..300),
        good in any::<u32>(),
    ) {
        let mut budget = budget(1, 1);
        for (client, second) in flood {
            let now = UnixTime::from_seconds(second);
            if client != good {
                forge(&mut budget, numbered(client), now);
            }
            prop_assert_eq!(budget.permits(numbered(good), now), Ok(()));
        }
    }
}
