//! An explanation as lines for people: a column for how it went, one for the step, one for what was looked at.

use std::fmt::Write as _;

use crate::cli::output::{Colour, Paint, printable};
use crate::explain::{Explanation, Finding, Mark, Outcome, Step, Verdict};

/// Columns of what was looked at, at most: what is longer sticks out.
const WIDEST: usize = 18;

/// Where what was looked at begins.
const INDENT: &str = "                      ";

/// What is said of steps that were not reached.
const GUESSES: &str = "\n?  was not reached: this is what the token says of itself, unverified\n";

/// Everything, with line ends.
pub(in crate::cli) fn render(
    explanation: &Explanation,
    notes: &[String],
    colour: Colour,
) -> String {
    let mut text = String::new();
    let asked = &explanation.request;
    let line = printable(&format!("{} {}", asked.method, asked.url));
    let at = printable(&format!("from {} at {}", asked.client, explanation.at));
    let _ = writeln!(text, "{}\n{at}", colour.paint(Paint::Strong, &line));
    for note in notes {
        let _ = writeln!(text, "{}", printable(note));
    }
    text.push('\n');
    for step in &explanation.steps {
        render_step(step, colour, &mut text);
    }
    let is_guess = |step: &Step| step.outcome == Outcome::NotReached && !step.findings.is_empty();
    if explanation.steps.iter().any(is_guess) {
        text.push_str(GUESSES);
    }
    let _ = writeln!(text, "\n{}\n", verdict(&explanation.verdict, colour));
    let answer = &explanation.answer;
    let _ = writeln!(text, "{}", printable(&answer.line));
    for (name, value) in &answer.fields {
        let _ = writeln!(text, "  {}", printable(&format!("{name}: {value}")));
    }
    if let Some(body) = &answer.body {
        let _ = writeln!(text, "\n  {}", printable(body));
    }
    text
}

fn render_step(step: &Step, colour: Colour, text: &mut String) {
    let (word, paint) = match step.outcome {
        Outcome::Passed => ("ok", Some(Paint::Good)),
        Outcome::Refused => ("REFUSED", Some(Paint::Error)),
        Outcome::NotReached if step.findings.is_empty() => ("-", None),
        Outcome::NotReached => ("?", None),
        Outcome::NotNeeded => return,
    };
    let padded = format!("{word:<8}");
    let shown = paint.map_or_else(|| padded.clone(), |paint| colour.paint(paint, &padded));
    let _ = write!(text, "{shown} {:<13}", step.name.name());
    if step.findings.is_empty() {
        let nothing = match step.outcome {
            Outcome::NotReached => "not reached",
            Outcome::Passed | Outcome::Refused | Outcome::NotNeeded => "",
        };
        let _ = writeln!(text, "{nothing}");
        trim_end(text);
        return;
    }
    let width = step.findings.iter().map(|it| it.what.chars().count()).max();
    let width = width.unwrap_or_default().min(WIDEST);
    for (number, finding) in step.findings.iter().enumerate() {
        if number > 0 {
            text.push_str(INDENT);
        }
        let line = render_finding(finding, step.outcome, width);
        let line = match finding.mark {
            Mark::Wrong => colour.paint(Paint::Error, &line),
            Mark::Right | Mark::Noted => line,
        };
        let _ = writeln!(text, "{line}");
    }
}

/// What a step that was not reached would have found is no more than what the token says.
fn render_finding(finding: &Finding, outcome: Outcome, width: usize) -> String {
    let mut line = format!("{:<width$}  {}", finding.what, finding.found);
    let hedge = match (finding.mark, outcome) {
        (Mark::Wrong, Outcome::NotReached) => "would be refused too; ",
        (Mark::Wrong | Mark::Right | Mark::Noted, _) => "",
    };
    match (&finding.expected, finding.mark) {
        (Some(expected), Mark::Wrong) => {
            let _ = write!(line, "  ({hedge}expected: {expected})");
        }
        (Some(expected), Mark::Right | Mark::Noted) => {
            let _ = write!(line, "  ({expected})");
        }
        (None, _) => {}
    }
    printable(&line)
}

fn verdict(verdict: &Verdict, colour: Colour) -> String {
    match verdict {
        Verdict::Admitted {
            route,
            upstream,
            anonymous,
        } => {
            let word = colour.paint(Paint::Good, "admitted");
            let how = if *anonymous { " without a token" } else { "" };
            let rest = printable(&format!("by route {route}{how}, to upstream {upstream}"));
            format!("{word} {rest}")
        }
        Verdict::Refused {
            status,
            reason,
            detail,
        } => {
            let word = colour.paint(Paint::Error, &format!("refused: {status} {reason}"));
            if detail.is_empty() {
                word
            } else {
                format!("{word}: {}", printable(detail))
            }
        }
        Verdict::OwnEndpoint => {
            let word = colour.paint(Paint::Good, "admitted");
            format!("{word}: the gateway answers this itself, before any route")
        }
    }
}

fn trim_end(text: &mut String) {
    let line_end = text.trim_end_matches(' ').len();
    text.truncate(line_end);
    while text.ends_with(" \n") {
        text.truncate(text.len() - 2);
        text.push('\n');
    }
}
