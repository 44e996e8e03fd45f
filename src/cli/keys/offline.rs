//! `keys list --offline`: the keys of files, and what the gateway has kept of those it fetched.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::{printable, write_out};
use crate::clock::distance;
use crate::clock::{Clock, UnixTime};
use crate::config::{Config, Issuer, KeySource, Keys};
use crate::jwt::{Algorithm, SkippedKey, VerifyingKey};
use crate::keys::{self, LoadedKeys, RemoteKeySets, SourceId};

/// What is said of one issuer.
struct Listed {
    name: String,
    /// `iss`
    issuer: String,
    sources: Vec<ListedSource>,
    keys: Vec<ListedKey>,
    skipped: Vec<SkippedKey>,
}

/// Where keys come from, and never what they are.
enum ListedSource {
    /// A file, or a setting.
    Local(String),
    /// What is fetched, and what was kept of it: when it was fetched, and until when it serves.
    Remote(String, Option<(UnixTime, UnixTime)>),
}

/// What is said of one key.
struct ListedKey {
    kid: Option<String>,
    algorithms: Vec<&'static str>,
    thumbprint: String,
    source: Option<String>,
}

impl Listed {
    /// The source of a key, unless there is nothing to tell apart.
    fn telling<'k>(&self, source: Option<&'k str>) -> Option<&'k str> {
        source.filter(|_| self.sources.len() > 1)
    }
}

/// Lists the keys.
pub(super) fn list(config: &Config, as_json: bool) -> Result<(), Failure> {
    let sets = RemoteKeySets::new(&config.state_directory, Clock::System);
    let mut all = Vec::new();
    for issuer in &config.issuers {
        let loaded = keys::load(issuer, &config.state_directory, &sets)?;
        all.push(listed(issuer, &loaded, &sets));
    }
    if as_json {
        write_out(format_args!("{:#}\n", to_json(&all)))?;
    } else {
        write_out(to_text(&all, Clock::System.now()))?;
    }
    Ok(())
}

fn listed(issuer: &Issuer, loaded: &LoadedKeys, sets: &RemoteKeySets) -> Listed {
    let key = |key: &VerifyingKey| ListedKey {
        kid: key.kid().map(str::to_owned),
        algorithms: key.algorithms().iter().map(Algorithm::name).collect(),
        thumbprint: URL_SAFE_NO_PAD.encode(key.thumbprint()),
        source: key.source().map(ToString::to_string),
    };
    Listed {
        name: issuer.name.to_string(),
        issuer: issuer.policy.issuer.to_string(),
        sources: sources(issuer, sets),
        keys: loaded.keys.iter().map(key).collect(),
        skipped: loaded.skipped.clone(),
    }
}

fn sources(issuer: &Issuer, sets: &RemoteKeySets) -> Vec<ListedSource> {
    let sources = match &issuer.keys {
        Keys::Public(sources) => sources,
        Keys::Secret(_) => return vec![ListedSource::Local("secret".to_owned())],
        Keys::Generate(algorithm) => {
            let text = format!("generate {}", algorithm.name());
            return vec![ListedSource::Local(text)];
        }
    };
    let kept = |id: SourceId| {
        let stale_for = issuer.refresh.stale_for;
        let held = sets.current(&id, stale_for);
        let kept = held.map(|held| (held.fetched, held.fetched.plus(stale_for)));
        ListedSource::Remote(id.name().to_string(), kept)
    };
    let source = |source: &KeySource| match source {
        KeySource::JwksFile(path) => ListedSource::Local(format!("jwks_file {}", path.display())),
        KeySource::PemFiles(files) => {
            let paths: Vec<String> = files.iter().map(|f| f.path.display().to_string()).collect();
            ListedSource::Local(format!("pem_files {}", paths.join(", ")))
        }
        KeySource::Remote(remote) => kept(SourceId::of(issuer, remote)),
        KeySource::Store => kept(SourceId::of_store(issuer)),
    };
    sources.iter().map(source).collect()
}

fn to_text(all: &[Listed], now: UnixTime) -> String {
    let mut text = String::new();
    for listed in all {
        let _ = writeln!(text, "{}", listed.name);
        for source in &listed.sources {
            let _ = match source {
                ListedSource::Local(source) => writeln!(text, "  from {}", printable(source)),
                ListedSource::Remote(url, Some((fetched, until))) => {
                    let fetched = distance(*fetched, now);
                    writeln!(
                        text,
                        "  from {url}: kept, fetched {fetched}, serves until {until}"
                    )
                }
                ListedSource::Remote(url, None) => writeln!(text, "  from {url}: nothing is kept"),
            };
        }
        for key in &listed.keys {
            let kid = key.kid.as_deref().unwrap_or("(no kid)");
            let algorithms = key.algorithms.join(" ");
            let _ = writeln!(text, "  {}  {algorithms}", printable(kid));
            let _ = writeln!(text, "    thumbprint {}", key.thumbprint);
            if let Some(source) = listed.telling(key.source.as_deref()) {
                let _ = writeln!(text, "    of {}", printable(source));
            }
        }
        for key in &listed.skipped {
            let kid = key.kid.as_deref().unwrap_or("(no kid)");
            let source = listed.telling(key.source.as_deref());
            let source = source.map_or_else(String::new, |source| format!(" of {source}"));
            let line = format!("{kid}{source}: {}", key.error);
            let _ = writeln!(text, "  not used: {}", printable(&line));
        }
    }
    text
}

/// As the running gateway says it, as far as it can be known without one.
fn to_json(all: &[Listed]) -> serde_json::Value {
    let source = |source: &ListedSource| match source {
        ListedSource::Local(source) => json!({ "source": source }),
        ListedSource::Remote(url, kept) => json!({
            "source": url,
            "fetched": kept.map(|(fetched, _)| fetched.to_string()),
            "serves_until": kept.map(|(_, until)| until.to_string()),
        }),
    };
    let issuers = all.iter().map(|listed| {
        let keys = listed.keys.iter().map(|key| {
            json!({
                "kid": key.kid, "algorithms": key.algorithms, "thumbprint": key.thumbprint,
                "source": key.source,
            })
        });
        let skipped = listed.skipped.iter().map(|key| {
            json!({
                "kid": key.kid, "index": key.index, "source": key.source.as_deref(),
                "error": key.error.to_string(), "of_other_use": key.error.is_of_other_use(),
            })
        });
        json!({
            "name": listed.name,
            "issuer": listed.issuer,
            "sources": listed.sources.iter().map(source).collect::<Vec<_>>(),
            "keys": keys.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
        })
    });
    json!({ "issuers": issuers.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::KeyError;

    #[test]
    fn sources_keys_and_skipped_keys_are_listed() {
        let (fetched, until) = (UnixTime::from_seconds(0), UnixTime::from_seconds(86_400));
        let mut all = vec![Listed {
            name: "corp".to_owned(),
            issuer: "https://login.example.com/".to_owned(),
            sources: vec![ListedSource::Local("jwks_file keys.json".to_owned())],
            keys: vec![ListedKey {
                kid: Some("k1".to_owned()),
                algorithms: vec!["RS256", "PS256"],
                thumbprint: "tp".to_owned(),
                source: Some("keys.json".to_owned()),
            }],
            skipped: vec![SkippedKey {
                source: Some("keys.json".into()),
                index: 1,
                kid: None,
                error: KeyError::RsaSize { bits: 1024 },
            }],
        }];
        let now = UnixTime::from_seconds(7200);
        assert_eq!(
            to_text(&all, now),
            "corp\n  from jwks_file keys.json\n  k1  RS256 PS256\n    thumbprint tp\n  \
             not used: (no kid): RSA key of 1024 bits: at least 2048 and at most 8192 are needed\n"
        );
        let url = "https://login.example.com/keys";
        all[0].sources = vec![
            ListedSource::Remote(url.to_owned(), Some((fetched, until))),
            ListedSource::Remote(url.to_owned(), None),
        ];
        let text = to_text(&all, now);
        for line in [
            "  from https://login.example.com/keys: kept, fetched 2 hours ago, serves until 1970-01-02T00:00:00Z\n",
            "  from https://login.example.com/keys: nothing is kept\n",
            "    of keys.json\n",
            "  not used: (no kid) of keys.json: RSA key of 1024 bits",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let json = &to_json(&all)["issuers"][0];
        assert_eq!(json["keys"][0]["algorithms"][1], "PS256");
        assert_eq!(json["skipped"][0]["index"], 1);
        assert_eq!(json["skipped"][0]["of_other_use"], false);
        assert_eq!(json["sources"][0]["fetched"], "1970-01-01T00:00:00Z");
        assert!(json["sources"][1]["fetched"].is_null());
    }
}
