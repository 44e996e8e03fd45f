//! An upstream, shared by the workers: its present addresses, and which to take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use smallvec::SmallVec;

use crate::config;
use crate::metrics::UpstreamMetrics;

use super::connect::{ClientTls, client_tls, read_ca};
use super::resolve::Names;
use super::{Address, InFlight};

/// One upstream. It keeps its identity over reloads while its settings are the same.
pub struct Upstream {
    /// Its settings.
    pub config: config::Upstream,
    /// Unique in the process: what pools are keyed by.
    pub id: u64,
    /// Its counters.
    pub metrics: Arc<UpstreamMetrics>,
    /// What its CA file held, if it has https URLs.
    ca: Option<Vec<u8>>,
    /// For its https URLs.
    pub(super) tls: Option<ClientTls>,
    /// The addresses of all URLs: replaced as a whole, by whoever holds `names`.
    pub(super) present: ArcSwap<Vec<Arc<Address>>>,
    /// What its names resolved to. Held while resolving, so that it happens once for the whole process.
    pub(super) names: tokio::sync::Mutex<Names>,
    /// Whether a request came since the last resolution: names in use age faster.
    pub(super) used: AtomicBool,
    /// Whether a connect failed since the last resolution: then the names are looked up again early.
    pub(super) doubted: AtomicBool,
}

/// How one address of an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressReport {
    /// Where to connect.
    pub socket: SocketAddr,
    /// Requests that have been sent and whose answer has not ended.
    pub in_flight: usize,
    /// How much longer it is left out; nothing while it is in use.
    pub left_out: Duration,
}

/// Why an upstream cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct UpstreamError {
    /// The CA file.
    pub file: std::path::PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Upstream {
    /// Prepares an upstream; names are not resolved yet.
    ///
    /// # Errors
    /// When its CA file cannot be used, or an https upstream has no CA file and the system no roots.
    pub fn new(
        config: config::Upstream,
        metrics: Arc<UpstreamMetrics>,
    ) -> Result<Arc<Self>, UpstreamError> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let secure = config.urls.iter().any(|url| url.tls);
        let file = config.ca.as_deref().filter(|_| secure);
        let ca = file.map(read_ca).transpose()?;
        let tls = if secure {
            Some(client_tls(file.zip(ca.as_deref()))?)
        } else {
            None
        };
        let names = Names::new(&config.urls);
        let present = ArcSwap::from_pointee(names.addresses(&[], Instant::now()));
        Ok(Arc::new(Self {
            config,
            ca,
            id: IDS.fetch_add(1, Ordering::Relaxed),
            metrics,
            tls,
            present,
            names: tokio::sync::Mutex::new(names),
            used: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
        }))
    }

    /// Whether it is what `wanted` asks for: the same settings, wherever they stand in the file, and a CA file that holds
    /// what it held.
    #[must_use]
    pub fn is(&self, wanted: &config::Upstream) -> bool {
        let settings = config::Upstream {
            place: wanted.place.clone(),
            ..self.config.clone()
        };
        let trusts_the_same = match (&self.ca, &wanted.ca) {
            (Some(content), Some(file)) => read_ca(file).is_ok_and(|new| new == *content),
            (Some(_), None) => false,
            (None, _) => true,
        };
        settings == *wanted && trusts_the_same
    }

    /// The addresses in use and left out, for `/status`.
    #[must_use]
    pub fn addresses(&self) -> Vec<AddressReport> {
        let now = Instant::now();
        let report = |address: &Arc<Address>| AddressReport {
            socket: address.socket,
            in_flight: address.in_flight(),
            left_out: address.out_for(now),
        };
        self.present.load().iter().map(report).collect()
    }

    /// Takes an address for a request, unless it is among `tried`: of two random ones that are not left out the one
    /// with fewer requests in flight. If all are left out, all are taken. `None` when there is nothing left to try.
    pub(super) fn choose(
        &self,
        now: Instant,
        random: &mut Random,
        tried: &[Arc<Address>],
    ) -> Option<InFlight> {
        let present = self.present.load();
        if tried.is_empty()
            && let Some(address) = quick_choice(&present, now, random)
        {
            return Some(InFlight::new(Arc::clone(address)));
        }
        let is_tried = |address: &Arc<Address>| tried.iter().any(|one| one.id == address.id);
        let left: SmallVec<[&Arc<Address>; 8]> =
            present.iter().filter(|one| !is_tried(one)).collect();
        let mut able: SmallVec<[&Arc<Address>; 8]> = left
            .iter()
            .copied()
            .filter(|one| !one.is_out(now))
            .collect();
        while let Some(address) = better_of_two(&able, random) {
            if address.claim(now) {
                return Some(InFlight::new(Arc::clone(address)));
            }
            able.retain(|one| one.id != address.id);
        }
        better_of_two(&left, random).map(|address| InFlight::new(Arc::clone(address)))
    }

    /// Notes that a request came. Mostly one read of a shared line.
    pub(super) fn note_use(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that an address could not be connected to.
    pub(super) fn note_doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }
}

/// The common case, where neither of two random addresses has had an outage. Allocates nothing.
fn quick_choice<'a>(
    present: &'a [Arc<Address>],
    now: Instant,
    random: &mut Random,
) -> Option<&'a Arc<Address>> {
    let able = |address: &Arc<Address>| !address.is_out(now);
    let address = match present {
        [] => return None,
        [only] => only,
        all => {
            let (one, other) = two_of(all, random);
            if !able(one) || !able(other) {
                return None;
            }
            if other.in_flight() < one.in_flight() {
                other
            } else {
                one
            }
        }
    };
    address.claim(now).then_some(address)
}

/// Of two random ones the one with fewer requests in flight.
fn better_of_two<'a>(all: &[&'a Arc<Address>], random: &mut Random) -> Option<&'a Arc<Address>> {
    match all {
        [] => None,
        [only] => Some(only),
        all => {
            let (one, other) = two_of(all, random);
            Some(if other.in_flight() < one.in_flight() {
                other
            } else {
                one
            })
        }
    }
}

/// Two different ones of at least two.
fn two_of<'a, T>(all: &'a [T], random: &mut Random) -> (&'a T, &'a T) {
    let one = random.below(all.len());
    let step = 1 + random.below(all.len() - 1);
    (&all[one], &all[(one + step) % all.len()])
}

/// A small generator for choices that need speed, not secrecy (xorshift64*): one of these per worker, seeded once.
pub(super) struct Random(u64);

impl Random {
    /// Any seed will do.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`, which is at least 1. The bias is below 2⁻³².
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        // A product of two numbers below 2³², shifted by 32, is below `bound`: it fits what `bound` came from.
        usize::try_from((high * bound) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::upstream_at;
    use super::*;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count)
            .map(|port| ([127, 0, 0, 1], port).into())
            .collect()
    }

    #[test]
    fn of_two_random_addresses_the_less_loaded_is_taken() {
        let upstream = upstream_at(&addresses(2));
        let mut random = Random::new(7);
        let now = Instant::now();
        let held: Vec<_> = (0..100)
            .map(|_| upstream.choose(now, &mut random, &[]).expect("an address"))
            .collect();
        let loads: Vec<usize> = upstream
            .addresses()
            .iter()
            .map(|one| one.in_flight)
            .collect();
        assert_eq!(loads, [50, 50]);
        drop(held);
        assert!(upstream.addresses().iter().all(|one| one.in_flight == 0));
    }

    #[test]
    fn every_address_gets_its_share() {
        let upstream = upstream_at(&addresses(5));
        let mut random = Random::new(99);
        let now = Instant::now();
        let mut counts = [0_u32; 5];
        for _ in 0..5000 {
            let taken = upstream.choose(now, &mut random, &[]).expect("an address");
            counts[usize::from(taken.address().socket.port()) - 1] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn addresses_that_fail_are_left_out_and_if_all_are_out_all_are_tried() {
        let upstream = upstream_at(&addresses(3));
        let mut random = Random::new(3);
        let now = Instant::now();
        let all = upstream.present.load_full();
        all[0].failed(now);
        for _ in 0..100 {
            let taken = upstream.choose(now, &mut random, &[]).expect("an address");
            assert_ne!(taken.address().id, all[0].id);
        }
        all[1].failed(now);
        all[2].failed(now);
        let mut tried = Vec::new();
        while let Some(taken) = upstream.choose(now, &mut random, &tried) {
            tried.push(Arc::clone(taken.address()));
        }
        assert_eq!(tried.len(), 3);
        let left_out = upstream.addresses()[0].left_out;
        assert!((1..=1000).contains(&left_out.as_millis()), "{left_out:?}");
    }

    #[test]
    fn after_an_outage_only_one_request_goes_there() {
        let upstream = upstream_at(&addresses(2));
        let mut random = Random::new(5);
        let now = Instant::now();
        let all = upstream.present.load_full();
        all[0].failed(now);
        let later = now + Duration::from_millis(1500);
        let there = (0..100)
            .filter_map(|_| upstream.choose(later, &mut random, &[]))
            .filter(|taken| taken.address().id == all[0].id)
            .count();
        assert_eq!(there, 1);
    }

    #[test]
    fn random_numbers_stay_below_their_bound() {
        let mut random = Random::new(0);
        for bound in [1, 2, 3, 1000, usize::MAX >> 32] {
            assert!((0..1000).all(|_| random.below(bound) < bound));
        }
    }
}
