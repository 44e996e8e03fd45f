//! How often somebody may be wrong about a password.
//!
//! Three counts say who has to wait: that of a pair of account and address, that of an address over all accounts, and that
//! of an account over all addresses. The first two grow a backoff. The third one must not, or a stranger could lock
//! somebody out by being wrong in its name: a hot account admits each new address in a time slot of its own, once in each
//! [`CYCLE`], and an address from which it has signed in before at any time. The slot hangs on the pair alone, so nothing
//! that others do takes it away, and no memory is needed to keep it.
//!
//! Memory is bounded: tables of buckets, in which the least guilty entry gives way. A key is a hash under a random key, so
//! nobody can aim at a bucket. Time is an argument: since any moment that stays the same.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// The counts of the process.
pub(super) struct Attempts {
    keys: RandomState,
    pairs: Tallies,
    addresses: Tallies,
    accounts: Tallies,
    /// Pairs that have signed in; nobody gets in here by failing.
    known: Tallies,
}

/// One attempt that was let in. It counts as a failure until [`Attempts::succeeded`] or [`Attempts::undecided`] says
/// otherwise: of many at once each one sees the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Attempt {
    pair: u64,
    address: u64,
    account: u64,
}

/// How long somebody has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(pub(super) Duration);

/// After which all is forgotten if nothing more happens: 15 minutes.
const DECAY: Duration = Duration::from_mins(15);

/// Of one account and one address: from the fifth failure 1 s, doubled by each one more, up to 5 minutes.
const PAIR: Limit = Limit {
    from: 5,
    most: Duration::from_mins(5),
    forgotten: DECAY,
};

/// Of an address over all accounts. Many people share one, and twenty are wrong in a quarter of an hour.
const ADDRESS: Limit = Limit {
    from: 20,
    most: Duration::from_mins(5),
    forgotten: DECAY,
};

/// Of an account over all addresses: more than any person fails, and fewer than any list of passwords has.
const ACCOUNT: Limit = Limit {
    from: 50,
    most: Duration::ZERO,
    forgotten: DECAY,
};

/// A pair that signed in is known for as long as a person is on holiday.
const KNOWN: Limit = Limit {
    from: 1,
    most: Duration::ZERO,
    forgotten: Duration::from_hours(720),
};

/// Each new address may try a hot account once in this time, so nobody waits longer for others.
const CYCLE: Duration = Duration::from_mins(1);

/// How long its slot is open: whoever comes back when told to, finds it so.
const SLOT: Duration = Duration::from_secs(10);

impl Attempts {
    /// No counts.
    pub(super) fn new() -> Self {
        Self {
            keys: RandomState::new(),
            pairs: Tallies::new(PAIR),
            addresses: Tallies::new(ADDRESS),
            accounts: Tallies::new(ACCOUNT),
            known: Tallies::new(KNOWN),
        }
    }

    /// Whether somebody may try a password of `account` (a name in the form that is compared) from `address` now.
    ///
    /// # Errors
    /// How long until it may. An attempt that is refused counts for nothing: waiting becomes no longer by asking.
    pub(super) fn begin(
        &mut self,
        account: &str,
        address: IpAddr,
        now: Duration,
    ) -> Result<Attempt, Wait> {
        let attempt = self.attempt(account, address);
        let mut wait = self.pairs.wait(attempt.pair, now);
        if self.known.count(attempt.pair, now) == 0 {
            wait = wait.max(self.addresses.wait(attempt.address, now));
            if self.accounts.count(attempt.account, now) >= ACCOUNT.from {
                wait = wait.max(until_slot(attempt.pair, now));
            }
        }
        if !wait.is_zero() {
            return Err(Wait(wait));
        }
        self.pairs.charge(attempt.pair, now);
        self.accounts.charge(attempt.account, now);
        Ok(attempt)
    }

    /// The password was wrong, or nobody has that name. Only now the address is charged: many people behind one may sign
    /// in at the same moment.
    pub(super) fn failed(&mut self, attempt: Attempt, now: Duration) {
        self.addresses.charge(attempt.address, now);
    }

    /// The password was right. The address stays as it is: whoever has an account could else wipe out with it what it did
    /// to others.
    pub(super) fn succeeded(&mut self, attempt: Attempt, now: Duration) {
        self.pairs.forget(attempt.pair);
        self.accounts.refund(attempt.account);
        self.known.charge(attempt.pair, now);
    }

    /// Nobody found out.
    pub(super) fn undecided(&mut self, attempt: Attempt) {
        self.pairs.refund(attempt.pair);
        self.accounts.refund(attempt.account);
    }

    /// A session of this account was used from there: the address is known.
    pub(super) fn is_at_home(&mut self, account: &str, address: IpAddr, now: Duration) {
        let attempt = self.attempt(account, address);
        self.known.charge(attempt.pair, now);
    }

    fn attempt(&self, account: &str, address: IpAddr) -> Attempt {
        let address = network_of(address);
        Attempt {
            pair: self.keys.hash_one((0_u8, account, address)),
            address: self.keys.hash_one((1_u8, address)),
            account: self.keys.hash_one((2_u8, account)),
        }
    }
}

/// Whom an address belongs to: IPv4 itself, IPv6 by /64, which is what one customer is given.
fn network_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX) | 1 << 63,
    }
}

/// How long until the slot of a pair: nothing while it is open.
fn until_slot(pair: u64, now: Duration) -> Duration {
    let cycle = millis(CYCLE);
    let phase = pair % cycle;
    let position = (millis(now) + phase) % cycle;
    if position < millis(SLOT) {
        Duration::ZERO
    } else {
        Duration::from_millis(cycle - position)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

/// What a count leads to.
#[derive(Clone, Copy)]
struct Limit {
    /// The first failure that has a consequence. So many are forgiven in `forgotten`, one after the other.
    from: u32,
    /// The longest backoff.
    most: Duration,
    /// After so long without another one nothing is left.
    forgotten: Duration,
}

impl Limit {
    /// More is not counted: it would only take longer to forget.
    const fn highest(self) -> u32 {
        2 * self.from + 9
    }

    fn backoff(self, count: u32) -> Duration {
        let Some(over) = count.checked_sub(self.from) else {
            return Duration::ZERO;
        };
        Duration::from_secs(1 << over.min(16)).min(self.most)
    }
}

/// Counts by key, at most [`BUCKETS`] × [`WAYS`].
struct Tallies {
    limit: Limit,
    buckets: Box<[Option<Box<[Tally; WAYS]>>]>,
}

/// Of one key, as of the moment of its last charge.
#[derive(Clone, Copy, Default)]
struct Tally {
    key: u64,
    /// 0: the place is free.
    count: u32,
    at: Duration,
}

const BUCKETS: usize = 4096;
const WAYS: usize = 8;

impl Tallies {
    fn new(limit: Limit) -> Self {
        Self {
            limit,
            buckets: (0..BUCKETS).map(|_| None).collect(),
        }
    }

    /// What is left of the count of a key.
    fn count(&self, key: u64, now: Duration) -> u32 {
        self.find(key)
            .map_or(0, |tally| tally.left(self.limit, now))
    }

    /// How long a key has to wait.
    fn wait(&self, key: u64, now: Duration) -> Duration {
        self.find(key).map_or(Duration::ZERO, |tally| {
            (tally.at + self.limit.backoff(tally.count)).saturating_sub(now)
        })
    }

    /// One more, now.
    fn charge(&mut self, key: u64, now: Duration) {
        let limit = self.limit;
        let bucket = self.buckets[place(key)].get_or_insert_with(Box::default);
        let known = bucket.iter().position(|tally| tally.is_of(key));
        let Some(at) = known.or_else(|| {
            let guilt = |tally: &Tally| (tally.left(limit, now), tally.at);
            (0..WAYS).min_by_key(|at| guilt(&bucket[*at]))
        }) else {
            return;
        };
        let count = known.map_or(0, |_| bucket[at].left(limit, now));
        bucket[at] = Tally {
            key,
            count: (count + 1).min(limit.highest()),
            at: now,
        };
    }

    /// One less.
    fn refund(&mut self, key: u64) {
        if let Some(tally) = self.find_mut(key) {
            tally.count -= 1;
        }
    }

    fn forget(&mut self, key: u64) {
        if let Some(tally) = self.find_mut(key) {
            tally.count = 0;
        }
    }

    fn find(&self, key: u64) -> Option<&Tally> {
        let bucket = self.buckets[place(key)].as_ref()?;
        bucket.iter().find(|tally| tally.is_of(key))
    }

    fn find_mut(&mut self, key: u64) -> Option<&mut Tally> {
        let bucket = self.buckets[place(key)].as_mut()?;
        bucket.iter_mut().find(|tally| tally.is_of(key))
    }
}

impl Tally {
    fn is_of(&self, key: u64) -> bool {
        self.key == key && self.count > 0
    }

    /// What is left at `now`.
    fn left(&self, limit: Limit, now: Duration) -> u32 {
        let passed = now.saturating_sub(self.at);
        if passed >= limit.forgotten {
            return 0;
        }
        let each = limit.forgotten / limit.from;
        let forgiven = passed.as_millis() / each.as_millis();
        self.count
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

fn place(key: u64) -> usize {
    // The phase of a slot is made of the lowest bits.
    usize::try_from(key >> 48).unwrap_or_default() % BUCKETS
}

#[cfg(test)]
mod tests;
