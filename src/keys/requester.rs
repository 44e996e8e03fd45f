//! How workers ask for the keys of an issuer again: they say so and go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::clock::UnixTime;
use crate::metrics::KeyMetrics;

/// Requests that may wait at one source. One is enough to make it fetch; the others only tell the log which `kid`s were
/// looked for.
const WAITING: usize = 16;

/// Bytes of a `kid` that are kept, at most.
const KID_BYTES: usize = 128;

/// Asks the remote sources of one issuer for newer keys. Cheap to clone.
///
/// Each issuer has its own channels, so a flood of unknown `kid`s at one never starves another.
#[derive(Clone, Debug)]
pub struct KeyRequester {
    lines: Arc<[Line]>,
    metrics: Arc<KeyMetrics>,
}

/// The way to one source.
#[derive(Clone, Debug)]
pub(super) struct Line {
    requests: mpsc::Sender<KeyRequest>,
    next: Arc<NextAttempt>,
}

/// What a source is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRequest {
    /// A key of this name (cut at 128 bytes), or of none: a token named it, and no key in force is called that.
    Unknown(Option<Box<str>>),
    /// A fetch, whatever the keys in force.
    Refresh,
}

/// The end of a source's channel at which requests come out.
#[derive(Debug)]
pub struct KeyRequests(pub(super) mpsc::Receiver<KeyRequest>);

impl KeyRequester {
    pub(super) fn new(lines: Vec<Line>, metrics: Arc<KeyMetrics>) -> Self {
        Self {
            lines: lines.into(),
            metrics,
        }
    }

    /// A requester with one source, whose requests the caller answers.
    #[must_use]
    pub fn channel(metrics: Arc<KeyMetrics>) -> (Self, KeyRequests) {
        let (line, requests) = Line::new(Arc::default());
        (Self::new(vec![line], metrics), requests)
    }

    /// A token named a key that is not in force: `None` if it named none. Every source of the issuer fetches soon, at
    /// most once per `unknown_kid_gap` whatever the number of calls; a fetch that begins after this call always follows.
    ///
    /// Never waits. Allocates nothing while 16 requests wait already.
    pub fn unknown_kid(&self, kid: Option<&str>) {
        self.metrics.asked();
        for line in &*self.lines {
            // Full: the fetch that those who wait ask for begins after this call too.
            if let Ok(place) = line.requests.try_reserve() {
                place.send(KeyRequest::Unknown(kid.map(|kid| cut(kid).into())));
            }
        }
    }

    /// Every source of the issuer fetches soon, within the same gap as for unknown `kid`s. Never waits.
    pub fn refresh_now(&self) {
        for line in &*self.lines {
            // As above.
            let _ = line.requests.try_send(KeyRequest::Refresh);
        }
    }

    /// Which fetch of the issuer's sources began last: another number after each, none the same twice. Who has asked, and
    /// sees it change, may ask again: that fetch may have come too early for the key.
    #[must_use]
    pub fn last_begun(&self) -> u64 {
        let begun = self.lines.iter().map(|line| line.next.begun());
        begun.max().unwrap_or(0)
    }

    /// When the first of the issuer's sources tries to fetch next; `None` while one does, or nobody knows.
    #[must_use]
    pub fn next_attempt(&self) -> Option<UnixTime> {
        self.lines.iter().filter_map(|line| line.next.get()).min()
    }
}

impl Line {
    pub(super) fn new(next: Arc<NextAttempt>) -> (Self, KeyRequests) {
        let (requests, waiting) = mpsc::channel(WAITING);
        (Self { requests, next }, KeyRequests(waiting))
    }
}

impl KeyRequests {
    /// The next request, if one waits.
    pub fn try_next(&mut self) -> Option<KeyRequest> {
        self.0.try_recv().ok()
    }
}

/// When a source tries next and which fetch it began last, for workers to read without a lock.
#[derive(Debug)]
pub(super) struct NextAttempt {
    at: AtomicI64,
    begun: AtomicU64,
}

impl NextAttempt {
    const UNKNOWN: i64 = i64::MIN;

    pub(super) fn set(&self, next: Option<UnixTime>) {
        let seconds = next.map_or(Self::UNKNOWN, UnixTime::seconds);
        self.at.store(seconds, Ordering::Relaxed);
    }

    fn get(&self) -> Option<UnixTime> {
        let seconds = self.at.load(Ordering::Relaxed);
        (seconds != Self::UNKNOWN).then(|| UnixTime::from_seconds(seconds))
    }

    /// A fetch begins, and all that was asked for was heard.
    pub(super) fn begin(&self) {
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let number = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
        self.begun.store(number, Ordering::Relaxed);
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Default for NextAttempt {
    fn default() -> Self {
        Self {
            at: AtomicI64::new(Self::UNKNOWN),
            begun: AtomicU64::new(0),
        }
    }
}

/// The first bytes of a `kid`, in whole characters.
pub(super) fn cut(kid: &str) -> &str {
    &kid[..kid.floor_char_boundary(KID_BYTES)]
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    use super::*;

    fn channel() -> (KeyRequester, KeyRequests) {
        KeyRequester::channel(Metrics::new(1, &[]).keys("corp"))
    }

    fn unknown(kid: &str) -> KeyRequest {
        KeyRequest::Unknown(Some(kid.into()))
    }

    #[test]
    fn what_is_asked_for_comes_out_in_order() {
        let (requester, mut requests) = channel();
        requester.unknown_kid(Some("a"));
        requester.unknown_kid(None);
        requester.refresh_now();
        assert_eq!(requests.try_next(), Some(unknown("a")));
        assert_eq!(requests.try_next(), Some(KeyRequest::Unknown(None)));
        assert_eq!(requests.try_next(), Some(KeyRequest::Refresh));
        assert_eq!(requests.try_next(), None);
    }

    #[test]
    fn a_flood_keeps_the_first_and_drops_the_rest() {
        let (requester, mut requests) = channel();
        for number in 0..10_000 {
            requester.unknown_kid(Some(&number.to_string()));
        }
        requester.refresh_now();
        for number in 0..WAITING {
            assert_eq!(requests.try_next(), Some(unknown(&number.to_string())));
        }
        assert_eq!(requests.try_next(), None);
    }

    #[test]
    fn a_long_kid_is_cut_between_characters() {
        let (requester, mut requests) = channel();
        requester.unknown_kid(Some(&"x".repeat(1000)));
        requester.unknown_kid(Some(&"ü".repeat(1000)));
        requester.unknown_kid(Some(&format!("x{}", "ü".repeat(1000))));
        assert_eq!(requests.try_next(), Some(unknown(&"x".repeat(128))));
        assert_eq!(requests.try_next(), Some(unknown(&"ü".repeat(64))));
        let odd = format!("x{}", "ü".repeat(63));
        assert_eq!(requests.try_next(), Some(unknown(&odd)));
    }

    #[test]
    fn asking_when_nobody_listens_any_more_is_no_error() {
        let (requester, requests) = channel();
        drop(requests);
        requester.unknown_kid(Some("a"));
        requester.refresh_now();
    }

    #[test]
    fn the_next_attempt_is_the_earliest_of_all_sources() {
        let (one, other): (Arc<NextAttempt>, Arc<NextAttempt>) = Default::default();
        let lines = vec![Line::new(one.clone()).0, Line::new(other.clone()).0];
        let requester = KeyRequester::new(lines, Metrics::new(1, &[]).keys("corp"));
        assert_eq!(requester.next_attempt(), None);
        one.set(Some(UnixTime::from_seconds(20)));
        assert_eq!(requester.next_attempt(), Some(UnixTime::from_seconds(20)));
        other.set(Some(UnixTime::from_seconds(10)));
        assert_eq!(requester.next_attempt(), Some(UnixTime::from_seconds(10)));
        other.set(None);
        assert_eq!(requester.next_attempt(), Some(UnixTime::from_seconds(20)));
    }

    #[test]
    fn a_fetch_that_begins_shows_whichever_source_it_is_of() {
        let (one, other): (Arc<NextAttempt>, Arc<NextAttempt>) = Default::default();
        let lines = vec![Line::new(one.clone()).0, Line::new(other.clone()).0];
        let requester = KeyRequester::new(lines, Metrics::new(1, &[]).keys("corp"));
        assert_eq!(requester.last_begun(), 0);
        let mut seen = vec![0];
        for source in [&one, &other, &other, &one] {
            source.begin();
            assert!(!seen.contains(&requester.last_begun()));
            seen.push(requester.last_begun());
        }
    }
}
