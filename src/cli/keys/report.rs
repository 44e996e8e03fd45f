//! The key report of a running gateway (`GET /keys`), for people.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::arguments::moment_argument;
use crate::cli::output::{Colour, Paint, printable};
use crate::clock::UnixTime;
use crate::clock::distance;

/// What the gateway says, and what of it is shown. Members that it does not have are left out: it may be of another version.
pub(super) struct Report {
    all: Value,
    shown: Shown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shown {
    observed_since: Option<String>,
    issuers: Vec<ShownIssuer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownIssuer {
    name: String,
    sources: Vec<ShownSource>,
    keys: Vec<ShownKey>,
    skipped: Vec<ShownSkipped>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownSource {
    kind: String,
    source: String,
    url: String,
    state: String,
    keys: u64,
    last_success: Option<String>,
    next_attempt: Option<String>,
    serves_until: Option<String>,
    last_error: Option<String>,
    failures: u64,
    warnings: Vec<ShownWarning>,
    unknown_kids: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownWarning {
    text: String,
    since: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownSkipped {
    kid: Option<String>,
    source: Option<String>,
    error: String,
    of_other_use: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShownKey {
    kid: Option<String>,
    algorithms: Vec<String>,
    source: Option<String>,
    in_force: bool,
    first_seen: Option<String>,
    last_seen: Option<String>,
    tokens: u64,
    last_token: Option<String>,
    newest_expiry: Option<String>,
    verdict: String,
}

impl Report {
    /// The report in an answer, if it is one.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let all: Value = serde_json::from_slice(body).ok()?;
        all["issuers"].as_array()?;
        let shown = Shown::deserialize(&all).ok()?;
        Some(Self { all, shown })
    }

    /// As it came.
    pub(super) fn json(&self) -> &Value {
        &self.all
    }

    /// In lines: each issuer with its sources and a table of its keys.
    pub(super) fn render(&self, now: UnixTime, colour: Colour) -> String {
        let mut text = String::new();
        for issuer in &self.shown.issuers {
            let _ = writeln!(text, "{}", colour.paint(Paint::Strong, &line(&issuer.name)));
            for source in &issuer.sources {
                source.render(&mut text, now, colour);
            }
            // Those that are gone are listed, too.
            if !issuer.keys.iter().any(|key| key.in_force) {
                let word = colour.paint(Paint::Error, "no keys");
                let _ = writeln!(text, "  {word}: tokens of this issuer get 503");
            }
            if !issuer.keys.is_empty() {
                text.push_str(&table(&issuer.keys, now));
            }
            for key in issuer.skipped.iter().filter(|key| !key.of_other_use) {
                key.render(&mut text, colour);
            }
        }
        if let Some(since) = &self.shown.observed_since {
            let _ = writeln!(text, "tokens are counted since {}", moment(since, now));
        }
        text
    }
}

impl ShownSource {
    fn render(&self, text: &mut String, now: UnixTime, colour: Colour) {
        let paint = match self.state.as_str() {
            "fresh" => Paint::Good,
            "never fetched" | "expired" => Paint::Error,
            _ => Paint::Strong,
        };
        let state = colour.paint(paint, &line(&self.state));
        let (kind, source) = (line(&self.kind), line(&self.source));
        let keys = match self.keys {
            1 => "1 key".to_owned(),
            several => format!("{several} keys"),
        };
        let _ = writeln!(text, "  {kind} {source}: {state}, {keys}");
        if !self.url.is_empty() && self.url != self.source {
            let _ = writeln!(text, "    keys from {}", line(&self.url));
        }
        let mut times = Vec::new();
        for (label, time) in [
            ("last success", &self.last_success),
            ("next attempt", &self.next_attempt),
        ] {
            times.extend(
                time.as_ref()
                    .map(|time| format!("{label} {}", moment(time, now))),
            );
        }
        if self.state != "fresh" {
            let until = self.serves_until.as_ref();
            times.extend(until.map(|time| format!("its keys serve until {}", line(time))));
        }
        if !times.is_empty() {
            let _ = writeln!(text, "    {}", times.join(", "));
        }
        if let Some(error) = &self.last_error {
            let times = match self.failures {
                0 | 1 => String::new(),
                several => format!(" ({several} times in a row)"),
            };
            let _ = writeln!(text, "    last error: {}{times}", line(error));
        }
        for warning in &self.warnings {
            let since = warning.since.as_ref().map(|time| moment(time, now));
            let since = since.map_or_else(String::new, |since| format!(" (since {since})"));
            let _ = writeln!(text, "    warning: {}{since}", line(&warning.text));
        }
        if !self.unknown_kids.is_empty() {
            let kids: Vec<String> = self.unknown_kids.iter().map(|kid| line(kid)).collect();
            let _ = writeln!(
                text,
                "    tokens name keys that it does not have: {}",
                kids.join(", ")
            );
        }
    }
}

impl ShownSkipped {
    fn render(&self, text: &mut String, colour: Colour) {
        let word = colour.paint(Paint::Error, "not used");
        let kid = shown_kid(self.kid.as_deref());
        let source = self.source.as_deref();
        let source = source.map_or_else(String::new, |source| format!(" of {}", line(source)));
        let _ = writeln!(text, "  {word}: {kid}{source}: {}", line(&self.error));
    }
}

/// The keys, a line each, in columns.
fn table(keys: &[ShownKey], now: UnixTime) -> String {
    let away = |time: Option<&String>, none: &str| {
        time.map_or_else(|| none.to_owned(), |time| moment(time, now))
    };
    // With one source there is nothing to tell apart.
    let several = keys.iter().any(|key| key.source != keys[0].source);
    let mut head = vec!["KID", "ALGORITHMS"];
    head.extend(several.then_some("SOURCE"));
    head.extend([
        "FIRST SEEN",
        "LAST SEEN",
        "TOKENS",
        "LAST TOKEN",
        "NEWEST EXP",
        "VERDICT",
    ]);
    let mut rows: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for key in keys {
        let mut row = vec![
            shown_kid(key.kid.as_deref()),
            line(&key.algorithms.join(" ")),
        ];
        row.extend(several.then(|| key.source.as_deref().map_or_else(String::new, line)));
        row.extend([
            away(key.first_seen.as_ref(), "-"),
            if key.in_force {
                "in the set".to_owned()
            } else {
                away(key.last_seen.as_ref(), "-")
            },
            key.tokens.to_string(),
            away(key.last_token.as_ref(), "never"),
            away(key.newest_expiry.as_ref(), "-"),
            line(&key.verdict),
        ]);
        rows.push(row);
    }
    columns(&rows)
}

fn shown_kid(kid: Option<&str>) -> String {
    kid.map_or_else(|| "(no kid)".to_owned(), line)
}

fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut cells = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(cells, "  {cell:width$}");
        }
        let _ = writeln!(text, "{}", cells.trim_end());
    }
    text
}

/// A moment as far from now as it is: who wants it to the second reads the JSON.
fn moment(text: &str, now: UnixTime) -> String {
    moment_argument(text).map_or_else(|_| line(text), |moment| distance(moment, now))
}

/// A text of someone else in one line.
fn line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(value: &Value) -> Report {
        Report::parse(value.to_string().as_bytes()).expect("a report")
    }

    #[test]
    fn sources_and_keys_are_shown_in_columns() {
        let report = report(&json!({
            "observed_since": "1970-01-01T00:00:00Z",
            "issuers": [{
                "name": "corp",
                "sources": [{
                    "kind": "discovery", "source": "https://login.example.com/metadata",
                    "url": "https://login.example.com/keys", "state": "stale", "keys": 2,
                    "last_success": "1970-01-01T00:50:00Z", "next_attempt": "1970-01-01T01:00:12Z",
                    "serves_until": "1970-01-02T00:50:00Z", "failures": 3,
                    "last_error": "https://login.example.com/keys: connection refused",
                    "warnings": [{ "text": "the set alternates", "since": "1970-01-01T00:30:00Z" }],
                    "unknown_kids": ["k9"],
                }],
                "keys": [
                    {
                        "kid": "k1", "algorithms": ["RS256"], "tokens": 1200, "in_force": true,
                        "first_seen": "1970-01-01T00:00:00Z", "last_seen": "1970-01-01T01:00:00Z",
                        "last_token": "1970-01-01T00:59:59Z", "newest_expiry": "1970-01-01T02:00:00Z",
                        "verdict": "in use until 1970-01-01T02:00:30Z",
                    },
                    {
                        "kid": null, "algorithms": ["ES256"], "in_force": false, "verdict": "gone",
                        "first_seen": "1970-01-01T00:00:00Z", "last_seen": "1970-01-01T00:30:00Z",
                    },
                ],
                "skipped": [
                    { "kid": "k2", "source": "a.json", "error": "kid \"k2\" names different keys" },
                    { "kid": "e1", "source": "a.json", "error": "not usable here", "of_other_use": true },
                ],
            }],
        }));
        let shown = report.render(UnixTime::from_seconds(3600), Colour::OFF);
        assert_eq!(
            shown,
            "\
corp
  discovery https://login.example.com/metadata: stale, 2 keys
    keys from https://login.example.com/keys
    last success 10 minutes ago, next attempt in 12 seconds, its keys serve until 1970-01-02T00:50:00Z
    last error: https://login.example.com/keys: connection refused (3 times in a row)
    warning: the set alternates (since 30 minutes ago)
    tokens name keys that it does not have: k9
  KID       ALGORITHMS  FIRST SEEN  LAST SEEN       TOKENS  LAST TOKEN    NEWEST EXP  VERDICT
  k1        RS256       1 hour ago  in the set      1200    1 second ago  in 1 hour   in use until 1970-01-01T02:00:30Z
  (no kid)  ES256       1 hour ago  30 minutes ago  0       never         -           gone
  not used: k2 of a.json: kid \"k2\" names different keys
tokens are counted since 1 hour ago
"
        );
    }

    #[test]
    fn sources_of_keys_are_told_apart() {
        let key = |kid: &str, source: &str| json!({ "kid": kid, "source": source });
        let all = |keys: &[Value]| report(&json!({ "issuers": [{ "name": "a", "keys": keys }] }));
        let shown = |keys: &[Value]| all(keys).render(UnixTime::default(), Colour::OFF);
        assert!(!shown(&[key("k1", "a.json"), key("k2", "a.json")]).contains("a.json"));
        let text = shown(&[key("k1", "a.json"), key("k2", "https://b/keys")]);
        assert!(
            text.contains("SOURCE") && text.contains("https://b/keys"),
            "{text}"
        );
    }

    #[test]
    fn an_issuer_without_keys_stands_out() {
        let report = report(&json!({ "issuers": [{ "name": "corp" }] }));
        let shown = report.render(UnixTime::default(), Colour::OFF);
        assert_eq!(shown, "corp\n  no keys: tokens of this issuer get 503\n");
        // Those that were dropped are listed all the same.
        let dropped = json!({ "name": "corp", "keys": [{ "kid": "k1", "in_force": false }] });
        let shown = self::report(&json!({ "issuers": [dropped] }));
        let shown = shown.render(UnixTime::default(), Colour::OFF);
        assert!(
            shown.contains("  no keys: ") && shown.contains("  k1"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_report_is_none_and_names_cannot_draw() {
        assert!(Report::parse(b"<html>").is_none());
        assert!(Report::parse(b"{}").is_none());
        let report = report(&json!({
            "issuers": [{ "name": "a", "keys": [{ "kid": "k\u{1b}[2J\nsafe to retire" }] }],
        }));
        let shown = report.render(UnixTime::default(), Colour::OFF);
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert_eq!(shown.lines().count(), 4, "{shown}");
    }
}
