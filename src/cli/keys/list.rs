//! `keys list`: which keys each issuer's tokens are checked with.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{printable, write_out};
use crate::clock::Clock;
use crate::config::{Issuer, KeyLocation, KeySource, Keys};
use crate::jwt::{Algorithm, VerifyingKey};
use crate::keys::{self, LoadedKeys, RemoteKeySets};

/// List the keys of each issuer, and those that are skipped
///
/// A key with `generate` is made if it is not there yet, as `run` would.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is said of one issuer.
struct Listed {
    issuer: String,
    source: String,
    keys: Vec<ListedKey>,
    /// (kid, reason)
    skipped: Vec<(Option<String>, String)>,
}

/// What is said of one key.
struct ListedKey {
    kid: Option<String>,
    algorithms: Vec<&'static str>,
    thumbprint: String,
}

impl List {
    /// Lists the keys.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        let sets = RemoteKeySets::new(&config.state_directory, Clock::System);
        let mut all = Vec::new();
        for issuer in &config.issuers {
            all.push(listed(
                issuer,
                &keys::load(issuer, &config.state_directory, &sets)?,
            ));
        }
        if self.json {
            write_out(format_args!("{:#}\n", to_json(&all)))?;
        } else {
            write_out(to_text(&all))?;
        }
        Ok(Exit::OK)
    }
}

fn listed(issuer: &Issuer, loaded: &LoadedKeys) -> Listed {
    let key = |key: &VerifyingKey| ListedKey {
        kid: key.kid().map(str::to_owned),
        algorithms: key.algorithms().iter().map(Algorithm::name).collect(),
        thumbprint: URL_SAFE_NO_PAD.encode(key.thumbprint()),
    };
    Listed {
        issuer: issuer.name.to_string(),
        source: source(&issuer.keys),
        keys: loaded.keys.iter().map(key).collect(),
        skipped: loaded
            .skipped
            .iter()
            .map(|key| (key.kid.as_deref().map(str::to_owned), key.error.to_string()))
            .collect(),
    }
}

/// Where keys come from, and never what they are.
fn source(keys: &Keys) -> String {
    match keys {
        Keys::Public(sources) => {
            let sources: Vec<String> = sources.iter().map(public_source).collect();
            sources.join("; ")
        }
        Keys::Secret(_) => "secret".to_owned(),
        Keys::Generate(algorithm) => format!("generate {}", algorithm.name()),
    }
}

fn public_source(source: &KeySource) -> String {
    match source {
        KeySource::JwksFile(path) => format!("jwks_file {}", path.display()),
        KeySource::PemFiles(files) => {
            let paths: Vec<String> = files.iter().map(|f| f.path.display().to_string()).collect();
            format!("pem_files {}", paths.join(", "))
        }
        KeySource::Remote(remote) => match &remote.location {
            KeyLocation::Discovery(documents) => {
                let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
                format!("discovery {}", documents.join(" or "))
            }
            KeyLocation::Jwks(url) => format!("jwks_url {url}"),
        },
    }
}

fn to_text(all: &[Listed]) -> String {
    let mut text = String::new();
    for listed in all {
        let _ = writeln!(text, "{}  ({})", listed.issuer, listed.source);
        for key in &listed.keys {
            let kid = key.kid.as_deref().unwrap_or("(no kid)");
            let algorithms = key.algorithms.join(" ");
            let _ = writeln!(text, "  {}  {algorithms}", printable(kid));
            let _ = writeln!(text, "    thumbprint {}", key.thumbprint);
        }
        for (kid, reason) in &listed.skipped {
            let kid = kid.as_deref().unwrap_or("(no kid)");
            let _ = writeln!(text, "  skipped {}: {reason}", printable(kid));
        }
    }
    text
}

fn to_json(all: &[Listed]) -> serde_json::Value {
    all.iter()
        .map(|listed| {
            let keys = listed.keys.iter().map(|key| {
                json!({
                    "kid": key.kid, "algorithms": key.algorithms, "thumbprint": key.thumbprint,
                })
            });
            let skipped = listed
                .skipped
                .iter()
                .map(|(kid, reason)| json!({ "kid": kid, "reason": reason }));
            json!({
                "issuer": listed.issuer,
                "source": listed.source,
                "keys": keys.collect::<Vec<_>>(),
                "skipped": skipped.collect::<Vec<_>>(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn example() -> Vec<Listed> {
        vec![Listed {
            issuer: "corp".to_owned(),
            source: "jwks_file keys.json".to_owned(),
            keys: vec![ListedKey {
                kid: Some("k1".to_owned()),
                algorithms: vec!["RS256", "PS256"],
                thumbprint: "tp".to_owned(),
            }],
            skipped: vec![(None, "RSA key of 1024 bits".to_owned())],
        }]
    }

    #[test]
    fn keys_and_skipped_keys_are_listed() {
        assert_eq!(
            to_text(&example()),
            "corp  (jwks_file keys.json)\n  k1  RS256 PS256\n    thumbprint tp\n  \
             skipped (no kid): RSA key of 1024 bits\n"
        );
        let json = to_json(&example());
        assert_eq!(json[0]["keys"][0]["algorithms"][1], "PS256");
        assert_eq!(json[0]["skipped"][0]["reason"], "RSA key of 1024 bits");
    }

    #[test]
    fn a_secret_is_not_part_of_its_source() {
        let shown = source(&Keys::Secret(Secret::new(b"hunter2".to_vec())));
        assert_eq!(shown, "secret");
    }
}
