//! How many wrong signatures are looked at: the one costly check that a stranger can ask for.
//!
//! Only *failed* checks are charged, to the client's address and to the worker. A client over its own limit is refused
//! before the next check. The worker's limit refuses only clients that failed within the last minute, so a client that sends
//! good tokens is checked whatever others do. Each worker has a budget of its own, without locks.
//!
//! Addresses are free for those who have many. Each new one gets one check, the worker's limit stops it at the second, and
//! [`CLIENTS`] of them are remembered. A table that is full forgets clients that have not failed for a minute first, then
//! those that owe least, so that many addresses which fail once do not wash out one that fails all the time: who wants it
//! forgotten must let eight others that share its place, under random keys, fail as often. What a spray over more
//! addresses than are remembered can get is one check for each request, and that needs a firewall.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use crate::clock::UnixTime;
use crate::config::BadSignatureLimits;

/// Clients that one worker remembers: 16,384, in 512 KiB that are taken with the first failure.
pub const CLIENTS: usize = PLACES * WAYS;

/// A client that failed within so many seconds is one that the worker's limit applies to: a minute, so that an address
/// which fails from time to time pays for it while a flood runs.
const RECENT_SECONDS: i64 = 60;

/// A client's burst, in seconds of its rate: a page that loads a hundred things with one wrong token is told so each time.
const CLIENT_BURST_SECONDS: u32 = 5;

/// The worker's: with 2,000 checks at 50 µs, what others may have to wait for is 0.1 s.
const WORKER_BURST_SECONDS: u32 = 1;

/// Where a client may stand: the sets of the table; a power of two.
const PLACES: usize = 2048;

/// How many clients stand in one.
const WAYS: usize = 8;

/// In how many seconds a client has its whole burst again (RFC 9110 §10.2.3); at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(NonZeroU32);

impl RetryAfter {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0.get()
    }
}

/// The failed signature checks of one worker and of its clients.
#[derive(Default)]
pub struct SignatureBudget {
    limits: BadSignatureLimits,
    worker: Debt,
    /// [`CLIENTS`] of them after the first failure, none before.
    clients: Box<[[Option<Debtor>; WAYS]]>,
    hash_keys: RandomState,
}

impl SignatureBudget {
    /// Of a worker that has seen no failure.
    #[must_use]
    pub fn new(limits: BadSignatureLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Other limits from now on, as after a reload. What was charged stays charged.
    pub fn set_limits(&mut self, limits: BadSignatureLimits) {
        self.limits = limits;
    }

    /// Whether a signature from this client is to be looked at. Without a failure in the last minute this is a comparison.
    ///
    /// # Errors
    /// When to try again, for a client over its limit, or that failed lately while the worker is over its own.
    pub fn permits(&mut self, client: IpAddr, now: UnixTime) -> Result<(), RetryAfter> {
        // A clock that was set back is no silence.
        if self.clients.is_empty() || now.since(self.worker.charged) >= RECENT_SECONDS {
            return Ok(());
        }
        self.worker.keep_up(now);
        let client = Client::of(client);
        let place = self.place_of(client);
        let Some(debtor) = self.clients[place]
            .iter_mut()
            .flatten()
            .find(|debtor| debtor.client == client)
        else {
            return Ok(());
        };
        debtor.debt.keep_up(now);
        if !debtor.debt.is_recent(now) {
            return Ok(());
        }
        debtor.debt.within(client_limit(self.limits), now)?;
        self.worker.within(worker_limit(self.limits), now)
    }

    /// Takes a failed check down.
    pub fn charge(&mut self, client: IpAddr, now: UnixTime) {
        let (of_client, of_worker) = (client_limit(self.limits), worker_limit(self.limits));
        if of_client.is_none() && of_worker.is_none() {
            return;
        }
        if self.clients.is_empty() {
            self.clients = vec![[None; WAYS]; PLACES].into_boxed_slice();
        }
        self.worker.charge(of_worker, now);
        let client = Client::of(client);
        let place = self.place_of(client);
        debt_of(&mut self.clients[place], client, of_client, now).charge(of_client, now);
    }

    fn place_of(&self, client: Client) -> usize {
        const MASK: u64 = PLACES as u64 - 1;
        usize::try_from(self.hash_keys.hash_one(client) & MASK).unwrap_or(0)
    }
}

/// Whom a failure is charged to: IPv4 by address, IPv6 by /64, which is what one customer is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Client {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(network(address)),
        }
    }
}

/// The first 64 bits.
fn network(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

#[derive(Clone, Copy, Debug)]
struct Debtor {
    client: Client,
    debt: Debt,
}

/// A rate, and what may come at once.
#[derive(Clone, Copy)]
struct Limit {
    per_second: NonZeroU32,
    burst: u32,
}

fn client_limit(limits: BadSignatureLimits) -> Option<Limit> {
    limits
        .per_client
        .map(|rate| Limit::new(rate, CLIENT_BURST_SECONDS))
}

fn worker_limit(limits: BadSignatureLimits) -> Option<Limit> {
    limits
        .per_worker
        .map(|rate| Limit::new(rate, WORKER_BURST_SECONDS))
}

impl Limit {
    fn new(per_second: NonZeroU32, burst_seconds: u32) -> Self {
        Self {
            per_second,
            burst: per_second.get().saturating_mul(burst_seconds),
        }
    }
}

/// A leaky bucket in whole seconds: failures that are not paid off yet, as of the last one. The rate is whole failures a
/// second, so nothing is lost in rounding.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Debt {
    failures: u32,
    charged: UnixTime,
}

impl Debt {
    /// Goes along with a clock that was set back: what is owed is then paid off from the new time on.
    fn keep_up(&mut self, now: UnixTime) {
        self.charged = self.charged.min(now);
    }

    /// Whether the last failure is less than a minute ago. After that nothing is owed.
    fn is_recent(self, now: UnixTime) -> bool {
        now.since(self.charged) < RECENT_SECONDS
    }

    /// What is still owed; without a limit nothing is.
    fn at(self, limit: Option<Limit>, now: UnixTime) -> u32 {
        let Some(limit) = limit else { return 0 };
        let seconds = u32::try_from(now.since(self.charged).max(0)).unwrap_or(u32::MAX);
        let paid = limit.per_second.get().saturating_mul(seconds);
        // A reload may have lowered the limit.
        self.failures.min(limit.burst).saturating_sub(paid)
    }

    fn within(self, limit: Option<Limit>, now: UnixTime) -> Result<(), RetryAfter> {
        let Some(limit) = limit else { return Ok(()) };
        let owed = self.at(Some(limit), now);
        if owed < limit.burst {
            return Ok(());
        }
        // There is room for one within a second; who waits until nothing is owed is not back in the queue at once.
        let seconds = owed.div_ceil(limit.per_second.get());
        Err(RetryAfter(
            NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN),
        ))
    }

    /// One failure more. It is never more than the burst, or those that the worker's limit lets through would lengthen the
    /// wait of the others without end.
    fn charge(&mut self, limit: Option<Limit>, now: UnixTime) {
        self.keep_up(now);
        let most = limit.map_or(0, |limit| limit.burst);
        self.failures = self.at(limit, now).saturating_add(1).min(most);
        self.charged = now;
    }
}

/// The debt of a client in its place; a new one takes the way of who has not failed for longest or owes least.
fn debt_of(
    place: &mut [Option<Debtor>; WAYS],
    client: Client,
    limit: Option<Limit>,
    now: UnixTime,
) -> &mut Debt {
    let known = place
        .iter()
        .position(|way| way.is_some_and(|debtor| debtor.client == client));
    let index = known.unwrap_or_else(|| {
        // A free way is less than any other.
        let worth = |way: Option<Debtor>| {
            way.map(|Debtor { client: _, debt }| {
                (debt.is_recent(now), debt.at(limit, now), debt.charged)
            })
        };
        let least = (0..WAYS).min_by_key(|index| worth(place[*index]));
        let index = least.unwrap_or(0);
        place[index] = None;
        index
    });
    let debt = Debt {
        failures: 0,
        charged: now,
    };
    &mut place[index].get_or_insert(Debtor { client, debt }).debt
}

#[cfg(test)]
mod tests;
