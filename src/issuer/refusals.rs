//! Which refused sign-ins get a line in the audit trail: the first of each kind in a minute, and then how many more.
//!
//! A flood of them must fill neither the store nor the memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

/// What happened to whom from where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Refused {
    /// The user, where there is one of that name.
    pub(super) user: Option<Uuid>,
    /// With which client.
    pub(super) client: Box<str>,
    /// Where from.
    pub(super) address: IpAddr,
    /// Why.
    pub(super) reason: &'static str,
}

/// Those of the present minute.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// How many came after the one that has its line.
    more: HashMap<Refused, u64>,
    /// When the minute began.
    since: Duration,
    /// Those for which there was no room.
    others: u64,
}

/// What is to be written: with the number of times.
pub(super) type Lines = Vec<(Refused, u64)>;

/// Kinds that are told apart in a minute.
const MOST: usize = 128;

const MINUTE: Duration = Duration::from_mins(1);

impl Refusals {
    /// Notes one, and says what is to be written now.
    pub(super) fn note(&mut self, refused: Refused, now: Duration) -> Lines {
        let mut lines = self.over(now);
        if let Some(more) = self.more.get_mut(&refused) {
            *more += 1;
        } else if self.more.len() < MOST {
            self.more.insert(refused.clone(), 0);
            lines.push((refused, 1));
        } else {
            self.others += 1;
        }
        lines
    }

    /// What is to be written of a minute that is over.
    pub(super) fn over(&mut self, now: Duration) -> Lines {
        if now < self.since + MINUTE {
            return Vec::new();
        }
        self.since = now;
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            tracing::warn!(
                refused = others,
                "more sign-ins were refused than the audit trail tells"
            );
        }
        let ended = self.more.drain();
        ended.filter(|(_, more)| *more > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(n: u8) -> Refused {
        Refused {
            user: None,
            client: "app".into(),
            address: [192, 0, 2, n].into(),
            reason: "wrong",
        }
    }

    #[test]
    fn the_first_is_written_at_once_and_the_others_counted() {
        let mut refusals = Refusals::default();
        let now = Duration::from_secs(1000);
        assert_eq!(refusals.note(refused(1), now), [(refused(1), 1)]);
        for _ in 0..41 {
            assert_eq!(refusals.note(refused(1), now), []);
        }
        assert_eq!(refusals.note(refused(2), now), [(refused(2), 1)]);
        assert_eq!(refusals.over(now + Duration::from_secs(59)), []);
        assert_eq!(refusals.over(now + MINUTE), [(refused(1), 41)]);
        assert_eq!(refusals.over(now + 3 * MINUTE), []);
        let again = refusals.note(refused(1), now + 3 * MINUTE);
        assert_eq!(again, [(refused(1), 1)]);
    }

    #[test]
    fn a_flood_from_everywhere_writes_so_many_lines_and_no_more() {
        let mut refusals = Refusals::default();
        let now = Duration::from_secs(1000);
        let all = (0..=255).cycle().take(100_000);
        let written: usize = all.map(|n| refusals.note(refused(n), now).len()).sum();
        assert_eq!(written, MOST);
        assert_eq!(refusals.over(now + MINUTE).len(), MOST);
    }
}
