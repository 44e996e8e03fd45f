//! What is odd about a source and goes on: said once, and shown until it ends.

use crate::clock::UnixTime;
use crate::jwt::SkippedKey;
use crate::keys::set::described;
use crate::keys::status::SourceWarning;

/// Most keys of a set that are named one by one.
const NAMED: usize = 5;

/// What a warning is about. Of each there may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The way to the provider.
    Way,
    /// The client that was to be made.
    Client,
    /// Keys of the set.
    Keys,
    /// The set is much smaller than the one before.
    Shrunk,
    /// The set went back to what it was before.
    Alternates,
}

/// Those in force.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<(About, SourceWarning)>);

impl Warnings {
    /// From now on these hold about a subject, and no others. Those that are new are said: with `say`.
    pub(super) fn set(
        &mut self,
        about: About,
        texts: impl IntoIterator<Item = String>,
        now: UnixTime,
        say: impl Fn(&str),
    ) {
        let (old, mut all): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(other, _)| *other == about);
        for text in texts {
            let known = old.iter().find(|(_, warning)| warning.text == text);
            let warning = known.map_or_else(
                || {
                    say(&text);
                    SourceWarning { text, since: now }
                },
                |(_, warning)| warning.clone(),
            );
            all.push((about, warning));
        }
        self.0 = all;
    }

    /// All of them.
    pub(super) fn shown(&self) -> Vec<SourceWarning> {
        self.0.iter().map(|(_, warning)| warning.clone()).collect()
    }
}

/// What is to be said of keys that are left out.
pub(super) fn about_skipped(skipped: &[SkippedKey]) -> Vec<String> {
    let wrong = |key: &&SkippedKey| !key.error.is_of_other_use();
    let mut texts: Vec<String> = skipped.iter().filter(wrong).map(described).collect();
    if texts.len() > NAMED {
        let more = texts.len() - NAMED;
        texts.truncate(NAMED);
        texts.push(format!("{more} more keys are not used"));
    }
    texts
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::jwt::KeyError;

    #[test]
    fn a_warning_is_said_once_while_it_lasts() {
        let said = RefCell::new(Vec::new());
        let mut warnings = Warnings::default();
        let mut set = |about, texts: &[&str], time| {
            let texts = texts.iter().map(|text| (*text).to_owned());
            let now = UnixTime::from_seconds(time);
            warnings.set(about, texts, now, |text| {
                said.borrow_mut().push(text.to_owned());
            });
        };
        set(About::Keys, &["a", "b"], 1);
        set(About::Way, &["w"], 1);
        set(About::Keys, &["b", "c"], 2);
        set(About::Keys, &["b"], 3);
        set(About::Way, &[], 3);
        set(About::Keys, &["a", "b"], 4);
        assert_eq!(*said.borrow(), ["a", "b", "w", "c", "a"]);
        let shown: Vec<(String, i64)> = warnings
            .shown()
            .into_iter()
            .map(|warning| (warning.text, warning.since.seconds()))
            .collect();
        assert_eq!(shown, [("a".to_owned(), 4), ("b".to_owned(), 1)]);
    }

    #[test]
    fn keys_for_something_else_are_no_reason_to_warn() {
        let key = |index, error| SkippedKey {
            source: None,
            index,
            kid: Some("k".into()),
            error,
        };
        let fine = key(0, KeyError::NotUsable("use is not sig"));
        assert!(about_skipped(std::slice::from_ref(&fine)).is_empty());
        let texts = about_skipped(&[fine, key(1, KeyError::Exposed("everyone can sign"))]);
        assert_eq!(texts, ["key 1 (kid \"k\"): everyone can sign"]);
        let many: Vec<_> = (0..100)
            .map(|index| key(index, KeyError::Invalid("broken")))
            .collect();
        let texts = about_skipped(&many);
        assert_eq!(texts.len(), 6);
        assert_eq!(texts[5], "95 more keys are not used");
    }
}
