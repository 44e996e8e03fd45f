//! What `bench` measures, in turn.

use std::hint::black_box;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use http::request::Parts;
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::arguments::algorithm_argument;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::write_out;
use crate::cli::state_directory::StateDirectory;
use crate::jwt::{Algorithm, CompactJws};

use super::fixture::{Credentials, Fixture, Judge, head};
use super::measure::{BATCH, ROUNDS, seconds_each};
use super::table::{AlgorithmRow, RefusalRow, Report};

/// The customary ones, each kind of key once and the two paddings of RSA.
const CUSTOMARY: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Hs256,
];

/// Requests that are refused, and what they are called. Without a signature check the algorithm does not matter.
const REFUSED: [(&str, Credentials); 3] = [
    ("no token", Credentials::Missing),
    ("malformed", Credentials::Malformed),
    ("expired", Credentials::Expired),
];

/// Measure how many requests this machine can check, for each algorithm
///
/// Decides on requests inside this process, with keys made for it: nothing is sent, and no configuration is read.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Bench {
    /// How long it may take, keys aside
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Only this algorithm; repeat it for more [default: RS256, PS256, ES256, ES384, `EdDSA`, HS256]
    #[arg(long = "alg", value_name = "ALG", value_parser = algorithm_argument)]
    algorithms: Vec<Algorithm>,
    /// As JSON, with the range of the rounds
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Measures and prints.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        let report = self.measured()?;
        if self.json {
            write_out(format_args!("{:#}\n", report.to_json()))?;
        } else {
            write_out(report.to_text())?;
        }
        Ok(Exit::OK)
    }

    fn measured(&self) -> Result<Report, Failure> {
        let directory = StateDirectory::new(None)?;
        let mut subjects = Vec::new();
        for algorithm in self.algorithms() {
            subjects.push(Subject::new(Fixture::new(algorithm, directory.path())?)?);
        }
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut report = Report {
            cores,
            seconds: self.seconds,
            token_bytes: subjects.first().map_or(0, |subject| subject.token.len()),
            algorithms: subjects.iter().map(Subject::row).collect(),
            refused: REFUSED.map(|(name, _)| RefusalRow::new(name)).to_vec(),
        };
        let refusals = match subjects.first() {
            Some(subject) => subject.refusals()?,
            None => Vec::new(),
        };
        let parts = subjects.len() * Subject::PARTS + refusals.len();
        let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
        let slice = Duration::from_secs(self.seconds.into()) / (ROUNDS * parts);
        let progress = progress_bar(u64::from(ROUNDS));
        for _ in 0..ROUNDS {
            for (subject, row) in subjects.iter().zip(&mut report.algorithms) {
                subject.measure(slice, cores, row);
            }
            if let Some(subject) = subjects.first() {
                for (parts, row) in refusals.iter().zip(&mut report.refused) {
                    row.seconds
                        .add(decisions(slice, &mut subject.fixture.judge(), parts));
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(report)
    }

    /// Those that were named, each once, or the customary ones.
    fn algorithms(&self) -> Vec<Algorithm> {
        if self.algorithms.is_empty() {
            return CUSTOMARY.to_vec();
        }
        let mut once = Vec::new();
        for algorithm in &self.algorithms {
            if !once.contains(algorithm) {
                once.push(*algorithm);
            }
        }
        once
    }
}

/// Only where someone waits: a whole run takes seconds.
fn progress_bar(rounds: u64) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    ProgressBar::with_draw_target(Some(rounds), target)
}

/// One algorithm, and what its requests carry.
struct Subject {
    fixture: Fixture,
    token: String,
    good: Parts,
    forged: Parts,
}

impl Subject {
    /// How many measurements it has in a round.
    const PARTS: usize = 5;

    fn new(fixture: Fixture) -> Result<Self, Failure> {
        Ok(Self {
            token: fixture.token()?,
            good: fixture.request(Credentials::Good)?,
            forged: fixture.request(Credentials::Forged)?,
            fixture,
        })
    }

    fn row(&self) -> AlgorithmRow {
        AlgorithmRow::new(self.fixture.algorithm().name())
    }

    fn refusals(&self) -> Result<Vec<Parts>, Failure> {
        let requests = REFUSED.map(|(_, credentials)| self.fixture.request(credentials));
        requests.into_iter().collect()
    }

    fn measure(&self, slice: Duration, cores: usize, row: &mut AlgorithmRow) {
        let mut judge = self.fixture.judge();
        row.signature.add(self.signatures(slice, &mut judge));
        row.decision.add(decisions(slice, &mut judge, &self.good));
        row.forged.add(decisions(slice, &mut judge, &self.forged));
        let mut remembering = self.fixture.remembering_judge();
        row.known
            .add(decisions(slice, &mut remembering, &self.good));
        row.all_cores.add(self.on_all_cores(slice, cores));
    }

    fn signatures(&self, slice: Duration, judge: &mut Judge<'_>) -> f64 {
        let Ok(jws) = CompactJws::parse(self.token.as_bytes()) else {
            return f64::NAN;
        };
        seconds_each(slice, || {
            let began = Instant::now();
            for _ in 0..BATCH {
                let _ = black_box(judge.check_signature(black_box(&jws)));
            }
            began.elapsed()
        })
    }

    /// Decisions in a second on all cores at once, which is less than so many times those of one: they share caches, memory
    /// and heat, and some are two halves of one.
    fn on_all_cores(&self, slice: Duration, cores: usize) -> f64 {
        thread::scope(|scope| {
            let one = || decisions(slice, &mut self.fixture.judge(), &self.good);
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
            let each = threads.into_iter().filter_map(|thread| thread.join().ok());
            each.map(|seconds| 1.0 / seconds).sum()
        })
    }
}

/// Seconds of one decision, without the making of its head.
fn decisions(slice: Duration, judge: &mut Judge<'_>, request: &Parts) -> f64 {
    seconds_each(slice, || {
        let mut heads: Vec<_> = (0..BATCH).map(|_| head(request)).collect();
        let began = Instant::now();
        for head in &mut heads {
            let _ = black_box(judge.decide(head));
        }
        began.elapsed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_measures_each_algorithm_once_and_everything_in_it() {
        let bench = Bench {
            seconds: 1,
            algorithms: vec![Algorithm::EdDsa, Algorithm::Hs256, Algorithm::EdDsa],
            json: true,
        };
        let report = bench.measured().unwrap();
        let json = report.to_json();
        let names: Vec<&str> = json["algorithms"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["algorithm"].as_str())
            .collect();
        assert_eq!(names, ["EdDSA", "HS256"]);
        for row in json["algorithms"].as_array().unwrap() {
            for figure in ["signature_ns", "decision_ns", "known_ns", "forged_ns"] {
                assert!(row[figure]["median"].as_f64().unwrap() > 0.0, "{row}");
            }
            assert!(
                row["all_cores_per_second"]["median"].as_f64().unwrap() > 0.0,
                "{row}"
            );
        }
        assert_eq!(json["refused"].as_array().unwrap().len(), REFUSED.len());
    }
}
