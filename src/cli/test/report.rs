//! What is said of a run: lines as cargo test has them, `JUnit`'s XML, or JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::output::{Colour, Paint, printable};

use super::judge::Outcome;

/// A case's line.
pub(super) fn line(outcome: &Outcome, colour: Colour) -> String {
    let word = if outcome.problems.is_empty() {
        colour.paint(Paint::Good, "ok")
    } else {
        colour.paint(Paint::Error, "FAILED")
    };
    format!("test {} ... {word}\n", printable(&outcome.name))
}

/// What is said of those that failed, and in the end. `walk` shows an explanation.
pub(super) fn end(
    outcomes: &[Outcome],
    filtered: usize,
    colour: Colour,
    walk: impl Fn(&Outcome) -> String,
) -> String {
    let failed: Vec<&Outcome> = failed(outcomes).collect();
    let mut text = String::new();
    if !failed.is_empty() {
        text.push_str("\nfailures:\n");
    }
    for outcome in &failed {
        let _ = writeln!(text, "\n---- {} ----", printable(&outcome.name));
        for problem in &outcome.problems {
            let _ = writeln!(text, "{}", printable(problem));
        }
        let _ = write!(text, "\n{}", walk(outcome));
    }
    let word = if failed.is_empty() {
        colour.paint(Paint::Good, "ok")
    } else {
        colour.paint(Paint::Error, "FAILED")
    };
    let passed = outcomes.len() - failed.len();
    let _ = writeln!(
        text,
        "\ntest result: {word}. {passed} passed; {} failed; {filtered} filtered out",
        failed.len()
    );
    text
}

fn failed(outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes
        .iter()
        .filter(|outcome| !outcome.problems.is_empty())
}

/// One object.
pub(super) fn json(outcomes: &[Outcome]) -> Value {
    let cases = outcomes.iter().map(|outcome| {
        json!({
            "name": outcome.name,
            "passed": outcome.problems.is_empty(),
            "problems": outcome.problems,
            "explanation": outcome.explanation,
        })
    });
    let failed = failed(outcomes).count();
    json!({ "passed": outcomes.len() - failed, "failed": failed, "cases": cases.collect::<Vec<_>>() })
}

/// A test suite as `JUnit` and those who read its reports write it.
pub(super) fn junit(suite: &str, outcomes: &[Outcome]) -> String {
    let (count, failures) = (outcomes.len(), failed(outcomes).count());
    let suite = escaped(suite);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites tests=\"{count}\" failures=\"{failures}\">\n\
         <testsuite name=\"{suite}\" tests=\"{count}\" failures=\"{failures}\">\n"
    );
    for outcome in outcomes {
        let name = escaped(&outcome.name);
        let _ = write!(xml, "<testcase classname=\"{suite}\" name=\"{name}\"");
        if outcome.problems.is_empty() {
            xml.push_str("/>\n");
        } else {
            let problems = escaped(&outcome.problems.join("; "));
            let _ = writeln!(xml, "><failure message=\"{problems}\"/></testcase>");
        }
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Text for an attribute. XML 1.0 has no way to write most control characters: they become spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
