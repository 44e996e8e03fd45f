//! The command line: what can be typed, and which command it is.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::StartError;

use super::audit::Audit;
use super::bench::Bench;
use super::check::Check;
use super::client::Client;
use super::completions::Completions;
use super::dev::Dev;
use super::explain::Explain;
use super::failure::{Exit, Failure};
use super::healthcheck::Healthcheck;
use super::keys::Keys;
use super::man::Manual;
use super::output::{Colour, Paint, write_err};
use super::reload::Reload;
use super::revoke::Revoke;
use super::run::Run;
use super::session::Session;
use super::status::Status;
use super::test::Test;
use super::token::Token;
use super::user::User;
use super::version::Version;

/// A reverse-proxy authentication gateway: checks the JWT of every request before an API that knows nothing of tokens.
///
/// Without a command it runs. Exit codes: 0 ok, 1 failed, 2 usage, 3 refused, 69 port or store unavailable,
/// 78 bad configuration.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    max_term_width = 120,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Run),
    #[command(visible_alias = "validate")]
    Check(Check),
    Dev(Dev),
    Explain(Box<Explain>),
    Test(Test),
    #[command(subcommand)]
    Token(Token),
    #[command(subcommand)]
    Keys(Keys),
    #[command(subcommand)]
    User(User),
    #[command(subcommand)]
    Client(Client),
    #[command(subcommand)]
    Session(Session),
    Audit(Audit),
    Revoke(Box<Revoke>),
    Reload(Reload),
    Status(Status),
    Healthcheck(Healthcheck),
    Bench(Bench),
    Completions(Completions),
    Man(Manual),
    Version(Version),
}

/// Runs the command line and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a closed pipe is no failure of theirs.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::USAGE
            } else {
                Exit::OK
            }
            .into();
        }
    };
    match cli.execute() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            write_err(render(&failure, Colour::of_stderr()));
            failure.exit().into()
        }
    }
}

/// The command line as data: for completions, manual pages and tests.
pub(super) fn command() -> clap::Command {
    Cli::command()
}

impl Cli {
    fn execute(&self) -> Result<Exit, Failure> {
        match &self.command {
            None => self.run.execute(),
            Some(Command::Run(run)) => run.execute(),
            Some(Command::Check(check)) => check.execute(),
            Some(Command::Dev(dev)) => dev.execute(),
            Some(Command::Explain(explain)) => explain.execute(),
            Some(Command::Test(test)) => test.execute(),
            Some(Command::Token(token)) => token.execute(),
            Some(Command::Keys(keys)) => keys.execute(),
            Some(Command::User(user)) => user.execute(),
            Some(Command::Client(client)) => client.execute(),
            Some(Command::Session(session)) => session.execute(),
            Some(Command::Audit(audit)) => audit.execute(),
            Some(Command::Revoke(revoke)) => revoke.execute(),
            Some(Command::Reload(reload)) => reload.execute(),
            Some(Command::Status(status)) => status.execute(),
            Some(Command::Healthcheck(healthcheck)) => healthcheck.execute(),
            Some(Command::Bench(bench)) => bench.execute(),
            Some(Command::Completions(completions)) => completions.execute(),
            Some(Command::Man(man)) => man.execute(),
            Some(Command::Version(version)) => version.execute(),
        }
    }
}

/// Errors of the configuration have their own form, with place and caret; all others are one `error:` line.
fn render(failure: &Failure, colour: Colour) -> String {
    if let Failure::Config(errors) | Failure::Start(StartError::Config(errors)) = failure {
        return errors.to_string().trim_end().to_owned();
    }
    format!("{}: {failure}", colour.paint(Paint::Error, "error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["portcullis"].iter().chain(arguments))
    }

    #[test]
    fn an_error_of_the_configuration_has_one_head() {
        let none = || crate::config::ConfigErrors(Vec::new());
        for failure in [
            Failure::Config(none()),
            Failure::Start(StartError::Config(none())),
        ] {
            assert_eq!(render(&failure, Colour::OFF), "");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_documented_command_parses() {
        for line in [
            "",
            "-c gateway.toml",
            "run -c gateway.toml",
            "check --format json --deny-warnings",
            "validate",
            "dev --upstream http://localhost:3000",
            "dev --listen 127.0.0.1:0 --no-tls --print-config --state /tmp/x",
            "token mint --sub alice --claim role=ops --scope a --count 3",
            "token mint --subjects 5 --count 100 --bad expired=5%,forged=2% --bad malformed=1%",
            "explain https://api.example.com/orders a.b.c",
            "explain -c gateway.toml -X POST -H X-Tenant:acme --at 2026-01-31T12:00:00Z http://localhost/ @token",
            "explain --live --admin http://127.0.0.1:8081 --format json https://localhost/",
            "test policies.toml",
            "test policies.toml reports --format junit",
            "test policies.toml --list",
            "token inspect",
            "token inspect a.b.c -c gateway.toml",
            "token inspect @file --at 2026-01-31T12:00:00Z",
            "keys generate --out keys --kid k1",
            "keys list --json",
            "keys list --offline -c gateway.toml",
            "keys list --admin http://127.0.0.1:8081",
            "keys refresh",
            "keys refresh corp --json",
            "keys rotate",
            "keys rotate --now -c gateway.toml",
            "keys rotate --lost",
            "check --online --timeout 5",
            "client add billing --scope orders:read --scope orders:write",
            "client add app --public",
            "client list --json",
            "client disable billing -c gateway.toml",
            "client enable billing",
            "client rotate-secret billing",
            "session list --user alice --all --json",
            "session end 0193a5c0-0000-7000-8000-000000000000",
            "session end --user alice",
            "session end --all",
            "audit --user alice --limit 10 --json",
            "revoke --jti 4f1c --issuer corp --exp 2026-01-31T12:00:00Z",
            "revoke --sub alice --before now -c gateway.toml",
            "revoke --all --before 1769860800 --until 2026-12-31T00:00:00Z --json",
            "revoke --client app --remove --admin http://127.0.0.1:8081",
            "revoke list --json -c gateway.toml",
            "reload --dry-run --admin http://127.0.0.1:8081",
            "status --json",
            "healthcheck --live",
            "bench --seconds 5 --alg ES256 --json",
            "completions bash",
            "man --out man",
            "version --json",
        ] {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            if let Err(error) = parse(&arguments) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for line in [
            "walk",
            "run --port 1",
            "-c a run",
            "token",
            "completions tcsh",
            "keys retire",
            "client add",
            "client add billing --secret hunter2",
            "session end",
            "session end 7",
            "session end --all --user alice",
            "session end 0193a5c0-0000-7000-8000-000000000000 --all",
            "audit --limit 0",
        ] {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            let error = parse(&arguments).unwrap_err();
            assert!(error.use_stderr() || line == "token", "{line}");
        }
    }

    #[test]
    fn without_a_command_it_runs() {
        assert!(parse(&[]).unwrap().command.is_none());
        assert!(matches!(
            parse(&["run"]).unwrap().command,
            Some(Command::Run(_))
        ));
    }
}
