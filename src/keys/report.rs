//! The key report: what became of each key's tokens, and so whether it can go.
//!
//! Pure: counts and times in, rows out. It knows the tokens that came here since it observes, and no others: what it calls
//! safe is so for them. Tokens that name a key which is gone are anybody's; they count as presented, and as nothing else.

use std::fmt;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::metrics::KnownKey;

/// How long the tokens of an issuer live at least, for all that is known: a day, which few access tokens live.
const LEAST_LIFETIME: Duration = Duration::from_hours(24);

/// What an issuer's tokens are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Its leeway.
    pub leeway: Duration,
    /// Its longest accepted lifetime, if it has one.
    pub max_lifetime: Option<Duration>,
}

/// A key, and what to think of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedKey {
    /// What is known of it.
    pub known: KnownKey,
    /// What to think of it.
    pub verdict: KeyVerdict,
}

/// What to think of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// In force, and no token of it has come.
    New,
    /// In force, and tokens of it that came are good until then, leeway included.
    InUse {
        /// When the last of them ends.
        until: UnixTime,
    },
    /// In force, and no token of it is good any more; but it was not observed for long enough to say that there is none, or
    /// it is the only key.
    Idle,
    /// In force; every token of it has ended, of all that can have been there.
    Safe,
    /// Not in force, and tokens that name it came within the last lifetime.
    StillPresented {
        /// How many since it was removed.
        tokens: u64,
        /// When the last of them came.
        last: UnixTime,
    },
    /// Not in force, and nobody asks.
    Gone,
}

impl KeyVerdict {
    /// One word, for machines.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InUse { until: _ } => "in_use",
            Self::Idle => "idle",
            Self::Safe => "safe_to_retire",
            Self::StillPresented { tokens: _, last: _ } => "still_presented",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for KeyVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new and never used"),
            Self::InUse { until } => write!(f, "in use until {until}"),
            Self::Idle => f.write_str("idle"),
            Self::Safe => f.write_str("safe to retire"),
            Self::StillPresented { tokens: 1, last } => {
                write!(f, "gone, still presented (once, at {last})")
            }
            Self::StillPresented { tokens, last } => {
                write!(f, "gone, still presented ({tokens} times, last at {last})")
            }
            Self::Gone => f.write_str("gone"),
        }
    }
}

/// What to think of the keys of one issuer at `now`, in the order in which they were given.
#[must_use]
pub fn report_keys(keys: Vec<KnownKey>, lifetimes: Lifetimes, now: UnixTime) -> Vec<ReportedKey> {
    let lifetime = lifetime(&keys, lifetimes);
    let verdicts: Vec<KeyVerdict> = keys
        .iter()
        .map(|key| match key.removed {
            None => in_force(key, &keys, lifetime, lifetimes.leeway, now),
            Some(_) => removed(key, lifetime, now),
        })
        .collect();
    let rows = keys.into_iter().zip(verdicts);
    rows.map(|(known, verdict)| ReportedKey { known, verdict })
        .collect()
}

/// How long a token of the issuer can live: as it is configured, else the longest that was seen, and a day at least.
fn lifetime(keys: &[KnownKey], lifetimes: Lifetimes) -> Duration {
    lifetimes.max_lifetime.unwrap_or_else(|| {
        let seen = keys.iter().filter_map(|key| key.counts.longest_lifetime);
        let seen = seen.filter_map(|seconds| u64::try_from(seconds).ok()).max();
        Duration::from_secs(seen.unwrap_or(0)).max(LEAST_LIFETIME)
    })
}

fn in_force(
    key: &KnownKey,
    all: &[KnownKey],
    lifetime: Duration,
    leeway: Duration,
    now: UnixTime,
) -> KeyVerdict {
    let newest = key.counts.newest_expiry.map(UnixTime::from_seconds);
    let until = newest.map(|expires| expires.plus(leeway));
    if let Some(until) = until.filter(|until| *until > now) {
        return KeyVerdict::InUse { until };
    }
    // Of a token that was made before we observed anything, by a clock that is ahead as far as we accept.
    let longest = lifetime.saturating_add(leeway).saturating_add(leeway);
    let observed = UnixTime::from_seconds(key.observed).plus(longest) <= now;
    let mut others = all
        .iter()
        .filter(|other| other.removed.is_none() && *other != key);
    let safe = if is_used(key) {
        observed && others.next().is_some()
    } else {
        // One that is older than a key in use was in use before it; any other may be the next one.
        observed && others.any(|other| is_used(other) && other.first_seen > key.first_seen)
    };
    match (safe, is_used(key)) {
        (true, _) => KeyVerdict::Safe,
        (false, true) => KeyVerdict::Idle,
        (false, false) => KeyVerdict::New,
    }
}

fn removed(key: &KnownKey, lifetime: Duration, now: UnixTime) -> KeyVerdict {
    let counts = &key.counts;
    let last = counts.last_presented.map(UnixTime::from_seconds);
    match last.filter(|last| now < last.plus(lifetime)) {
        Some(last) => KeyVerdict::StillPresented {
            tokens: counts.presented,
            last,
        },
        None => KeyVerdict::Gone,
    }
}

/// Whether a good token of it has come.
fn is_used(key: &KnownKey) -> bool {
    key.counts.tokens > 0 || key.counts.newest_expiry.is_some()
}

#[cfg(test)]
mod tests;
