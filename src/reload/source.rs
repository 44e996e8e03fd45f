//! Where the configuration comes from, and how a snapshot is made of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{self, Certificates, Config, ConfigErrors, Environment, KeySource};
use crate::snapshot::{Fixtures, Snapshot};

use super::contents::Contents;
use super::pin::pin;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again at each reload.
    File(PathBuf, Environment),
    /// A text that does not change (`dev`); its key and certificate files may.
    Text(String, PathBuf, Environment),
}

/// A snapshot that is ready to be published.
pub(super) struct Built {
    pub(super) snapshot: Snapshot,
    /// What its files held, read before it was built.
    pub(super) contents: Contents,
    /// Settings that keep their old values until the process is started again.
    pub(super) needs_restart: Vec<String>,
}

/// Why there is no new snapshot.
pub(super) struct BuildFailure {
    pub(super) error: String,
    /// Files that matter besides those in force: once they are right, it may work.
    pub(super) files: BTreeSet<PathBuf>,
}

impl Source {
    /// Reads the configuration; key files and certificates are not opened.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        match self {
            Self::File(file, environment) => config::load(file, environment),
            Self::Text(text, directory, environment) => {
                config::parse(text, Path::new("gateway.toml"), directory, environment)
            }
        }
    }

    /// Reads everything again and builds the snapshot that would follow `running`. Blocks.
    pub(super) fn build(
        &self,
        running: &Snapshot,
        fixtures: &Fixtures,
    ) -> Result<Built, BuildFailure> {
        let mut config = self.load().map_err(|errors| BuildFailure {
            error: errors.to_string(),
            files: BTreeSet::new(),
        })?;
        let needs_restart = pin(&running.config, &mut config);
        let files = self.files(&config);
        // With the addresses that are listened on, so after the pinning.
        if let Some(error) = refusals(&config) {
            return Err(BuildFailure { error, files });
        }
        let contents = Contents::read(&files);
        match Snapshot::build(config, Some(running), fixtures) {
            Ok(snapshot) => Ok(Built {
                snapshot,
                contents,
                needs_restart,
            }),
            Err(errors) => Err(BuildFailure {
                error: errors.to_string(),
                files,
            }),
        }
    }

    /// Every file that this source and its configuration are made of.
    pub(super) fn files(&self, config: &Config) -> BTreeSet<PathBuf> {
        let mut files = named_files(config);
        if let Self::File(file, _) = self {
            files.insert(file.clone());
        }
        files
    }
}

/// What `check` and `run` refuse although it is well-formed: a reload is no way around them.
fn refusals(config: &Config) -> Option<String> {
    let warnings = config::warnings(config);
    let refused = warnings.iter().filter(|warning| warning.refused);
    let texts: Vec<String> = refused.map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Every file that a configuration names.
fn named_files(config: &Config) -> BTreeSet<PathBuf> {
    let mut files = config.files.clone();
    files.extend(config.file.clone());
    for issuer in &config.issuers {
        // A key that was made here is replaced by no one.
        for source in issuer.keys.sources() {
            match source {
                KeySource::JwksFile(file) => files.extend([file.clone()]),
                KeySource::PemFiles(pems) => files.extend(pems.iter().map(|pem| pem.path.clone())),
                KeySource::Remote(remote) => files.extend(remote.ca.clone()),
                KeySource::Store => {}
            }
        }
    }
    match &config.server.tls {
        Some(Certificates::Files(pairs)) => {
            for (chain, key) in pairs {
                files.extend([chain.clone(), key.clone()]);
            }
        }
        Some(Certificates::SelfSigned(_)) | None => {}
    }
    files.extend(config.upstreams.iter().filter_map(|up| up.ca.clone()));
    files
}

#[cfg(test)]
mod tests {
    use crate::config::{Keys, PemFile};
    use crate::keys::testing::jwks_url;
    use crate::reload::testing::{config, issuer, upstream};

    use super::*;

    #[test]
    fn key_certificate_and_ca_files_are_watched_although_nobody_listed_them() {
        let mut config = config();
        config.file = Some("gateway.toml".into());
        config.files = BTreeSet::from(["token.txt".into()]);
        let pem = PemFile {
            path: "b.pem".into(),
            kid: None,
        };
        config.issuers = vec![
            issuer("a", KeySource::JwksFile("a.json".into())),
            issuer("b", KeySource::PemFiles(vec![pem])),
        ];
        config.server.tls = Some(Certificates::Files(vec![("c.pem".into(), "c.key".into())]));
        config.upstreams = vec![upstream("u")];
        config.upstreams[0].ca = Some("ca.pem".into());
        let mut remote = jwks_url("https://provider.test/keys");
        remote.ca = Some("provider.pem".into());
        let sources = vec![
            KeySource::JwksFile("d.json".into()),
            KeySource::Remote(Box::new(remote)),
        ];
        config.issuers.push(issuer("c", Keys::Public(sources)));
        let source = Source::File("here/gateway.toml".into(), Environment::default());
        let files: Vec<_> = source
            .files(&config)
            .into_iter()
            .map(|file| file.display().to_string())
            .collect();
        let expected = [
            "a.json",
            "b.pem",
            "c.key",
            "c.pem",
            "ca.pem",
            "d.json",
            "gateway.toml",
            "here/gateway.toml",
            "provider.pem",
            "token.txt",
        ];
        assert_eq!(files, expected);
    }
}
