//! `check`: every error at once, and dangerous settings by code. It writes nothing: keys and certificates that `run`
//! would make are not made here. It asks nobody unless it is told to (`--online`).

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::config::{
    self, Certificates, Config, ConfigError, Environment, KeySource, Keys, Place, Warning,
};
use crate::jwt::SkippedKey;
use crate::keys::{RemoteKeySets, SourceId};
use crate::metrics::Metrics;
use crate::upstream::Upstream;
use crate::{keys, net};

use super::config_file::ConfigFile;
use super::failure::{Exit, Failure};
use super::output::{printable, write_err, write_out};

mod online;

use online::{FetchedSource, fetch_all};

/// Check the configuration, and the keys and certificates it names
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFile,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail on any warning
    #[arg(long)]
    deny_warnings: bool,
    /// Fetch the keys of each `discovery` and `jwks_url`, once; 69 if the configuration is right and nobody answers
    #[arg(long)]
    online: bool,
    /// With --online: how long to wait for each, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// How `check` says what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the line and a caret
    Text,
    /// One JSON object
    Json,
}

/// What `check` found.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
    skipped: Vec<String>,
    /// Remote sources, if they were asked.
    fetched: Vec<FetchedSource>,
}

impl Check {
    /// Checks, and says so.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let environment = Environment::of_process();
        let file = self.config.find(&environment)?;
        let findings = match config::load(&file, &environment) {
            Ok(config) => {
                let sets = RemoteKeySets::none();
                let fetched = if self.online {
                    fetch_all(&config, Duration::from_secs(self.timeout), &sets)?
                } else {
                    Vec::new()
                };
                Findings {
                    fetched,
                    ..inspect(&config, &sets)
                }
            }
            Err(errors) => Findings {
                errors: errors.0,
                ..Findings::default()
            },
        };
        match self.format {
            Format::Json => write_out(format_args!("{:#}\n", findings.to_json()))?,
            Format::Text => {
                let text = findings.to_text();
                if !text.is_empty() {
                    write_err(text.trim_end());
                }
                if findings.exit(self.deny_warnings) == Exit::OK {
                    write_out(format_args!("{}: ok\n", file.display()))?;
                }
                for line in findings.fetched.iter().filter_map(FetchedSource::to_line) {
                    write_out(format_args!("{}\n", printable(&line)))?;
                }
            }
        }
        Ok(findings.exit(self.deny_warnings))
    }
}

/// Opens every file that a valid configuration names, and looks at the keys that `sets` holds beside those of files.
fn inspect(config: &Config, sets: &RemoteKeySets) -> Findings {
    let mut found = Findings {
        warnings: config::warnings(config),
        ..Findings::default()
    };
    for (index, issuer) in config.issuers.iter().enumerate() {
        for (place, source) in issuer.keys.sources().iter().enumerate() {
            // Opens its roots, and connects to nobody.
            if let KeySource::Remote(remote) = source
                && let Err(error) = keys::KeyClient::new(remote)
            {
                found.file_error(&config.places.in_key_source(index, place, "ca"), &error);
            }
        }
        // Its key is made by `run`, and by nothing else.
        if matches!(issuer.keys, Keys::Generate(_)) {
            continue;
        }
        match keys::load(issuer, &config.state_directory, sets) {
            Ok(loaded) => {
                let fetched: Vec<SourceId> = SourceId::all_of(issuer).collect();
                // What is in a file the operator can change; what a provider has for other uses is right there.
                let is_right = |key: &SkippedKey| {
                    key.error.is_of_other_use()
                        && (fetched.iter()).any(|id| key.source.as_ref() == Some(id.name()))
                };
                let skipped = loaded.skipped.iter().filter(|key| !is_right(key));
                let lines = skipped.map(|key| render_skipped(&issuer.name, key));
                found.skipped.extend(lines);
            }
            Err(error) => found.file_error(&issuer.place, &error),
        }
    }
    if let Some(Certificates::Files(pairs)) = &config.server.tls {
        match rustls::crypto::aws_lc_rs::Ticketer::new() {
            Ok(tickets) => {
                if let Err(error) = net::build_server_tls(pairs, tickets) {
                    found.file_error(&Place::of_file(error.file), &error.problem);
                }
            }
            Err(error) => found.file_error(&Place::default(), &error),
        }
    }
    let metrics = Metrics::new(1, &[]);
    for upstream in config.upstreams.iter().filter(|u| u.ca.is_some()) {
        if let Err(error) = Upstream::new(upstream.clone(), metrics.upstream(&upstream.name)) {
            found.file_error(&upstream.place, &error);
        }
    }
    found
}

/// A key that is left out, in one line.
pub(super) fn render_skipped(issuer: &str, key: &SkippedKey) -> String {
    let source = key
        .source
        .as_deref()
        .map_or_else(String::new, |source| format!(" of {source}"));
    let kid = key
        .kid
        .as_deref()
        .map_or_else(String::new, |kid| format!(" (kid {kid:?})"));
    format!(
        "issuer {issuer:?}: key {}{source}{kid} is skipped: {}",
        key.index, key.error
    )
}

/// The codes of the warnings that forbid running, if there are any.
pub(super) fn refused_codes(warnings: &[Warning], deny_all: bool) -> Option<String> {
    let codes: Vec<&str> = warnings
        .iter()
        .filter(|warning| warning.refused || deny_all)
        .map(|warning| warning.code)
        .collect();
    (!codes.is_empty()).then(|| codes.join(", "))
}

impl Findings {
    /// An error of a file that the configuration names at `place`.
    fn file_error(&mut self, place: &Place, problem: &impl fmt::Display) {
        self.errors.push(ConfigError {
            place: place.clone(),
            message: problem.to_string(),
            hint: None,
        });
    }

    /// Whether everything that is written here is right, as far as it can be seen from here.
    fn is_good(&self, deny_warnings: bool) -> bool {
        let is_wrong = |fetched: &FetchedSource| match &fetched.outcome {
            Ok(_) => false,
            Err(bad) => !bad.is_unreachable,
        };
        let denied = deny_warnings && !self.skipped.is_empty();
        self.errors.is_empty()
            && !denied
            && refused_codes(&self.warnings, deny_warnings).is_none()
            && !self.fetched.iter().any(is_wrong)
    }

    fn exit(&self, deny_warnings: bool) -> Exit {
        if !self.is_good(deny_warnings) {
            return Exit::CONFIG;
        }
        if self.fetched.iter().all(|fetched| fetched.outcome.is_ok()) {
            Exit::OK
        } else {
            Exit::UNAVAILABLE
        }
    }

    /// The sources that gave no keys, as errors at their places.
    fn fetch_errors(&self) -> impl Iterator<Item = ConfigError> {
        self.fetched.iter().filter_map(|fetched| {
            let bad = fetched.outcome.as_ref().err()?;
            Some(ConfigError {
                place: fetched.place.clone(),
                message: format!("keys of issuer {:?}: {}", fetched.issuer, bad.error),
                hint: bad.hint.map(str::to_owned),
            })
        })
    }

    /// Errors, then warnings, each with its line and a caret.
    fn to_text(&self) -> String {
        let mut text = String::new();
        for error in &self.errors {
            let _ = writeln!(text, "{error}");
        }
        for error in self.fetch_errors() {
            let _ = writeln!(text, "{error}");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "{warning}");
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "warning[skipped-key]: {}", printable(skipped));
        }
        text
    }

    fn to_json(&self) -> serde_json::Value {
        let place = |place: &Place| {
            serde_json::json!({
                "file": place.file.display().to_string(),
                "line": place.line,
                "column": place.column,
            })
        };
        let errors = self.errors.iter().cloned().chain(self.fetch_errors());
        let errors = errors.map(|error| {
            serde_json::json!({
                "place": place(&error.place), "message": error.message, "hint": error.hint,
            })
        });
        let warnings = self.warnings.iter().map(|warning| {
            serde_json::json!({
                "code": warning.code, "refused": warning.refused,
                "place": place(&warning.place), "message": warning.message,
            })
        });
        let skipped = self.skipped.iter().map(|text| {
            serde_json::json!({
                "code": "skipped-key", "refused": false, "place": null, "message": text,
            })
        });
        let mut found = serde_json::json!({
            "ok": self.exit(false) == Exit::OK,
            "errors": errors.collect::<Vec<_>>(),
            "warnings": warnings.chain(skipped).collect::<Vec<_>>(),
        });
        if !self.fetched.is_empty() {
            found["sources"] = self.fetched.iter().map(FetchedSource::to_json).collect();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(code: &'static str, refused: bool) -> Warning {
        Warning {
            code,
            place: Place {
                file: "gateway.toml".into(),
                line: 3,
                column: 1,
                ..Place::default()
            },
            message: "clocks are rarely that wrong".to_owned(),
            refused,
        }
    }

    #[test]
    fn refused_settings_and_denied_warnings_fail() {
        let mild = Findings {
            warnings: vec![warning("a", false)],
            ..Findings::default()
        };
        assert!(mild.is_good(false));
        assert!(!mild.is_good(true));
        let grave = Findings {
            warnings: vec![warning("a", false), warning("b", true)],
            ..Findings::default()
        };
        assert!(!grave.is_good(false));
        assert_eq!(refused_codes(&grave.warnings, false).as_deref(), Some("b"));
        assert_eq!(
            refused_codes(&grave.warnings, true).as_deref(),
            Some("a, b")
        );
    }

    #[test]
    fn skipped_keys_warn_and_bad_files_fail() {
        let skipped = Findings {
            skipped: vec!["issuer \"corp\": key 0 is skipped".to_owned()],
            ..Findings::default()
        };
        assert!(skipped.is_good(false));
        assert!(!skipped.is_good(true));
        let mut broken = Findings::default();
        broken.file_error(&Place::default(), &"keys.json: no such file");
        assert!(!broken.is_good(false));
        let json = broken.to_json();
        assert_eq!(json["ok"], false);
        assert_eq!(json["errors"][0]["message"], "keys.json: no such file");
    }
}
