//! `check --online`: every remote source of keys, fetched once as the running gateway would. Nothing is kept of it on disk.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::cli::one_task::block_on;
use crate::clock::{Clock, UnixTime};
use crate::config::{Config, KeyLocation, KeyUrlError, Place};
use crate::keys::{
    DiscoveryError, FetchError, Fetched, RemoteKeySets, RemoteSource, SetError, SourceError,
    SourceId,
};

/// What one source answered.
#[derive(Debug)]
pub(super) struct FetchedSource {
    /// The issuer's name.
    pub(super) issuer: String,
    /// Where its URL stands.
    pub(super) place: Place,
    pub(super) outcome: Result<GoodSource, BadSource>,
}

/// A source that gives keys.
#[derive(Debug)]
pub(super) struct GoodSource {
    /// Where the JWK Set is, without query.
    pub(super) url: String,
    /// Usable keys.
    pub(super) keys: usize,
}

/// A source that gives none.
#[derive(Debug)]
pub(super) struct BadSource {
    /// What it says, or what happened instead.
    pub(super) error: String,
    /// Whether someone else has to do something about it: nobody answered, or not with a document.
    pub(super) is_unreachable: bool,
    /// What to do.
    pub(super) hint: Option<&'static str>,
}

/// Fetches all sources at the same time, each for `limit` at most. What they give goes into `sets`.
///
/// # Errors
/// There is no runtime.
pub(super) fn fetch_all(
    config: &Config,
    limit: Duration,
    sets: &RemoteKeySets,
) -> io::Result<Vec<FetchedSource>> {
    let now = Clock::System.now();
    let sources = config
        .issuers
        .iter()
        .flat_map(|issuer| issuer.keys.remote().map(move |remote| (issuer, remote)));
    let fetches = sources.filter_map(|(issuer, remote)| {
        // One that cannot be made is reported without being online.
        let source = RemoteSource::new(issuer, remote).ok()?;
        let id = SourceId::of(issuer, remote);
        Some(async move {
            FetchedSource {
                issuer: issuer.name.to_string(),
                place: remote.place.clone(),
                outcome: fetch(source, &remote.location, limit, now, |set| {
                    // The source has refused what is no set.
                    let _ = sets.put(&id, set, None, now);
                })
                .await,
            }
        })
    });
    block_on(join_all(fetches))
}

async fn fetch(
    mut source: RemoteSource,
    location: &KeyLocation,
    limit: Duration,
    now: UnixTime,
    keep: impl FnOnce(Vec<u8>),
) -> Result<GoodSource, BadSource> {
    match tokio::time::timeout(limit, source.fetch(None, now)).await {
        Ok(Ok(fetched)) => {
            if let Fetched::Document(document) = fetched {
                keep(document.bytes);
            }
            Ok(GoodSource {
                url: source.url(),
                keys: source.keys(),
            })
        }
        Ok(Err(error)) => Err(BadSource {
            hint: hint(&error, location),
            is_unreachable: error.is_unreachable(),
            error: error.to_string(),
        }),
        Err(_) => Err(BadSource {
            error: format!("{}: no keys within {} s", source.url(), limit.as_secs()),
            is_unreachable: true,
            hint: Some("--timeout waits longer; the running gateway gives each request 5 s"),
        }),
    }
}

/// What to change in gateway.toml, where it can be said.
fn hint(error: &SourceError, location: &KeyLocation) -> Option<&'static str> {
    match error {
        SourceError::NoMetadata { .. } => Some(
            "write where they are, discovery = \"https://..\"; or where the keys are, jwks_url = \"https://..\"",
        ),
        SourceError::Discovery { source, .. } => metadata_hint(source),
        SourceError::Fetch { source, .. } => match source {
            FetchError::Redirect { .. } => {
                Some("write the URL that it leads to, if that is where the keys are")
            }
            FetchError::Url
            | FetchError::Connect(_)
            | FetchError::Timeout { .. }
            | FetchError::Status(_)
            | FetchError::TooLarge { .. }
            | FetchError::Encoding(_)
            | FetchError::Http(_) => None,
        },
        SourceError::Set { source, .. } => match (source, location) {
            (SetError::NotASet { .. }, KeyLocation::Jwks(_)) => {
                Some("is that the URL of a JWK Set? That of the metadata is a `discovery`")
            }
            (SetError::NotASet { .. }, KeyLocation::Discovery(_))
            | (SetError::NoUsableKey(_), _) => None,
        },
    }
}

fn metadata_hint(error: &DiscoveryError) -> Option<&'static str> {
    match error {
        DiscoveryError::OtherIssuer { .. } => {
            Some("`issuer` is what the metadata say, and the tokens: to the letter, to the slash")
        }
        DiscoveryError::Malformed { .. } | DiscoveryError::Missing("issuer") => {
            Some("is that the URL of the metadata? That of a JWK Set is a `jwks_url`")
        }
        DiscoveryError::JwksUri { source, .. } => match source {
            KeyUrlError::PlainHttp => {
                Some("allow_http = true beside `discovery` allows it; https is better")
            }
            KeyUrlError::LinkLocal => Some("allow_link_local = true beside `discovery` allows it"),
            KeyUrlError::Relative
            | KeyUrlError::Scheme
            | KeyUrlError::Characters
            | KeyUrlError::Credentials
            | KeyUrlError::Fragment
            | KeyUrlError::Host
            | KeyUrlError::Port => None,
        },
        DiscoveryError::Missing(_) => None,
    }
}

impl FetchedSource {
    /// `issuer "corp": ok (3 keys, https://login.example.com/keys)`, if it is.
    pub(super) fn to_line(&self) -> Option<String> {
        let good = self.outcome.as_ref().ok()?;
        let keys = match good.keys {
            1 => "1 key".to_owned(),
            several => format!("{several} keys"),
        };
        Some(format!(
            "issuer {:?}: ok ({keys}, {})",
            self.issuer, good.url
        ))
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.outcome {
            Ok(good) => json!({
                "issuer": self.issuer, "ok": true, "line": self.place.line, "url": good.url,
                "keys": good.keys, "error": null, "reachable": true,
            }),
            Err(bad) => json!({
                "issuer": self.issuer, "ok": false, "line": self.place.line, "url": null,
                "keys": null, "error": bad.error, "reachable": !bad.is_unreachable,
            }),
        }
    }
}
