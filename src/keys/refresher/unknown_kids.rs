//! The `kid`s that tokens named and a provider does not have.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::keys::shown;

/// Most `kid`s that are remembered.
const REMEMBERED: usize = 64;

/// Most `kid`s that one line of the log names.
const NAMED: usize = 5;

/// Those of late.
#[derive(Debug, Default)]
pub(super) struct UnknownKids {
    /// As they are shown, each with when it was said, the newest last.
    said: VecDeque<(String, UnixTime)>,
}

impl UnknownKids {
    /// The provider lacks these. What is to be said of it, if there is one among them that was not said for `interval`.
    pub(super) fn lacking<'k>(
        &mut self,
        kids: impl Iterator<Item = &'k str>,
        now: UnixTime,
        interval: Duration,
    ) -> Option<String> {
        let mut new: Vec<String> = Vec::new();
        for kid in kids.map(shown::text) {
            let said = self.said.iter().position(|(said, _)| *said == kid);
            if let Some(at) = said {
                let (_, time) = self.said[at];
                // A clock that was set back makes nothing silent for longer.
                if time <= now && now < time.plus(interval) {
                    continue;
                }
                self.said.remove(at);
            }
            if self.said.len() == REMEMBERED {
                self.said.pop_front();
            }
            self.said.push_back((kid.clone(), now));
            new.push(kid);
        }
        let more = new.len().saturating_sub(NAMED);
        new.truncate(NAMED);
        let quoted: Vec<String> = new.iter().map(|kid| format!("{kid:?}")).collect();
        let named = quoted.join(", ");
        match (named.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(named),
            (false, more) => Some(format!("{named} and {more} more")),
        }
    }

    /// All that are remembered, the newest last.
    pub(super) fn shown(&self) -> Vec<String> {
        self.said.iter().map(|(kid, _)| kid.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    #[test]
    fn each_is_said_once_in_an_interval() {
        let mut kids = UnknownKids::default();
        let mut say = |all: &[&str], time: i64| kids.lacking(all.iter().copied(), at(time), MINUTE);
        assert_eq!(say(&[], 0), None);
        assert_eq!(say(&["a", "b", "a"], 0).as_deref(), Some(r#""a", "b""#));
        assert_eq!(say(&["a", "b"], 59), None);
        assert_eq!(say(&["a", "c"], 59).as_deref(), Some(r#""c""#));
        assert_eq!(say(&["a", "c"], 60).as_deref(), Some(r#""a""#));
        assert_eq!(say(&["a"], 30).as_deref(), Some(r#""a""#), "set back");
        assert_eq!(kids.shown(), ["b", "c", "a"]);
    }

    #[test]
    fn many_are_one_line_and_few_are_remembered() {
        let mut kids = UnknownKids::default();
        let all: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let said = kids.lacking(all.iter().map(String::as_str), at(0), MINUTE);
        let line = r#""0", "1", "2", "3", "4" and 95 more"#;
        assert_eq!(said.as_deref(), Some(line));
        assert_eq!(kids.shown().len(), REMEMBERED);
    }

    #[test]
    fn what_others_chose_is_shown_printable_and_short() {
        let mut kids = UnknownKids::default();
        let hostile = format!("a\r\n\u{1b}[31m\u{202e}{}", "x".repeat(500));
        let said = kids.lacking(std::iter::once(&*hostile), at(0), MINUTE);
        let said = said.unwrap();
        assert!(
            said.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{said}"
        );
        assert!(said.chars().count() < 120, "{said}");
    }
}
