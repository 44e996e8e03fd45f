//! One address of an upstream: requests in flight, and how long it is left out after it could not be connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use crate::config::UpstreamUrl;

/// One address of an upstream. It keeps its identity while its name goes on resolving to it, so that what is counted
/// here, and the connections that are kept by its id, outlive a resolution.
pub struct Address {
    /// Unique in the process: what pools are keyed by.
    pub(super) id: u64,
    /// The URL it comes from.
    pub(super) url: UpstreamUrl,
    /// Where to connect.
    pub(super) socket: SocketAddr,
    /// The name that its certificate must have; `None`: plaintext.
    pub(super) server_name: Option<ServerName<'static>>,
    in_flight: AtomicUsize,
    /// What `out_until` counts from.
    made: Instant,
    /// Left out until then, in milliseconds after `made`; 0: in use.
    out_until: AtomicU64,
    /// Connects that have failed since the last one that did not.
    failures: AtomicU32,
}

impl Address {
    /// An address in use. `server_name` is for TLS.
    pub(super) fn new(
        url: UpstreamUrl,
        socket: SocketAddr,
        server_name: Option<ServerName<'static>>,
        now: Instant,
    ) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            url,
            socket,
            server_name,
            in_flight: AtomicUsize::new(0),
            made: now,
            out_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
        })
    }

    /// Requests that have been sent and whose answer has not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it is left out at `now`.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        let until = self.out_until.load(Ordering::Relaxed);
        until != 0 && until > self.milliseconds(now)
    }

    /// How much longer it is left out.
    pub(super) fn out_for(&self, now: Instant) -> Duration {
        let until = self.out_until.load(Ordering::Relaxed);
        Duration::from_millis(until.saturating_sub(self.milliseconds(now)))
    }

    /// Takes the address for a request. After an outage only one request may find out whether it is over, and the
    /// others go on elsewhere: a host that swallows packets would stall every one of them.
    pub(super) fn claim(&self, now: Instant) -> bool {
        let until = self.out_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        until <= self.milliseconds(now) && self.leave_out(until, now)
    }

    /// A connect failed. Failures during an outage do not lengthen it.
    pub(super) fn failed(&self, now: Instant) {
        let until = self.out_until.load(Ordering::Relaxed);
        if until <= self.milliseconds(now) {
            self.leave_out(until, now);
        }
    }

    /// A connect succeeded.
    pub(super) fn connected(&self) {
        if self.out_until.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.out_until.store(0, Ordering::Relaxed);
        }
    }

    /// Begins an outage in place of the one that ended at `until`; false if someone else has done so.
    fn leave_out(&self, until: u64, now: Instant) -> bool {
        let failures = self.failures.load(Ordering::Relaxed);
        let outage = LONGEST_OUTAGE.min(FIRST_OUTAGE * 2_u32.saturating_pow(failures.min(6)));
        let next = self.milliseconds(now + outage).max(1);
        let begun = self
            .out_until
            .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if begun {
            self.failures
                .store(failures.saturating_add(1), Ordering::Relaxed);
        }
        begun
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.made).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// Counts a request to an address until it is dropped.
pub struct InFlight {
    address: Arc<Address>,
}

impl InFlight {
    pub(super) fn new(address: Arc<Address>) -> Self {
        address.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { address }
    }

    /// The address that the request goes to.
    pub(super) fn address(&self) -> &Arc<Address> {
        &self.address
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.address.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The first outage: long enough to spare most requests a refused connect, short enough for a restart to go unnoticed.
const FIRST_OUTAGE: Duration = Duration::from_secs(1);

/// Outages double up to this: one failed connect a minute costs nothing, and a server that returns is found soon.
const LONGEST_OUTAGE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(now: Instant) -> Arc<Address> {
        let url = UpstreamUrl {
            tls: false,
            host: "127.0.0.1".into(),
            port: 1,
        };
        Address::new(url, ([127, 0, 0, 1], 1).into(), None, now)
    }

    #[test]
    fn outages_double_from_one_second_to_sixty_and_end_with_a_success() {
        let start = Instant::now();
        let address = address(start);
        let mut now = start + Duration::from_millis(7);
        assert!(address.claim(now));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            address.failed(now);
            assert!(address.is_out(now));
            assert!(!address.claim(now));
            assert_eq!(address.out_for(now), Duration::from_secs(seconds));
            now += Duration::from_secs(seconds);
            assert!(!address.is_out(now));
        }
        address.connected();
        address.failed(now);
        assert_eq!(address.out_for(now), Duration::from_secs(1));
    }

    #[test]
    fn failures_during_an_outage_do_not_lengthen_it() {
        let now = Instant::now();
        let address = address(now);
        for _ in 0..10 {
            address.failed(now);
        }
        assert_eq!(address.out_for(now), Duration::from_secs(1));
    }

    #[test]
    fn after_an_outage_one_request_finds_out() {
        let start = Instant::now();
        let address = address(start);
        address.failed(start);
        let later = start + Duration::from_millis(1001);
        assert!(address.claim(later));
        assert!(!address.claim(later));
        address.connected();
        assert!(address.claim(later));
        assert!(address.claim(later));
    }

    #[test]
    fn a_request_counts_until_it_is_dropped() {
        let address = address(Instant::now());
        let first = InFlight::new(Arc::clone(&address));
        let second = InFlight::new(Arc::clone(&address));
        assert_eq!(address.in_flight(), 2);
        drop(first);
        assert_eq!(address.in_flight(), 1);
        drop(second);
        assert_eq!(address.in_flight(), 0);
    }
}
