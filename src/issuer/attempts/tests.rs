use proptest::prelude::*;

use super::*;

const HOME: &str = "192.0.2.7";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fails once; the answer is how long it had to wait, if it had to.
fn fail(attempts: &mut Attempts, account: &str, from: &str, now: Duration) -> Result<(), Duration> {
    match attempts.begin(account, address(from), now) {
        Ok(attempt) => {
            attempts.failed(attempt, now);
            Ok(())
        }
        Err(Wait(wait)) => Err(wait),
    }
}

/// Fails from addresses that nobody else has, as often as it takes for the account to be hot.
fn heat(attempts: &mut Attempts, account: &str, now: Duration) {
    for n in 0..ACCOUNT.from {
        let from = format!("2001:db8:{n:x}::1");
        assert_eq!(fail(attempts, account, &from, now), Ok(()));
    }
}

#[test]
fn a_pair_waits_from_its_fifth_failure_and_ever_longer() {
    let mut attempts = Attempts::new();
    let mut now = seconds(1000);
    for _ in 0..5 {
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
    }
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
        // Of that time a failure may be forgiven, which takes three minutes; so no more than a step is lost.
        let refused = fail(&mut attempts, "alice", HOME, now).unwrap_err();
        assert!(
            refused <= seconds(wait) && refused * 2 >= seconds(wait),
            "{refused:?} {wait}"
        );
        // Asking again costs nothing.
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Err(refused));
        now += refused;
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
    }
    // Others are not concerned, nor is the same person elsewhere.
    assert_eq!(fail(&mut attempts, "bob", HOME, now), Ok(()));
    assert_eq!(fail(&mut attempts, "alice", "192.0.2.8", now), Ok(()));
    now += DECAY;
    for _ in 0..5 {
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
    }
}

#[test]
fn an_address_waits_after_twenty_failures_over_all_accounts() {
    let mut attempts = Attempts::new();
    let now = seconds(1);
    let owner = attempts.begin("owner", address(HOME), now).unwrap();
    attempts.succeeded(owner, now);
    for n in 0..20 {
        assert_eq!(fail(&mut attempts, &format!("user{n}"), HOME, now), Ok(()));
    }
    let refused = fail(&mut attempts, "another", HOME, now);
    assert_eq!(refused, Err(seconds(1)));
    // Who has signed in from there before does not suffer from its neighbours.
    assert!(attempts.begin("owner", address(HOME), now).is_ok());
    let elsewhere = fail(&mut attempts, "another", "192.0.2.8", now);
    assert_eq!(elsewhere, Ok(()));
    // To sign in oneself wipes nothing out.
    let own = attempts.begin("owner", address(HOME), now).unwrap();
    attempts.succeeded(own, now);
    assert_eq!(fail(&mut attempts, "another", HOME, now), Err(seconds(1)));
}

#[test]
fn one_network_of_ipv6_is_one_address_and_mapped_ipv4_is_ipv4() {
    for (one, other, same) in [
        ("2001:db8::1", "2001:db8::ffff:1", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("192.0.2.7", "::ffff:192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("0.0.0.0", "::", false),
    ] {
        assert_eq!(
            network_of(address(one)) == network_of(address(other)),
            same,
            "{one} {other}"
        );
    }
}

#[test]
fn of_many_at_once_each_sees_the_others() {
    let mut attempts = Attempts::new();
    let now = seconds(9);
    let begun: Vec<_> = (0..200)
        .filter_map(|_| attempts.begin("alice", address(HOME), now).ok())
        .collect();
    assert_eq!(begun.len(), 5);
    // Nothing was found out about them: as if they had not been.
    for attempt in begun {
        attempts.undecided(attempt);
    }
    assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
}

#[test]
fn who_signs_in_begins_anew() {
    let mut attempts = Attempts::new();
    let now = seconds(9);
    for _ in 0..4 {
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
    }
    let right = attempts.begin("alice", address(HOME), now).unwrap();
    attempts.succeeded(right, now);
    for _ in 0..5 {
        assert_eq!(fail(&mut attempts, "alice", HOME, now), Ok(()));
    }
    assert!(fail(&mut attempts, "alice", HOME, now).is_err());
}

#[test]
fn a_hot_account_gives_each_new_address_a_slot_and_its_own_addresses_all_of_them() {
    let mut attempts = Attempts::new();
    let now = seconds(100);
    let home = attempts.begin("alice", address(HOME), now).unwrap();
    attempts.succeeded(home, now);
    heat(&mut attempts, "alice", now);
    assert!(attempts.begin("alice", address(HOME), now).is_ok());
    let waits: Vec<Duration> = (0..200)
        .map(|n| {
            let from = address(&format!("198.51.100.{n}"));
            let begun = attempts.begin("alice", from, now);
            begun.map_or_else(|Wait(wait)| wait, |_| Duration::ZERO)
        })
        .collect();
    // About five of six have to wait, and not all for the same time.
    let waiting = waits.iter().filter(|wait| !wait.is_zero()).count();
    assert!((120..200).contains(&waiting), "{waiting}");
    assert!(waits.iter().all(|wait| *wait <= CYCLE));
    assert!(attempts.begin("bob", address("198.51.100.1"), now).is_ok());
    let cooled = now + DECAY;
    assert_eq!(fail(&mut attempts, "alice", "198.51.101.1", cooled), Ok(()));
}

#[test]
fn a_use_of_a_session_makes_an_address_known_too() {
    let mut attempts = Attempts::new();
    let now = seconds(100);
    attempts.is_at_home("alice", address(HOME), now);
    heat(&mut attempts, "alice", now);
    assert!(attempts.begin("alice", address(HOME), now).is_ok());
}

#[test]
fn memory_is_bounded_and_the_guilty_are_not_forgotten_for_the_innocent() {
    let mut attempts = Attempts::new();
    let now = seconds(100);
    let wrong = || "203.0.113.1".parse().unwrap();
    for _ in 0..12 {
        if let Ok(attempt) = attempts.begin("alice", wrong(), now) {
            attempts.failed(attempt, now);
        }
    }
    for n in 0..200_000_u32 {
        let from = IpAddr::V6((u128::from(n) << 64 | 1 << 125).into());
        if let Ok(attempt) = attempts.begin("nobody", from, now) {
            attempts.failed(attempt, now);
        }
    }
    let entries = |table: &Tallies| table.buckets.iter().flatten().count() * WAYS;
    for table in [&attempts.pairs, &attempts.addresses, &attempts.accounts] {
        assert!(entries(table) <= BUCKETS * WAYS);
    }
    assert!(attempts.begin("alice", wrong(), now).is_err());
}

#[derive(Clone, Debug)]
struct Step {
    account: u8,
    from: u16,
    pause: u16,
    end: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0..3_u8, any::<u16>(), 0..4000_u16, 0..8_u8).prop_map(|(account, from, pause, end)| Step {
        account,
        from,
        pause,
        end,
    })
}

/// What others do, from every address but the victim's.
fn attack(attempts: &mut Attempts, steps: &[Step], mut now: Duration) -> Duration {
    for step in steps {
        let account = ["victim", "other", "third"][usize::from(step.account)];
        let from = IpAddr::V6((u128::from(step.from) << 64 | 1 << 125).into());
        if let Ok(attempt) = attempts.begin(account, from, now) {
            match step.end {
                0 if account != "victim" => attempts.succeeded(attempt, now),
                1 => attempts.undecided(attempt),
                _ => attempts.failed(attempt, now),
            }
        }
        now += Duration::from_millis(step.pause.into());
    }
    now
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever others do, before and meanwhile: from a new address somebody waits a minute at most, and from one that it
    /// has used before not at all.
    #[test]
    fn no_victim_is_locked_out(
        before in proptest::collection::vec(step(), 0..400),
        meanwhile in proptest::collection::vec(step(), 0..200),
        start in 0..10_000_000_u64,
    ) {
        let mut attempts = Attempts::new();
        let start = Duration::from_millis(start);
        attempts.is_at_home("victim", address(HOME), start);
        let now = attack(&mut attempts, &before, start);
        prop_assert!(attempts.begin("victim", address(HOME), now).is_ok());

        let new = address("192.0.2.99");
        if let Err(Wait(wait)) = attempts.begin("victim", new, now) {
            prop_assert!(wait <= CYCLE, "{wait:?}");
            // The others go on for as long, and the moment that was told is kept.
            let mut then = now;
            for step in &meanwhile {
                then = attack(&mut attempts, std::slice::from_ref(step), then).min(now + wait);
            }
            prop_assert!(attempts.begin("victim", new, now + wait).is_ok());
        }
    }
}
