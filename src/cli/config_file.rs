//! Which configuration a command uses.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Environment};

use super::failure::Failure;

/// Where a configuration is looked for when none is named, in this order.
const PLACES: [&str; 2] = ["./gateway.toml", "/etc/portcullis/gateway.toml"];

/// The option that names the configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ConfigFile {
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        help = "Configuration file [default: $PORTCULLIS_CONFIG, ./gateway.toml, /etc/portcullis/gateway.toml]"
    )]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// The file: one that was named whether it is there or not, else the first place that has one.
    ///
    /// # Errors
    /// [`Failure::NoConfig`].
    pub(super) fn find(&self, environment: &Environment) -> Result<PathBuf, Failure> {
        self.find_among(environment, Path::is_file)
            .ok_or_else(|| Failure::NoConfig {
                places: PLACES.join(" or "),
            })
    }

    fn find_among(
        &self,
        environment: &Environment,
        is_file: impl Fn(&Path) -> bool,
    ) -> Option<PathBuf> {
        let named = environment.0.get("PORTCULLIS_CONFIG");
        self.file
            .clone()
            .or_else(|| named.filter(|name| !name.is_empty()).map(PathBuf::from))
            .or_else(|| PLACES.map(PathBuf::from).into_iter().find(|p| is_file(p)))
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`Failure::NoConfig`], or everything that is wrong with it.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let environment = Environment::of_process();
        Ok(config::load(&self.find(&environment)?, &environment)?)
    }

    /// The configuration, for a command that can do without.
    ///
    /// # Errors
    /// Everything that is wrong with the one that is there.
    pub(super) fn load_if_there(&self) -> Result<Option<Config>, Failure> {
        match self.load() {
            Ok(config) => Ok(Some(config)),
            Err(Failure::NoConfig { .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: Option<&str>, variable: Option<&str>, there: &[&str]) -> Option<PathBuf> {
        let option = ConfigFile {
            file: file.map(PathBuf::from),
        };
        let environment = Environment(
            variable
                .map(|value| ("PORTCULLIS_CONFIG".to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
        );
        option.find_among(&environment, |path| {
            there.iter().any(|name| path == Path::new(name))
        })
    }

    #[test]
    fn the_option_wins_then_the_variable_then_the_places() {
        let there = ["./gateway.toml", "/etc/portcullis/gateway.toml"];
        let path = |name: &str| Some(PathBuf::from(name));
        assert_eq!(found(Some("a"), Some("b"), &there), path("a"));
        assert_eq!(found(None, Some("b"), &there), path("b"));
        assert_eq!(found(None, Some(""), &there), path("./gateway.toml"));
        assert_eq!(found(None, None, &there[1..]), path(there[1]));
        assert_eq!(found(None, None, &[]), None);
    }
}
