//! Errors with their place.

use std::fmt;
use std::path::PathBuf;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as it was named; empty for the environment.
    pub file: PathBuf,
    /// The line; 0 for a file as a whole, and for the environment.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// The text of the line, for the caret, with secrets masked. The variable's name for the environment.
    pub text: String,
    /// How many characters the caret underlines.
    pub width: usize,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn of_file(file: PathBuf) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// The line with its number, and a caret below; nothing where there is no line.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return Ok(());
        }
        // A file may hold anything; a terminal should see only what prints.
        let shown = self
            .text
            .replace(|c: char| c.is_control() && c != '\t', "·");
        let pad: String = shown
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let caret = "^".repeat(self.width.max(1));
        write!(f, "\n{number} | {shown}\n{gutter} | {pad}{caret}")
    }
}

impl fmt::Display for Place {
    /// `file:line:column`, `file`, or the name of the variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.as_os_str().is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What, as a lower-case fragment.
    pub message: String,
    /// What to do: `did you mean ..`.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    /// `place: error: message`, the line, a caret, `help: hint`; no line end after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        report(f, &self.place, "error", &self.message, self.hint.as_deref())
    }
}

/// Everything that is wrong, in order of place. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// `file:line:column: error: message`, the line, a caret, the hint; for each error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The one shape of errors and warnings.
pub(super) fn report(
    f: &mut fmt::Formatter<'_>,
    place: &Place,
    kind: &str,
    message: &str,
    hint: Option<&str>,
) -> fmt::Result {
    write!(f, "{place}: {kind}: {}", printable(message))?;
    place.excerpt(f)?;
    if let Some(hint) = hint {
        write!(f, "\nhelp: {}", printable(hint))?;
    }
    Ok(())
}

/// A file may hold anything, and messages quote it; a terminal should see only what prints.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\t', "·")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(column: usize, text: &str, width: usize) -> ConfigError {
        ConfigError {
            place: Place {
                file: "gateway.toml".into(),
                line: 12,
                column,
                text: text.into(),
                width,
            },
            message: "unknown key `workres`".into(),
            hint: Some("did you mean `workers`?".into()),
        }
    }

    #[test]
    fn an_error_shows_its_place_line_caret_and_help() {
        assert_eq!(
            error(1, "workres = 4", 7).to_string(),
            "gateway.toml:12:1: error: unknown key `workres`\n\
             12 | workres = 4\n\
             \u{20}  | ^^^^^^^\n\
             help: did you mean `workers`?"
        );
    }

    #[test]
    fn the_caret_follows_tabs_and_controls_do_not_reach_the_terminal() {
        let text = error(2, "\tä\u{1b}[31m", 1).to_string();
        assert!(text.contains("12 | \tä·[31m\n   | \t^"), "{text}");
        let quoting = ConfigError {
            message: "`\u{1b}[31m\n` is wrong".into(),
            ..error(1, "a", 1)
        };
        assert!(quoting.to_string().contains("error: `·[31m·` is wrong\n"));
    }

    #[test]
    fn a_place_without_a_line_shows_none() {
        let whole = Place::of_file("a.toml".into());
        assert_eq!(whole.to_string(), "a.toml");
        let variable = Place {
            text: "PORTCULLIS__X".into(),
            ..Place::default()
        };
        let error = ConfigError {
            place: variable,
            message: "unknown".into(),
            hint: None,
        };
        assert_eq!(error.to_string(), "PORTCULLIS__X: error: unknown");
    }

    #[test]
    fn errors_stand_one_after_the_other() {
        let both = ConfigErrors(vec![error(1, "a", 1), error(1, "b", 1)]).to_string();
        assert_eq!(both.matches("gateway.toml:12:1: error:").count(), 2);
        assert!(!both.ends_with('\n'));
    }
}
