//! The figures as a table with what they mean, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::measure::{ROUNDS, Rounds};

/// What was found.
pub(super) struct Report {
    /// Cores that the process may use.
    pub(super) cores: usize,
    /// How long it was to take.
    pub(super) seconds: u32,
    /// Length of the first algorithm's token.
    pub(super) token_bytes: usize,
    /// One row for each.
    pub(super) algorithms: Vec<AlgorithmRow>,
    /// What is refused without a signature check.
    pub(super) refused: Vec<RefusalRow>,
}

/// One algorithm. Times in seconds.
pub(super) struct AlgorithmRow {
    name: &'static str,
    /// A signature alone.
    pub(super) signature: Rounds,
    /// A whole decision on a token that was never seen.
    pub(super) decision: Rounds,
    /// A whole decision on a token that the worker has verified before.
    pub(super) known: Rounds,
    /// The refusal of a forged token.
    pub(super) forged: Rounds,
    /// Decisions in a second on all cores.
    pub(super) all_cores: Rounds,
}

/// One kind of refusal.
#[derive(Clone)]
pub(super) struct RefusalRow {
    name: &'static str,
    /// A whole decision, in seconds.
    pub(super) seconds: Rounds,
}

impl AlgorithmRow {
    /// Without figures yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            signature: Rounds::default(),
            decision: Rounds::default(),
            known: Rounds::default(),
            forged: Rounds::default(),
            all_cores: Rounds::default(),
        }
    }
}

impl RefusalRow {
    /// Without figures yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            seconds: Rounds::default(),
        }
    }
}

impl Report {
    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        if cfg!(debug_assertions) {
            text.push_str("This is a debug build: its figures mean nothing.\n\n");
        }
        let cores = match self.cores {
            1 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        };
        let _ = writeln!(
            text,
            "{:<10} {:>12} {:>12} {:>14} {:>14} {:>12} {:>12}",
            "algorithm",
            "signature",
            "decision",
            "a second",
            format!("on {cores}"),
            "known token",
            "forged"
        );
        for row in &self.algorithms {
            let _ = writeln!(
                text,
                "{:<10} {:>12} {:>12} {:>14} {:>14} {:>12} {:>12}",
                row.name,
                time(row.signature.median()),
                time(row.decision.median()),
                rate(1.0 / row.decision.median()),
                rate(row.all_cores.median()),
                time(row.known.median()),
                time(row.forged.median()),
            );
        }
        let _ = writeln!(
            text,
            "\n{:<23} {:>12} {:>14}",
            "refused", "decision", "a second"
        );
        for row in &self.refused {
            let seconds = row.seconds.median();
            let _ = writeln!(
                text,
                "{:<23} {:>12} {:>14}",
                row.name,
                time(seconds),
                rate(1.0 / seconds)
            );
        }
        text.push_str(&self.explanation());
        text
    }

    /// What the figures mean, and what they leave out.
    fn explanation(&self) -> String {
        let bytes = self.token_bytes;
        format!(
            "
Medians of {ROUNDS} rounds, on one core unless it says otherwise. `signature` is its check alone; `decision` is all
between the head of a request and the head that goes upstream: route, header fields, token, scope, three claim headers.
Each is on a token of {bytes} bytes (the first algorithm's) that was never seen before, but `known token`: the whole
decision on one that the worker has verified and remembers. A forged token is refused after a whole signature check, the
others before it.

What is left out: reading the request and forwarding it, TLS, and your upstream. They come on top for each request, so a
machine that only forwards new tokens passes fewer a second than stand here; docs/load-testing.md measures all of it.
"
        )
    }

    /// For programs. Times in nanoseconds.
    pub(super) fn to_json(&self) -> Value {
        let algorithm = |row: &AlgorithmRow| {
            json!({
                "algorithm": row.name,
                "signature_ns": figure(&row.signature, 1e9),
                "decision_ns": figure(&row.decision, 1e9),
                "known_ns": figure(&row.known, 1e9),
                "forged_ns": figure(&row.forged, 1e9),
                "per_second_and_core": rounded(1.0 / row.decision.median()),
                "all_cores_per_second": figure(&row.all_cores, 1.0),
            })
        };
        let refusal = |row: &RefusalRow| json!({ "request": row.name, "decision_ns": figure(&row.seconds, 1e9) });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "debug_build": cfg!(debug_assertions),
            "cores": self.cores,
            "seconds": self.seconds,
            "rounds": ROUNDS,
            "token_bytes": self.token_bytes,
            "algorithms": self.algorithms.iter().map(algorithm).collect::<Vec<_>>(),
            "refused": self.refused.iter().map(refusal).collect::<Vec<_>>(),
        })
    }
}

fn figure(rounds: &Rounds, unit: f64) -> Value {
    let (least, most) = rounds.range();
    json!({
        "median": rounded(rounds.median() * unit),
        "least": rounded(least * unit),
        "most": rounded(most * unit),
    })
}

/// To a tenth: more digits would be noise.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Microseconds with three digits.
fn time(seconds: f64) -> String {
    let micros = seconds * 1e6;
    match micros {
        ..10.0 => format!("{micros:.2} µs"),
        10.0..100.0 => format!("{micros:.1} µs"),
        _ => format!("{micros:.0} µs"),
    }
}

/// A whole number of which three digits are told, in groups of three.
fn rate(per_second: f64) -> String {
    let digits = format!("{per_second:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(if place < 3 { digit } else { '0' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_three_digits() {
        for (seconds, text) in [
            (0.000_000_312, "0.31 µs"),
            (0.000_009_4, "9.40 µs"),
            (0.000_018_26, "18.3 µs"),
            (0.000_312_6, "313 µs"),
            (0.001_5, "1500 µs"),
        ] {
            assert_eq!(time(seconds), text);
        }
        for (per_second, text) in [
            (0.4, "0"),
            (999.0, "999"),
            (1_234.0, "1,230"),
            (55_662.2, "55,600"),
            (3_199_999.0, "3,190,000"),
        ] {
            assert_eq!(rate(per_second), text);
        }
    }

    #[test]
    fn the_table_says_what_it_leaves_out() {
        let mut row = AlgorithmRow::new("EdDSA");
        row.decision.add(0.000_04);
        row.all_cores.add(96_000.0);
        let report = Report {
            cores: 4,
            seconds: 10,
            token_bytes: 500,
            algorithms: vec![row],
            refused: vec![RefusalRow::new("no token")],
        };
        let text = report.to_text();
        for part in [
            "40.0 µs",
            "25,000",
            "96,000",
            "4 cores",
            "What is left out",
            "no token",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let wide = text.lines().find(|line| line.chars().count() > 120);
        assert_eq!(wide, None);
    }
}
