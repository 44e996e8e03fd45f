//! What the query of the page asks for: where to go after it, and which notice to show.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::return_to::ReturnTo;

/// Longest wait that a notice names: an hour.
const MAX_WAIT_SECONDS: u32 = 3600;

/// The query of the page. What is unknown in it, or twice there, is as if it were not there: anyone can make a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::issuer) struct Asked {
    pub(super) return_to: Option<ReturnTo>,
    pub(super) notice: Option<Notice>,
}

/// What the page says of the form before. Its words are here and never in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Refused,
    /// For so many seconds, if that is known.
    Wait(Option<u32>),
    Busy,
    Over,
    WrongCurrent,
    Differ,
    Unfit,
    Failed,
    SignedOut,
    Ended,
    OthersEnded,
    Changed,
}

impl Notice {
    const ALL: [Self; 12] = [
        Self::Refused,
        Self::Wait(None),
        Self::Busy,
        Self::Over,
        Self::WrongCurrent,
        Self::Differ,
        Self::Unfit,
        Self::Failed,
        Self::SignedOut,
        Self::Ended,
        Self::OthersEnded,
        Self::Changed,
    ];

    /// As the query has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Wait(_) => "wait",
            Self::Busy => "busy",
            Self::Over => "over",
            Self::WrongCurrent => "wrong-current",
            Self::Differ => "differ",
            Self::Unfit => "unfit",
            Self::Failed => "failed",
            Self::SignedOut => "signed-out",
            Self::Ended => "ended",
            Self::OthersEnded => "others-ended",
            Self::Changed => "changed",
        }
    }

    /// What a person reads.
    pub(super) fn text(self) -> Cow<'static, str> {
        match self {
            Self::Refused => "The name or the password is wrong.".into(),
            Self::Wait(None) => "Too many attempts. Wait a few minutes, then try again.".into(),
            Self::Wait(Some(seconds)) => {
                format!("Too many attempts. Try again in {}.", said(seconds)).into()
            }
            Self::Busy => "The service is busy. Try again in a moment.".into(),
            Self::Over => "You are not signed in any more. Sign in again.".into(),
            Self::WrongCurrent => "The current password is wrong. Nothing was changed.".into(),
            Self::Differ => "The two new passwords differ. Nothing was changed.".into(),
            Self::Unfit => "That cannot be a password. Nothing was changed.".into(),
            Self::Failed => "That did not work. Try again.".into(),
            Self::SignedOut => "You are signed out.".into(),
            Self::Ended => "The session is ended.".into(),
            Self::OthersEnded => "All other sessions are ended.".into(),
            Self::Changed => "The password is changed, and all other sessions are ended.".into(),
        }
    }

    /// Whether something went wrong, and is to be read out at once.
    pub(super) const fn is_error(self) -> bool {
        match self {
            Self::Refused
            | Self::Wait(_)
            | Self::Busy
            | Self::Over
            | Self::WrongCurrent
            | Self::Differ
            | Self::Unfit
            | Self::Failed => true,
            Self::SignedOut | Self::Ended | Self::OthersEnded | Self::Changed => false,
        }
    }
}

/// `1 second`, `90 seconds`, `5 minutes`.
fn said(seconds: u32) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

impl Asked {
    /// Reads a query.
    pub(in crate::issuer) fn of(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        let text = |name| single(query, name).and_then(decoded);
        let notice = text("notice").and_then(|name| {
            let notice = Notice::ALL.into_iter().find(|notice| notice.name() == name);
            notice.map(|notice| {
                if matches!(notice, Notice::Wait(_)) {
                    Notice::Wait(text("seconds").and_then(|text| seconds(&text)))
                } else {
                    notice
                }
            })
        });
        Self {
            return_to: text("return_to").and_then(|text| ReturnTo::parse(&text)),
            notice,
        }
    }

    /// The page itself, below the path of the issuer.
    pub(super) fn location(&self, path: &str) -> String {
        format!("{path}/{self}")
    }
}

impl fmt::Display for Asked {
    /// As a query, with its `?`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sign = '?';
        if let Some(notice) = self.notice {
            write!(f, "{sign}notice={}", notice.name())?;
            sign = '&';
            if let Notice::Wait(Some(seconds)) = notice {
                write!(f, "&seconds={seconds}")?;
            }
        }
        if let Some(return_to) = &self.return_to {
            let text = return_to.to_string();
            write!(
                f,
                "{sign}return_to={}",
                utf8_percent_encode(&text, NON_ALPHANUMERIC)
            )?;
        }
        Ok(())
    }
}

/// A number of seconds that someone may wait for.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| text.parse().ok()).flatten()?;
    (1..=MAX_WAIT_SECONDS).contains(&seconds).then_some(seconds)
}

/// The one value of a name among `name=value&..`, as it was sent.
pub(super) fn single<'p>(pairs: &'p str, name: &str) -> Option<&'p str> {
    let mut found = pairs
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(other, _)| *other == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

/// A value as it was typed, if that is UTF-8.
fn decoded(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_written() {
        for notice in Notice::ALL
            .into_iter()
            .map(Some)
            .chain([None, Some(Notice::Wait(Some(90)))])
        {
            for return_to in [None, ReturnTo::parse("/orders?page=2&a=b+c%20d")] {
                let asked = Asked { return_to, notice };
                let text = asked.to_string();
                assert_eq!(Asked::of(text.strip_prefix('?')), asked, "{text}");
            }
        }
    }

    #[test]
    fn what_nobody_wrote_here_is_not_shown() {
        for query in [
            "",
            "notice=",
            "notice=<script>",
            "notice=refused&notice=busy",
            "NOTICE=busy",
            "return_to=%2F%2Fevil.example",
            "return_to=%2Forders&return_to=%2Forders",
            "return_to=%2F%FF",
            "return_to=%252Forders",
            "return_to=https%3A%2F%2Fevil.example",
            "return_to=%2F%0D%0Aset-cookie%3Ax",
        ] {
            assert_eq!(Asked::of(Some(query)), Asked::default(), "{query}");
        }
        for seconds in ["0", "3601", "-1", "+5", "1e3", "99999999999999999999", ""] {
            let asked = Asked::of(Some(&format!("notice=wait&seconds={seconds}")));
            assert_eq!(asked.notice, Some(Notice::Wait(None)), "{seconds}");
        }
    }

    #[test]
    fn a_wait_is_said_in_words() {
        for (seconds, words) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (121, "3 minutes"),
        ] {
            assert!(
                Notice::Wait(Some(seconds)).text().contains(words),
                "{seconds}"
            );
        }
    }
}
