//! `dev`: from nothing to a running gateway.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::app::{Gateway, Options, StartError};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Colour, write_err, write_out};
use crate::cli::state_directory::StateDirectory;
use crate::cli::token::random_jti;
use crate::clock::Clock;
use crate::config::{self, Config, Environment, Keys};
use crate::gate::Reason;
use crate::keys::generated_key;
use crate::metrics::Metrics;
use crate::reload::Source;
use crate::snapshot::{Fixtures, Snapshot};
use crate::telemetry;

use super::echo::Echo;
use super::template::{self, Template};
use super::welcome::Welcome;

/// Where the text of the configuration is said to stand, in errors.
const NAME: &str = "dev.toml";

/// What the printed token lives for: an hour of trying out.
const TOKEN_SECONDS: i64 = 3600;

/// Try it: a key, a certificate, an upstream that shows what it received, and curl lines to paste
///
/// Nothing of it is for production. Without --state everything that was made is removed at the end.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Dev {
    #[arg(
        long,
        value_name = "URL",
        value_parser = upstream_argument,
        help = "An application to put the gateway before, such as http://localhost:3000 [default: an echo in this process]"
    )]
    upstream: Option<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the admin listener is; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// Plain HTTP
    #[arg(long)]
    no_tls: bool,
    /// Keep key and certificate in this directory
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Let others than this machine reach it: inside a container
    #[arg(long)]
    allow_remote: bool,
    /// Print the configuration it runs with, to grow from, and end
    #[arg(long)]
    print_config: bool,
}

fn upstream_argument(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = uri.path() == "/" && uri.query().is_none();
    if scheme && bare && uri.host().is_some_and(|host| !host.is_empty()) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("write it as http://HOST:PORT, without a path".to_owned())
    }
}

impl Dev {
    /// Runs until TERM or INT.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        self.refuse_remote()?;
        if self.print_config {
            write_out(self.template(template::PLACEHOLDER_UPSTREAM).to_toml())?;
            return Ok(Exit::OK);
        }
        let state = StateDirectory::new(self.state.as_deref())?;
        let echo = match self.upstream {
            Some(_) => None,
            None => Some(Echo::start()?),
        };
        let echo_url = echo.as_ref().map(Echo::url);
        let text = self
            .template(echo_url.as_deref().unwrap_or_default())
            .to_toml();
        let environment = Environment(
            [(
                "STATE_DIRECTORY".to_owned(),
                state.path().display().to_string(),
            )]
            .into(),
        );
        let config = config::parse(&text, Path::new(NAME), state.path(), &environment)?;
        let _last_lines = telemetry::start(config.log.format);
        let certificate = make_files(config.clone())?;
        let token = token(&config)?;
        let gateway = Gateway::start(Options {
            source: Source::Text(text, state.path().to_owned(), environment),
            clock: Clock::System,
            access_log: None,
        })
        .map_err(explain_taken)?;
        let welcome = Welcome {
            address: gateway.addresses().first().copied().unwrap_or(self.listen),
            admin: gateway.admin_address(),
            certificate,
            upstream: self.upstream.clone(),
            state: self.state.clone(),
            token,
        };
        write_out(welcome.render(Colour::of_stdout()))?;
        let code = gateway.run();
        write_err("portcullis dev: ended");
        Ok(Exit::of_gateway(code))
    }

    fn template(&self, echo: &str) -> Template {
        Template {
            listen: self.listen,
            admin: self.admin,
            tls: !self.no_tls,
            upstream: self.upstream.clone().unwrap_or_else(|| echo.to_owned()),
        }
    }

    /// A gateway whose token stands on the terminal is not for the network.
    fn refuse_remote(&self) -> Result<(), Failure> {
        let remote = |address: SocketAddr| !address.ip().is_loopback();
        if remote(self.admin) {
            return Err(Failure::Usage(format!(
                "--admin {}: dev has no admin token, so only a loopback address will do",
                self.admin
            )));
        }
        if remote(self.listen) && !self.allow_remote {
            return Err(Failure::Usage(format!(
                "--listen {}: dev is for this machine; inside a container add --allow-remote",
                self.listen
            )));
        }
        Ok(())
    }
}

fn explain_taken(error: StartError) -> Failure {
    match error {
        StartError::Listen(_) => Failure::Taken {
            error,
            option: "--listen ADDRESS or --admin ADDRESS",
        },
        StartError::Config(_) | StartError::System(_) => Failure::Start(error),
    }
}

/// Makes the key and the certificate as the gateway itself would a moment later, which then finds them. Returns the
/// certificate file: what `curl --cacert` needs.
fn make_files(config: Config) -> Result<Option<PathBuf>, Failure> {
    let tickets = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|_| Failure::Randomness)?;
    let fixtures = Fixtures {
        metrics: Metrics::new(1, Reason::NAMES),
        tickets,
        clock: Clock::System,
        keys: std::sync::Arc::default(),
    };
    let snapshot = Snapshot::build(config, None, &fixtures)?;
    let certificate = snapshot
        .tls
        .as_ref()
        .and_then(|tls| tls.certificates.first());
    Ok(certificate.map(|certificate| certificate.file.clone()))
}

/// A token for alice, from the only issuer there is.
fn token(config: &Config) -> Result<String, Failure> {
    let made = config.issuers.first().and_then(|issuer| match issuer.keys {
        Keys::Generate(algorithm) => Some((issuer, algorithm)),
        Keys::Public(_) | Keys::Secret(_) => None,
    });
    let Some((issuer, algorithm)) = made else {
        return Err(Failure::Usage(
            "the configuration of dev has no key".to_owned(),
        ));
    };
    let key = generated_key(&config.state_directory, &issuer.name, algorithm)?.key;
    let now = Clock::System.now().seconds();
    let claims = json!({
        "iss": issuer.policy.issuer,
        "aud": issuer.policy.audiences.first(),
        "sub": "alice",
        "scope": "orders:read orders:write",
        "roles": ["admin"],
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": random_jti()?,
    });
    key.sign("at+jwt", &claims).map_err(|error| Failure::Key {
        what: "signing".to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        dev: Dev,
    }

    fn dev(arguments: &[&str]) -> Result<Dev, clap::Error> {
        Line::try_parse_from(["dev"].iter().chain(arguments)).map(|line| line.dev)
    }

    #[test]
    fn only_this_machine_reaches_it_unless_told_otherwise() {
        let refused = |arguments: &[&str]| dev(arguments).unwrap().refuse_remote().is_err();
        assert!(!refused(&[]));
        assert!(!refused(&["--listen", "[::1]:0"]));
        assert!(refused(&["--listen", "0.0.0.0:8443"]));
        assert!(!refused(&["--listen", "0.0.0.0:8443", "--allow-remote"]));
        assert!(refused(&["--admin", "0.0.0.0:8081", "--allow-remote"]));
    }

    #[test]
    fn an_upstream_is_an_http_url_without_a_path() {
        for (text, taken) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://app.internal/", "https://app.internal"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(upstream_argument(text).as_deref(), Ok(taken));
        }
        for bad in [
            "localhost:3000",
            "ftp://a",
            "http://",
            "/a",
            "http://a/b",
            "http://a?b",
        ] {
            assert!(upstream_argument(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_printed_configuration_is_the_one_it_runs_with() {
        let dev = dev(&["--upstream", "http://localhost:3000"]).unwrap();
        assert_eq!(
            dev.template(template::PLACEHOLDER_UPSTREAM).to_toml(),
            dev.template("").to_toml()
        );
    }
}
