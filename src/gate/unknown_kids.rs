//! Which names of keys were asked for lately. A token whose key we do not know asks for newer keys, and is refused at once.
//!
//! Asking costs little, and the source's own schedule decides when it fetches; this table keeps a name that comes with each
//! request of a client from being asked for with each of them. What it forgets is asked for once more.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::clock::UnixTime;

/// Names that one worker remembers: 8 KiB, taken with the first.
const PLACES: usize = 256;

/// Which bits of a hash are its place.
const MASK: u64 = PLACES as u64 - 1;

/// Bytes of a name that are looked at, at most: as many as are asked for. Longer ones that begin alike count as one.
const KID_BYTES: usize = 128;

/// The names that one worker asked for.
#[derive(Default)]
pub(super) struct UnknownKids {
    /// [`PLACES`] of them after the first question, none before.
    asked: Box<[Option<Asked>]>,
    hash_keys: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Of issuer and name, under a random key: who can choose names cannot choose places.
    hash: u64,
    at: UnixTime,
    /// Which fetch had begun last.
    begun: u64,
}

impl UnknownKids {
    /// Whether a name (or none) is to be asked for at `now`: if it was not within the last `gap`, or a fetch has begun since.
    /// Then it counts as asked for.
    ///
    /// `begun` tells the fetch that began last from all others. It may have come too early: who asked for a name before there
    /// was a key of it must not keep the first token of that key from being heard.
    pub(super) fn is_to_be_asked(
        &mut self,
        issuer: &str,
        kid: Option<&str>,
        gap: Duration,
        (begun, now): (u64, UnixTime),
    ) -> bool {
        let kid = kid.map(|kid| &kid.as_bytes()[..kid.len().min(KID_BYTES)]);
        let hash = self.hash_keys.hash_one((issuer, kid));
        if self.asked.is_empty() {
            self.asked = vec![None; PLACES].into();
        }
        let place = usize::try_from(hash & MASK).unwrap_or(0);
        let asked = &mut self.asked[place];
        // A clock that was set back does not make a question a new one, nor keep it quiet for as long.
        let lately = |at: UnixTime| at <= now && now < at.plus(gap);
        let is_heard = |asked: Asked| asked.hash == hash && asked.begun == begun;
        if asked.is_some_and(|asked| is_heard(asked) && lately(asked.at)) {
            return false;
        }
        *asked = Some(Asked {
            hash,
            at: now,
            begun,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(15);

    fn asks(kids: &mut UnknownKids, issuer: &str, kid: Option<&str>, now: i64) -> bool {
        kids.is_to_be_asked(issuer, kid, GAP, (1, UnixTime::from_seconds(now)))
    }

    #[test]
    fn a_fetch_that_began_since_may_have_come_too_early() {
        let mut kids = UnknownKids::default();
        let mut asks =
            |begun| kids.is_to_be_asked("a", None, GAP, (begun, UnixTime::from_seconds(100)));
        assert_eq!(
            [1, 1, 2, 2, 1].map(&mut asks),
            [true, false, true, false, true]
        );
    }

    #[test]
    fn a_name_is_asked_for_once_in_a_gap() {
        let names = [
            ("a", Some("k")),
            ("b", Some("k")),
            ("a", Some("l")),
            ("a", Some("")),
            ("a", None),
        ];
        let mut all = UnknownKids::default();
        for (issuer, kid) in names {
            assert!(asks(&mut all, issuer, kid, 100), "{issuer} {kid:?}");
            // By itself: two names may have one place.
            let mut kids = UnknownKids::default();
            for (now, asked) in [
                (100, true),
                (100, false),
                (114, false),
                (115, true),
                (116, false),
                (90, true),
                (91, false),
            ] {
                assert_eq!(
                    asks(&mut kids, issuer, kid, now),
                    asked,
                    "{issuer} {kid:?} {now}"
                );
            }
        }
    }

    #[test]
    fn a_flood_of_names_takes_no_more_memory_and_each_new_one_is_asked_for() {
        let mut kids = UnknownKids::default();
        for number in 0..10_000 {
            assert!(asks(&mut kids, "a", Some(&number.to_string()), 100));
        }
        assert_eq!(kids.asked.len(), PLACES);
        assert!(!asks(&mut kids, "a", Some("9999"), 100), "the last one");
    }

    #[test]
    fn long_names_are_told_apart_by_how_they_begin() {
        let mut kids = UnknownKids::default();
        let long = |end: &str| format!("{}{end}", "ü".repeat(KID_BYTES / 2));
        assert!(asks(&mut kids, "a", Some(&long("x")), 100));
        assert!(!asks(&mut kids, "a", Some(&long("y")), 100));
        assert!(asks(&mut kids, "a", Some(&long("")[2..]), 100));
    }
}
