//! What has to happen to the signing keys: a pure function of them and of the time.
//!
//! Keys follow each other by `use_from`. The one that signs is the last whose time has come; it stops when the next one's
//! comes, and no earlier, however late that is: a gateway that was switched off for a year signs with the key that everybody
//! knows until an hour after it was switched on again.
//!
//! The clock of the database is the only one that counts. Where it was set back, what lies too far ahead is drawn nearer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::config::Signing;
use crate::jwt::Algorithm;
use crate::store::{KeyTimes, SigningKeyRow};

/// How long a key is published before it signs: who verifies fetches the JWK Set within that time, or asks for it when a
/// token names a key that it does not know.
pub(in crate::issuer) const PUBLISHED_BEFORE: Duration = Duration::from_hours(1);

/// The same for a key that is needed now. Gateways of the store look at the keys each 30 s, so each has looked by then; who
/// else verifies has to ask when a token names a key that it does not know.
pub(in crate::issuer) const SEEN_WITHIN: Duration = Duration::from_mins(1);

/// How long a key stays in the set when it signs no more: the longest life of a token (24 h), the most leeway that its `exp`
/// may be given (5 min), how long a gateway signs without having heard of the store (5 min), and 5 min between two clocks.
pub(in crate::issuer) const KEPT_AFTER: Duration =
    Duration::from_hours(24).saturating_add(Duration::from_mins(15));

/// How much further ahead than it can be planned a time must lie for the clock to have been set back.
const CLOCK_STEP: Duration = Duration::from_mins(1);

/// Most keys that can be made by hand: a JWK Set of more than a hundred is refused by its readers, ours too.
const MOST_KEYS: usize = 64;

/// A key, as far as plans look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::issuer) struct PlannedKey {
    /// Which one.
    pub(in crate::issuer) id: Uuid,
    /// What it signs with: a newer program may have made it for something that this one does not know.
    pub(in crate::issuer) algorithm: Box<str>,
    /// When it does what, by the clock of the database.
    pub(in crate::issuer) times: KeyTimes,
}

impl From<&SigningKeyRow> for PlannedKey {
    fn from(row: &SigningKeyRow) -> Self {
        Self {
            id: row.id,
            algorithm: row.algorithm.clone(),
            times: row.times,
        }
    }
}

/// How keys are to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::issuer) struct Rules {
    /// What they sign with.
    pub(in crate::issuer) algorithm: Algorithm,
    /// How long each signs.
    pub(in crate::issuer) rotate: Duration,
}

impl From<Signing> for Rules {
    fn from(signing: Signing) -> Self {
        Self {
            algorithm: signing.algorithm,
            rotate: signing.rotate,
        }
    }
}

/// Why it is looked at the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::issuer) enum Ask {
    /// To do what is due.
    Due,
    /// The next key is to be made, whether it is due or not.
    Rotate,
    /// The next key is to sign as soon as the gateways have had time to see it.
    RotateNow,
    /// The same, and the key that signs now leaves the set then, with all its tokens.
    Lost,
}

/// What has to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::issuer) struct Steps {
    /// A new key with these times.
    pub(in crate::issuer) add: Option<KeyTimes>,
    /// Keys whose times change.
    pub(in crate::issuer) change: Vec<(Uuid, KeyTimes)>,
    /// Keys that leave the set.
    pub(in crate::issuer) remove: Vec<Uuid>,
}

/// No further key is made by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {0} keys in the set already: the next one can be made when some have left it, a day after they signed"
)]
pub struct TooManyKeys(usize);

/// The key that signs: the last one whose time has come. Where no time has come, the first: its clock was set back.
pub(in crate::issuer) fn signer(keys: &[PlannedKey], now: Timestamp) -> Option<&PlannedKey> {
    let order = |key: &&PlannedKey| (key.times.use_from, key.id);
    let come = keys.iter().filter(|key| key.times.use_from <= now);
    come.max_by_key(order)
        .or_else(|| keys.iter().min_by_key(order))
}

/// What has to be done with these keys at this time. Done, it leaves nothing to do at the same time.
///
/// # Errors
/// [`TooManyKeys`], never for what is due.
pub(in crate::issuer) fn plan(
    keys: &[PlannedKey],
    now: Timestamp,
    rules: Rules,
    ask: Ask,
) -> Result<Steps, TooManyKeys> {
    let mut line = Line::new(keys);
    line.draw_nearer(now, rules);
    if ask == Ask::Lost {
        line.withdraw_signer(now);
    }
    let add = line.next_key(now, rules, ask)?;
    line.follow(add, now);
    let remove = line.take_gone(now);
    Ok(Steps {
        add,
        change: line.changes(keys),
        remove,
    })
}

/// The keys in the order in which they sign.
struct Line(Vec<PlannedKey>);

impl Line {
    fn new(keys: &[PlannedKey]) -> Self {
        let mut line = Self(keys.to_vec());
        line.sort();
        line
    }

    fn sort(&mut self) {
        self.0.sort_by_key(|key| (key.times.use_from, key.id));
    }

    /// Times further ahead than any plan sets them were set by a clock that has been set back since. So was that of the first
    /// key, if it has not come: that key signs.
    fn draw_nearer(&mut self, now: Timestamp, rules: Rules) {
        let furthest = later(now, PUBLISHED_BEFORE);
        for (place, key) in self.0.iter_mut().enumerate() {
            let times = &mut key.times;
            if place == 0 && now < times.use_from {
                *times = times_of(times.published.min(now), now, rules);
            } else if later(furthest, CLOCK_STEP) < times.use_from {
                *times = times_of(times.published.min(now), furthest, rules);
            }
        }
        self.sort();
    }

    /// The times of a key that has to be made. It brings one forward that was made already.
    fn next_key(
        &mut self,
        now: Timestamp,
        rules: Rules,
        ask: Ask,
    ) -> Result<Option<KeyTimes>, TooManyKeys> {
        let count = self.0.len();
        let Some(last) = self.0.last_mut() else {
            // Nobody has a token yet that another key has signed.
            return Ok(Some(times_of(now, now, rules)));
        };
        let waits = now < last.times.use_from;
        let wait = match ask {
            Ask::Due | Ask::Rotate => PUBLISHED_BEFORE,
            Ask::RotateNow | Ask::Lost => SEEN_WITHIN,
        };
        if waits {
            if matches!(ask, Ask::RotateNow | Ask::Lost) {
                let soonest = now.max(later(last.times.published, wait));
                if soonest < last.times.use_from {
                    last.times = times_of(last.times.published, soonest, rules);
                }
            }
            return Ok(None);
        }
        let due = match ask {
            Ask::Due => {
                *last.algorithm != *rules.algorithm.name()
                    || later(last.times.use_from, rules.rotate) <= later(now, PUBLISHED_BEFORE)
            }
            Ask::Rotate | Ask::RotateNow if MOST_KEYS <= count => return Err(TooManyKeys(count)),
            // What is lost leaves the set, so that does not grow.
            Ask::Rotate | Ask::RotateNow | Ask::Lost => true,
        };
        Ok(due.then(|| times_of(now, later(now, wait), rules)))
    }

    /// Lets the key that signs leave the set when it stops: no other key has these two times alike, so it is known by them.
    fn withdraw_signer(&mut self, now: Timestamp) {
        let signing = self.0.iter_mut().rev();
        let signing = signing.filter(|key| key.times.use_from <= now);
        for key in signing.take(1) {
            key.times.gone_at = key.times.retire_at;
        }
    }

    /// Each key stops when the next one begins, and stays in the set for its tokens unless it was withdrawn. What is past stays
    /// so: its next one may have been withdrawn since.
    fn follow(&mut self, add: Option<KeyTimes>, now: Timestamp) {
        let mut next = add;
        for key in self.0.iter_mut().rev() {
            let is_past = |next: &KeyTimes| key.times.retire_at <= now && next.use_from <= now;
            if let Some(next) = next.filter(|next| !is_past(next)) {
                let withdrawn = key.times.gone_at == key.times.retire_at;
                let kept = if withdrawn {
                    Duration::ZERO
                } else {
                    KEPT_AFTER
                };
                key.times.retire_at = next.use_from;
                key.times.gone_at = later(next.use_from, kept);
            }
            next = Some(key.times);
        }
    }

    /// Takes out those that no token needs any more. The last one stays, whatever its times say: it signs until there is
    /// another.
    fn take_gone(&mut self, now: Timestamp) -> Vec<Uuid> {
        let Some(last) = self.0.last().map(|last| last.id) else {
            return Vec::new();
        };
        let gone = |key: &PlannedKey| key.id != last && key.times.gone_at <= now;
        let ids = self.0.iter().filter(|key| gone(key)).map(|key| key.id);
        let ids = ids.collect();
        self.0.retain(|key| !gone(key));
        ids
    }

    fn changes(self, before: &[PlannedKey]) -> Vec<(Uuid, KeyTimes)> {
        let differs = |key: &PlannedKey| {
            let before = before.iter().find(|before| before.id == key.id);
            before.is_some_and(|before| before.times != key.times)
        };
        let changed = self.0.into_iter().filter(differs);
        changed.map(|key| (key.id, key.times)).collect()
    }
}

/// Of a key that is published and used from these times on, as long as no other follows.
fn times_of(published: Timestamp, use_from: Timestamp, rules: Rules) -> KeyTimes {
    let retire_at = later(use_from, rules.rotate);
    KeyTimes {
        published,
        use_from,
        retire_at,
        gone_at: later(retire_at, KEPT_AFTER),
    }
}

/// At most the end of the calendar.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
