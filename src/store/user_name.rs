//! Names of users: one account for every way of writing one.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

/// Most bytes of a name, as written and as compared.
const MAX_BYTES: usize = 255;

/// The name of a user, in Unicode's form NFC, without blanks around it.
///
/// Two names are equal when they are one account: compared is what remains after compatibility forms (NFKC) and case are
/// evened out. So `Alice`, `ALICE ` and fullwidth `Ａｌｉｃｅ` are one.
#[derive(Clone)]
pub struct UserName {
    written: Box<str>,
    key: Box<str>,
}

/// Why a text is no name; it reads on after the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// Nothing, or blanks alone.
    #[error("is empty")]
    Empty,
    /// More than 255 bytes.
    #[error("is longer than 255 bytes")]
    TooLong,
    /// A control, a line end, or what no one sees: two names that look alike would be two accounts.
    #[error("holds a control or an invisible character")]
    Invisible,
}

impl UserName {
    /// Takes a name from what someone typed.
    ///
    /// # Errors
    /// It is empty, longer than 255 bytes, or holds what cannot be seen.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        // Before anything is made of it: a login form sends what it likes.
        if text.len() > 4 * MAX_BYTES {
            return Err(UserNameError::TooLong);
        }
        let trimmed = text.trim();
        if trimmed.chars().any(is_invisible) {
            return Err(UserNameError::Invisible);
        }
        let written: String = trimmed.nfc().collect();
        let key = key(&written);
        if key.is_empty() {
            return Err(UserNameError::Empty);
        }
        if key.chars().any(is_invisible) {
            return Err(UserNameError::Invisible);
        }
        if written.len() > MAX_BYTES || key.len() > MAX_BYTES {
            return Err(UserNameError::TooLong);
        }
        Ok(Self {
            written: written.into(),
            key: key.into(),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What is compared: the same for all names of one account.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Evens out compatibility forms and case.
///
/// Upper and then lower case is nearer to full case folding than lower case alone: `ß` meets `SS`, and the two small sigmas
/// each other.
fn key(written: &str) -> String {
    let mut key: String = written.to_owned();
    // What lower case yields may compose anew. It settles after two rounds; the bound is for what nobody has thought of.
    for _ in 0..4 {
        let upper: String = key.nfkc().flat_map(char::to_uppercase).collect();
        let lower: String = upper.nfkc().flat_map(char::to_lowercase).collect();
        let next: String = lower.nfkc().collect();
        let next = next.trim().to_owned();
        if next == key {
            break;
        }
        key = next;
    }
    key
}

/// Controls, and characters that show nothing: joiners, direction marks, fillers, variation selectors, tags.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for UserName {}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_has_many_spellings() {
        for (one, other) in [
            ("Alice", "ALICE "),
            ("alice", "\u{a0}ａｌｉｃｅ\t"),
            ("Zo\u{e9}", "zoe\u{301}"),
            ("straße", "STRASSE"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("ﬁona", "FIONA"),
            ("a b", "A\u{a0}B"),
            ("\u{17f}am", "SAM"),
        ] {
            let [one, other] = [one, other].map(|name| UserName::parse(name).unwrap());
            assert_eq!(one, other, "{} {}", one.key(), other.key());
        }
        for (one, other) in [("alice", "alice2"), ("a b", "ab"), ("jose", "josé")] {
            assert_ne!(UserName::parse(one), UserName::parse(other));
        }
    }

    #[test]
    fn it_is_shown_as_it_was_written() {
        let name = UserName::parse("  Zoe\u{301} Müller ").unwrap();
        assert_eq!(name.to_string(), "Zo\u{e9} Müller");
        assert_eq!(name.as_str(), "Zo\u{e9} Müller");
        assert_eq!(name.key(), "zo\u{e9} müller");
    }

    #[test]
    fn what_is_no_name_is_told() {
        let fits = "x".repeat(MAX_BYTES);
        assert!(UserName::parse(&fits).is_ok());
        let long = "x".repeat(MAX_BYTES + 1);
        let huge = "x".repeat(1 << 20);
        // Eighteen characters of one that NFKC writes out.
        let grows = "\u{fdfa}".repeat(18);
        for (text, error) in [
            ("", UserNameError::Empty),
            (" \t\u{a0}\u{2003}", UserNameError::Empty),
            (&long, UserNameError::TooLong),
            (&huge, UserNameError::TooLong),
            (&grows, UserNameError::TooLong),
            ("a\0b", UserNameError::Invisible),
            ("a\nb", UserNameError::Invisible),
            ("a\r\n{\"level\":\"info\"}", UserNameError::Invisible),
            ("a\u{1b}[31m", UserNameError::Invisible),
            ("a\u{200b}lice", UserNameError::Invisible),
            ("\u{feff}alice", UserNameError::Invisible),
            ("\u{202e}ecila", UserNameError::Invisible),
            ("al\u{ad}ice", UserNameError::Invisible),
            ("a\u{2028}b", UserNameError::Invisible),
            ("\u{3164}", UserNameError::Invisible),
        ] {
            assert_eq!(UserName::parse(text), Err(error), "{text:?}");
        }
    }

    proptest::proptest! {
        /// A name that was stored is found again, in capitals and in any form of Unicode too.
        #[test]
        fn the_key_is_settled(text in "\\PC{1,12}") {
            let Ok(name) = UserName::parse(&text) else {
                return Ok(());
            };
            let spellings = [
                name.as_str().to_owned(),
                name.key().to_owned(),
                name.as_str().nfd().collect(),
                name.as_str().nfkc().collect(),
                format!(" {name} "),
            ];
            for spelling in spellings {
                if let Ok(other) = UserName::parse(&spelling) {
                    proptest::prop_assert_eq!(other.key(), name.key(), "{:?}", spelling);
                }
            }
        }
    }
}
