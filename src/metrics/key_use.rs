//! How much each key is used, and when it last was: what tells whether it can go.
//!
//! A use outlives snapshots, and the key itself: what tokens do after a key was removed is the other half of the answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::registry::lock;
use super::shard::{WorkerId, Writer};

/// Keys of one issuer that are remembered after they were removed: the last ones.
const RETIRED: usize = 64;

/// Bytes of a name that become a label, at most: providers choose names, and nobody reads more.
const LABEL_BYTES: usize = 128;

/// What one worker counts of one key, written by that worker's thread alone. Moments are seconds since 1970.
#[derive(Debug)]
#[repr(align(64))]
pub struct KeyTally {
    tokens: AtomicU64,
    last_token: AtomicI64,
    newest_expiry: AtomicI64,
    longest_lifetime: AtomicI64,
    presented: AtomicU64,
    last_presented: AtomicI64,
}

/// No moment: nothing was counted yet.
const NEVER: i64 = i64::MIN;

impl Default for KeyTally {
    fn default() -> Self {
        Self {
            tokens: AtomicU64::new(0),
            last_token: AtomicI64::new(NEVER),
            newest_expiry: AtomicI64::new(NEVER),
            longest_lifetime: AtomicI64::new(NEVER),
            presented: AtomicU64::new(0),
            last_presented: AtomicI64::new(NEVER),
        }
    }
}

impl KeyTally {
    /// A token that the key has verified, now or before, is good at `now`.
    #[inline]
    pub fn accepted(&self, now: i64) {
        Writer::Only.add(&self.tokens, 1);
        self.last_token.store(now, Ordering::Relaxed);
    }

    /// A token that the key has verified: when it expires, and how many seconds it lives, if it says so.
    pub fn verified(&self, expires: Option<i64>, lifetime: Option<i64>) {
        raise(&self.newest_expiry, expires.unwrap_or(NEVER));
        raise(&self.longest_lifetime, lifetime.unwrap_or(NEVER));
    }

    /// A token that names the key came at `now`, after the key was removed. Nobody knows who made it.
    pub fn presented(&self, now: i64) {
        Writer::Only.add(&self.presented, 1);
        self.last_presented.store(now, Ordering::Relaxed);
    }
}

/// The one writer needs no locked instruction.
fn raise(value: &AtomicI64, to: i64) {
    if value.load(Ordering::Relaxed) < to {
        value.store(to, Ordering::Relaxed);
    }
}

/// One key of one issuer, and what was counted of it.
#[derive(Debug)]
pub struct KeyUse {
    kid: Option<Box<str>>,
    thumbprint: [u8; 32],
    /// One for each worker, made when it first asks.
    tallies: Box<[OnceLock<Arc<KeyTally>>]>,
}

/// What all workers counted of a key. Moments are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyCounts {
    /// Tokens of the key that were good, each as often as it came.
    pub tokens: u64,
    /// When the last one came.
    pub last_token: Option<i64>,
    /// The newest `exp` of all of them.
    pub newest_expiry: Option<i64>,
    /// The longest life of a token, from `iat` to `exp`, in seconds.
    pub longest_lifetime: Option<i64>,
    /// Tokens that named the key after it was removed.
    pub presented: u64,
    /// When the last one came.
    pub last_presented: Option<i64>,
}

impl KeyCounts {
    fn add(&mut self, other: &Self) {
        let Self {
            tokens,
            last_token,
            newest_expiry,
            longest_lifetime,
            presented,
            last_presented,
        } = self;
        *tokens += other.tokens;
        *last_token = other.last_token.max(*last_token);
        *newest_expiry = other.newest_expiry.max(*newest_expiry);
        *longest_lifetime = other.longest_lifetime.max(*longest_lifetime);
        *presented += other.presented;
        *last_presented = other.last_presented.max(*last_presented);
    }
}

impl KeyUse {
    fn new(name: KeyName<'_>, workers: usize) -> Self {
        Self {
            kid: name.kid.map(Into::into),
            thumbprint: *name.thumbprint,
            tallies: (0..workers).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Its name in the set.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Where `worker` counts; `None` for a number that is no worker's.
    #[must_use]
    pub fn tally(&self, worker: WorkerId) -> Option<&Arc<KeyTally>> {
        let tally = self.tallies.get(worker.0)?;
        Some(tally.get_or_init(Arc::default))
    }

    /// What all workers counted.
    #[must_use]
    pub fn counts(&self) -> KeyCounts {
        let mut counts = KeyCounts::default();
        for tally in self.tallies.iter().filter_map(OnceLock::get) {
            let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
            let moment = |moment: &AtomicI64| {
                let moment = moment.load(Ordering::Relaxed);
                (moment != NEVER).then_some(moment)
            };
            counts.add(&KeyCounts {
                tokens: number(&tally.tokens),
                last_token: moment(&tally.last_token),
                newest_expiry: moment(&tally.newest_expiry),
                longest_lifetime: moment(&tally.longest_lifetime),
                presented: number(&tally.presented),
                last_presented: moment(&tally.last_presented),
            });
        }
        counts
    }

    /// What a key is called where it needs a name: by its `kid`, cut, or by its thumbprint.
    fn label(&self) -> String {
        match &self.kid {
            Some(kid) => kid[..kid.floor_char_boundary(LABEL_BYTES)].to_owned(),
            None => URL_SAFE_NO_PAD.encode(self.thumbprint),
        }
    }

    fn is(&self, name: KeyName<'_>) -> bool {
        self.kid.as_deref() == name.kid && self.thumbprint == *name.thumbprint
    }
}

/// What tells the keys of an issuer apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName<'k> {
    /// Its name in the set.
    pub kid: Option<&'k str>,
    /// Its RFC 7638 thumbprint.
    pub thumbprint: &'k [u8; 32],
}

/// A key that is in force from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInForce<'k> {
    /// What it is called.
    pub name: KeyName<'k>,
    /// The names of its algorithms.
    pub algorithms: Box<[&'static str]>,
    /// Where it came from, in words for an operator.
    pub source: Option<Arc<str>>,
    /// When it was first seen, which may have been by an earlier process.
    pub first_seen: i64,
}

/// What is known of a key that is in force, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its name in the set.
    pub kid: Option<Box<str>>,
    /// Its RFC 7638 thumbprint.
    pub thumbprint: [u8; 32],
    /// The names of its algorithms, when it was last in force.
    pub algorithms: Box<[&'static str]>,
    /// Where it came from then, in words for an operator.
    pub source: Option<Arc<str>>,
    /// When it was first seen, which may have been by an earlier process.
    pub first_seen: i64,
    /// Since when it is counted: when this process first saw it.
    pub observed: i64,
    /// Since when it is not in force; `None` while it is.
    pub removed: Option<i64>,
    /// What was counted.
    pub counts: KeyCounts,
}

/// The uses of all keys of the process.
#[derive(Debug, Default)]
pub struct KeyUses {
    workers: usize,
    issuers: Mutex<BTreeMap<Box<str>, Vec<Known>>>,
}

#[derive(Debug)]
struct Known {
    used: Arc<KeyUse>,
    algorithms: Box<[&'static str]>,
    source: Option<Arc<str>>,
    first_seen: i64,
    /// `None`: it was never in force. Whoever built a snapshot with it did not publish that.
    observed: Option<i64>,
    removed: Option<i64>,
}

/// What a scrape shows of keys of one name.
#[derive(Debug)]
pub(super) struct LabelledKey {
    issuer: Box<str>,
    kid: String,
    pub(super) counts: KeyCounts,
}

impl LabelledKey {
    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        [("issuer", &self.issuer), ("kid", &self.kid)]
    }
}

/// An issuer's keys, as a snapshot holds them.
#[derive(Debug, Default)]
pub struct IssuerKeyUses {
    /// Those of the snapshot, in the order in which they were given.
    pub in_force: Vec<Arc<KeyUse>>,
    /// Those with a name that were in force before and are not in the snapshot, the last one first.
    pub retired: Vec<Arc<KeyUse>>,
}

impl KeyUses {
    /// Of a process with so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            issuers: Mutex::default(),
        }
    }

    /// What counts for the keys of an issuer; the same for the same keys. Publishes nothing.
    #[must_use]
    pub fn of<'k>(&self, issuer: &str, keys: impl Iterator<Item = KeyName<'k>>) -> IssuerKeyUses {
        let mut issuers = lock(&self.issuers);
        let known = issuers.entry(issuer.into()).or_default();
        let in_force: Vec<_> = keys
            .map(|name| Arc::clone(&self.known(known, name).used))
            .collect();
        let is_retired = |key: &&Known| {
            let current = in_force.iter().any(|used| Arc::ptr_eq(used, &key.used));
            key.observed.is_some() && key.used.kid.is_some() && !current
        };
        let mut retired: Vec<&Known> = known.iter().filter(is_retired).collect();
        // What is in force still goes with the snapshot that is being built: it is the last one.
        retired.sort_by_key(|key| std::cmp::Reverse(key.removed.unwrap_or(i64::MAX)));
        IssuerKeyUses {
            retired: retired.iter().map(|key| Arc::clone(&key.used)).collect(),
            in_force,
        }
    }

    /// These keys of these issuers are in force from `now` on, and no others. Of an issuer that is gone nothing is kept.
    pub fn publish(&self, issuers: &[(&str, Vec<KeyInForce<'_>>)], now: i64) {
        let mut all = lock(&self.issuers);
        all.retain(|name, _| issuers.iter().any(|(issuer, _)| **issuer == **name));
        for (issuer, keys) in issuers {
            let known = all.entry((*issuer).into()).or_default();
            for key in known.iter_mut() {
                let stays = keys.iter().any(|current| key.used.is(current.name));
                if !stays && key.observed.is_some() {
                    key.removed.get_or_insert(now);
                }
            }
            for current in keys {
                let key = self.known(known, current.name);
                key.algorithms.clone_from(&current.algorithms);
                key.source.clone_from(&current.source);
                key.first_seen = current.first_seen.min(key.first_seen);
                key.observed.get_or_insert(now);
                key.removed = None;
            }
            forget_oldest(known);
        }
    }

    /// All keys that are in force or were, by issuer.
    #[must_use]
    pub fn all(&self) -> Vec<(Box<str>, Vec<KnownKey>)> {
        let issuers = lock(&self.issuers);
        let shown = |key: &Known| {
            Some(KnownKey {
                kid: key.used.kid.clone(),
                thumbprint: key.used.thumbprint,
                algorithms: key.algorithms.clone(),
                source: key.source.clone(),
                first_seen: key.first_seen,
                observed: key.observed?,
                removed: key.removed,
                counts: key.used.counts(),
            })
        };
        let issuers = issuers.iter();
        issuers
            .map(|(name, keys)| (name.clone(), keys.iter().filter_map(shown).collect()))
            .collect()
    }

    /// What was counted, by issuer and label. Keys with one label are one: two equal series would spoil a whole scrape.
    pub(super) fn by_label(&self) -> Vec<LabelledKey> {
        let mut all = BTreeMap::<_, KeyCounts>::new();
        for (issuer, keys) in &*lock(&self.issuers) {
            for key in keys.iter().filter(|key| key.observed.is_some()) {
                let name = (issuer.clone(), key.used.label());
                all.entry(name).or_default().add(&key.used.counts());
            }
        }
        let all = all.into_iter();
        all.map(|((issuer, kid), counts)| LabelledKey {
            issuer,
            kid,
            counts,
        })
        .collect()
    }

    fn known<'a>(&self, all: &'a mut Vec<Known>, name: KeyName<'_>) -> &'a mut Known {
        let place = all.iter().position(|key| key.used.is(name));
        let place = place.unwrap_or_else(|| {
            all.push(Known {
                used: Arc::new(KeyUse::new(name, self.workers)),
                algorithms: Box::default(),
                source: None,
                first_seen: i64::MAX,
                observed: None,
                removed: None,
            });
            all.len() - 1
        });
        &mut all[place]
    }
}

/// Leaves the keys in force, and the [`RETIRED`] that were removed last; what was never in force goes.
fn forget_oldest(keys: &mut Vec<Known>) {
    keys.retain(|key| key.observed.is_some());
    let places = keys.iter().enumerate();
    let mut removed: Vec<(i64, usize)> = places
        .filter_map(|(place, key)| Some((key.removed?, place)))
        .collect();
    removed.sort_unstable();
    removed.truncate(removed.len().saturating_sub(RETIRED));
    let mut places = 0..;
    keys.retain(|_| {
        let place = places.next();
        !removed.iter().any(|(_, gone)| Some(*gone) == place)
    });
}

#[cfg(test)]
mod tests;
