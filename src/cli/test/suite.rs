//! A file of cases, as it is written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// Bytes of a file of cases, at most: 4 MiB.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    /// The configuration that is tried, relative to this file.
    pub(super) config: PathBuf,
    /// The clock (RFC 3339).
    pub(super) now: String,
    /// What cases leave out.
    #[serde(default)]
    pub(super) defaults: Defaults,
    pub(super) cases: Vec<Case>,
}

/// What cases leave out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Members of a token, and of its claims.
    #[serde(default)]
    pub(super) token: Token,
}

/// One request, and what has to come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// `GET https://api.example.com/orders`
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Lines>,
    pub(super) client: Option<IpAddr>,
    /// A token that is made; without one, and without `token_file`, the request has none.
    pub(super) token: Option<Token>,
    /// A file with a token, relative to this file. The key files of the configuration verify it.
    pub(super) token_file: Option<PathBuf>,
    /// Once for each of these algorithms.
    pub(super) algorithms: Option<Algorithms>,
    /// What is revoked: a kind (`jti`, `sid`, `sub`, `client`, `kid`) and its value, of the token's issuer.
    #[serde(default)]
    pub(super) revoked: BTreeMap<String, String>,
    pub(super) expect: Expect,
}

/// One or several lines of a field.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Lines {
    One(String),
    Several(Vec<String>),
}

/// `"all"` that the issuer lists, or some by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Algorithms {
    Word(String),
    Names(Vec<String>),
}

/// A token that is made for the case. What is left out is as the issuer wants it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// By its name in the configuration; the first one.
    pub(super) issuer: Option<String>,
    /// The first that the issuer lists.
    pub(super) algorithm: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// Claims that it does not have: of those that the issuer wants, and of `defaults`.
    #[serde(default)]
    pub(super) without: Vec<String>,
    /// How long it is good for, or `"-5m"`: since when it is not. 5 minutes.
    pub(super) expires_in: Option<String>,
    /// Since when it is good for something: `"-1m"`, or `"5m"` from now on. 1 minute ago.
    pub(super) issued: Option<String>,
    /// Signed by a key that the issuer does not have, under the name of one that it has.
    #[serde(default)]
    pub(super) forged: bool,
}

/// What has to come of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// 200 is admitted: nothing is sent on.
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) route: Option<String>,
    /// The rule that fails, as the log names it.
    pub(super) rule: Option<String>,
    /// Fields that the upstream gets; `false`: not that one.
    #[serde(default)]
    pub(super) upstream: BTreeMap<String, Field>,
}

/// A field's value, its lines, or that there is none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Field {
    Line(String),
    Lines(Vec<String>),
    There(bool),
}

impl Suite {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// A file that cannot be read, or is wrong: with line and caret.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File {
            action: "read",
            path: file.to_owned(),
            source,
        };
        let size = std::fs::metadata(file).map_err(failed)?.len();
        if size > MOST_BYTES {
            return Err(Failure::Suite(format!(
                "{}: larger than 4 MiB",
                file.display()
            )));
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        toml::from_str(&text).map_err(|error| {
            Failure::Suite(format!(
                "{}: {}",
                file.display(),
                error.to_string().trim_end()
            ))
        })
    }
}

impl Token {
    /// This one, with what it leaves out as in `defaults`; claims one by one.
    pub(super) fn over(&self, defaults: &Self) -> Self {
        let mut claims = defaults.claims.clone();
        claims.extend(self.claims.clone());
        let mut without = defaults.without.clone();
        without.retain(|name| !self.claims.contains_key(name));
        without.extend(self.without.clone());
        let or =
            |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            issuer: or(&self.issuer, &defaults.issuer),
            algorithm: or(&self.algorithm, &defaults.algorithm),
            kid: or(&self.kid, &defaults.kid),
            typ: or(&self.typ, &defaults.typ),
            claims,
            without,
            expires_in: or(&self.expires_in, &defaults.expires_in),
            issued: or(&self.issued, &defaults.issued),
            forged: self.forged || defaults.forged,
        }
    }
}
