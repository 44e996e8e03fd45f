//! Standard output and error: a closed pipe is no failure, colour only where someone sees it.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

/// Writes to standard output. A reader that has seen enough (`| head -1`) closed the pipe: that is success.
///
/// # Errors
/// Any other fault of standard output, a full disk for one.
pub(super) fn write_out(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    closed_is_done(write!(out, "{text}").and_then(|()| out.flush())).map(|_| ())
}

/// Whether there is still a reader: `Ok(false)` after a closed pipe.
pub(super) fn closed_is_done(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a line to standard error. There is nowhere left to report a fault of it.
pub(super) fn write_err(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How a word stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Bold red.
    Error,
    /// Bold green.
    Good,
    /// Bold.
    Strong,
}

/// Whether a stream gets colour: a terminal does, unless `NO_COLOR` is set to anything (no-color.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(bool);

impl Colour {
    /// Never.
    #[cfg(test)]
    pub(super) const OFF: Self = Self(false);

    /// For standard output.
    pub(super) fn of_stdout() -> Self {
        Self(io::stdout().is_terminal() && wanted())
    }

    /// For standard error.
    pub(super) fn of_stderr() -> Self {
        Self(io::stderr().is_terminal() && wanted())
    }

    /// `word`, painted if there is colour.
    pub(super) fn paint(self, paint: Paint, word: &str) -> String {
        let code = match paint {
            Paint::Error => "1;31",
            Paint::Good => "1;32",
            Paint::Strong => "1",
        };
        if self.0 {
            format!("\u{1b}[{code}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        }
    }
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text from a token or an answer as it may reach a terminal: characters that move the cursor or turn the writing
/// direction are written as `\uXXXX`, so that a claim cannot draw over what we say. Line feeds stay.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && (character.is_control() || turns_direction(character)) {
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
        assert!(closed_is_done(Ok(())).unwrap());
        assert!(!closed_is_done(Err(io::ErrorKind::BrokenPipe.into())).unwrap());
        assert!(closed_is_done(Err(io::ErrorKind::StorageFull.into())).is_err());
    }

    #[test]
    fn without_colour_a_word_is_only_a_word() {
        assert_eq!(Colour(false).paint(Paint::Error, "error"), "error");
        assert_eq!(
            Colour(true).paint(Paint::Error, "error"),
            "\u{1b}[1;31merror\u{1b}[0m"
        );
    }

    #[test]
    fn a_claim_cannot_write_on_the_terminal() {
        assert_eq!(printable("ä 語\n"), "ä 語\n");
        assert_eq!(
            printable("\u{1b}[2J\u{9b}\u{202e}"),
            "\\u001b[2J\\u009b\\u202e"
        );
    }
}
