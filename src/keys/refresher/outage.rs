//! What is said of fetches that fail: each reason once, and how long it lasted.

use crate::clock::UnixTime;

/// Reasons that are remembered. A provider that finds a new one each time is not worth more lines.
const REASONS: usize = 8;

/// The failures since the last success.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<UnixTime>,
    said: Vec<String>,
    end_said: bool,
}

impl Outage {
    /// A fetch failed. Whether that is to be said aloud: it is the first for this reason.
    pub(super) fn failed(&mut self, reason: &str, now: UnixTime) -> bool {
        self.since.get_or_insert(now);
        if self.said.len() >= REASONS || self.said.iter().any(|said| said == reason) {
            return false;
        }
        self.said.push(reason.to_owned());
        true
    }

    /// The set that serves meanwhile is near its end. Whether that is to be said: it is the first time.
    pub(super) fn near_end(&mut self) -> bool {
        !std::mem::replace(&mut self.end_said, true)
    }

    /// A fetch succeeded. For how many seconds none had, if the one before failed.
    pub(super) fn ended(&mut self, now: UnixTime) -> Option<i64> {
        let since = std::mem::take(self).since?;
        Some(now.since(since).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_once_until_a_success() {
        let at = UnixTime::from_seconds;
        let mut outage = Outage::default();
        assert_eq!(outage.ended(at(0)), None);
        assert!(outage.failed("refused", at(10)));
        assert!(!outage.failed("refused", at(11)));
        assert!(outage.failed("status 500", at(12)));
        assert!(!outage.failed("refused", at(13)));
        assert!(outage.near_end());
        assert!(!outage.near_end());
        assert_eq!(outage.ended(at(70)), Some(60));
        assert_eq!(outage.ended(at(71)), None);
        assert!(outage.failed("refused", at(80)));
        assert!(outage.near_end());
        assert_eq!(outage.ended(at(20)), Some(0), "a clock that was set back");
    }

    #[test]
    fn a_new_reason_each_time_fills_no_log() {
        let mut outage = Outage::default();
        let said = (0..1000)
            .filter(|number| outage.failed(&number.to_string(), UnixTime::from_seconds(0)))
            .count();
        assert_eq!(said, REASONS);
    }
}
