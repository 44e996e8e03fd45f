//! The command itself.

use std::path::PathBuf;

use crate::cli::explain::render;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Colour, printable, write_out};

use super::judge::{Judge, Outcome};
use super::report;
use super::suite::Suite;

/// Test a configuration with cases: a request, a token that is made for it, and what has to come of them
///
/// Nothing is sent or fetched: keys are made on the fly in place of the configured ones, and the clock stands. Exits with 3 if a
/// case fails, and with 78 if the cases or the configuration are wrong.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Test {
    /// The cases
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only cases with this in their name
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only say which cases there are
    #[arg(long)]
    list: bool,
}

/// How the results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Lines, as cargo test has them, with an explanation of what failed
    Text,
    /// XML, as CI systems read it
    Junit,
    /// One JSON object
    Json,
}

impl Test {
    /// Runs the cases.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        let suite = Suite::read(&self.file)?;
        let mut judge = Judge::new(&suite, &self.file)?;
        let mut runs = judge.runs()?;
        let all = runs.len();
        if let Some(filter) = &self.filter {
            runs.retain(|run| run.name.contains(filter.as_str()));
        }
        let filtered = all - runs.len();
        if self.list {
            for run in &runs {
                write_out(format_args!("{}\n", printable(&run.name)))?;
            }
            return Ok(Exit::OK);
        }
        let snapshot = judge.snapshot()?;
        let mut outcomes = Vec::new();
        for run in runs {
            outcomes.push(judge.judge(&snapshot, run)?);
        }
        self.report(&outcomes, filtered)?;
        Ok(
            if outcomes.iter().all(|outcome| outcome.problems.is_empty()) {
                Exit::OK
            } else {
                Exit::REFUSED
            },
        )
    }

    fn report(&self, outcomes: &[Outcome], filtered: usize) -> Result<(), Failure> {
        match self.format {
            Format::Json => write_out(format_args!("{:#}\n", report::json(outcomes)))?,
            Format::Junit => {
                write_out(report::junit(&self.file.display().to_string(), outcomes))?;
            }
            Format::Text => {
                let colour = Colour::of_stdout();
                let tests = if outcomes.len() == 1 { "test" } else { "tests" };
                write_out(format_args!("running {} {tests}\n", outcomes.len()))?;
                let lines: String = outcomes.iter().map(|it| report::line(it, colour)).collect();
                let walk = |outcome: &Outcome| render(&outcome.explanation, &[], colour);
                write_out(lines)?;
                write_out(report::end(outcomes, filtered, colour, walk))?;
            }
        }
        Ok(())
    }
}
