//! `token mint`: tokens for trying out and for load tests, one a line.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Map, Value, json};

use crate::cli::arguments::{algorithm_argument, duration_argument, moment_argument};
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::closed_is_done;
use crate::clock::{Clock, UnixTime};
use crate::config::Issuer;
use crate::jwt::{Algorithm, AudienceMatch, SigningKey};

use super::signer::{Source, choose_issuer, signing_key};

/// How long a token lives unless told otherwise: long enough to try things out, too short to be worth keeping.
const LIFETIME: Duration = Duration::from_hours(1);

/// A run that takes longer than this shows its progress: 1 s.
const SHOW_PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Mint tokens: one a line, on standard output
///
/// Without --key or --secret-file the key of an issuer of the configuration signs: one with `keys = { generate = .. }`
/// or `keys = { secret = .. }`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Mint {
    #[command(flatten)]
    config: ConfigFile,
    /// Issuer of the configuration, by name; without a configuration the `iss` claim itself
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Subject; `{n}` counts from 1 with --count
    #[arg(long, value_name = "SUBJECT")]
    sub: String,
    /// A claim as JSON; what is not JSON is a string. It wins over the claims that are made
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim_argument)]
    claims: Vec<(String, Value)>,
    /// A scope; repeat it for more
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// An audience; repeat it for more [default: the issuer's]
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// Lifetime, such as "15m" or "7 days" [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration_argument)]
    expires_in: Option<Duration>,
    /// Valid only from then on: 2026-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = moment_argument, allow_hyphen_values = true)]
    not_before: Option<UnixTime>,
    /// Signature algorithm [default: the key's]
    #[arg(long, value_name = "ALG", value_parser = algorithm_argument)]
    alg: Option<Algorithm>,
    /// Private key, PKCS#8 in PEM
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    key: Option<PathBuf>,
    /// HMAC secret; one line feed at its end is not part of it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// `kid` of the JOSE header [default: the key's RFC 7638 thumbprint]
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// `typ` of the JOSE header
    #[arg(long, value_name = "TYPE", default_value = "at+jwt")]
    typ: String,
    /// How many; each has its own `jti`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
}

/// `name=json`: what begins like JSON must be JSON, anything else that is not JSON is a string.
fn claim_argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("write it as name=value")?;
    match serde_json::from_str(value) {
        Ok(json) => Ok((name.to_owned(), json)),
        Err(error) if value.trim_start().starts_with(['{', '[', '"']) => {
            Err(format!("not JSON: {error}"))
        }
        Err(_) => Ok((name.to_owned(), Value::String(value.to_owned()))),
    }
}

impl Mint {
    /// Mints the tokens.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let source = match (&self.key, &self.secret_file) {
            (Some(path), _) => Source::PrivateKey(path),
            (None, Some(path)) => Source::SecretFile(path),
            (None, None) => Source::Configuration,
        };
        let config = self.config.load_if_there()?;
        let from = match &config {
            Some(config) => Some((config, choose_issuer(config, self.issuer.as_deref())?)),
            None => None,
        };
        let key = signing_key(source, self.alg, from)?;
        let key = match &self.kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        };
        let issuer = from.map(|(_, issuer)| issuer);
        let now = Clock::System.now();
        let subject = |n: u64| self.sub.replace("{n}", &n.to_string());
        // Fails before the first line if the claims make no sense.
        self.claims(&subject(1), issuer, now, "")?;
        self.write_all(&key, |n| {
            self.claims(&subject(n), issuer, now, &random_jti()?)
        })?;
        Ok(Exit::OK)
    }

    /// The claims set of one token.
    fn claims(
        &self,
        subject: &str,
        issuer: Option<&Issuer>,
        now: UnixTime,
        jti: &str,
    ) -> Result<Value, Failure> {
        let lifetime = self.expires_in.unwrap_or(LIFETIME);
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        if let Some(iss) = issuer
            .map(|issuer| &*issuer.policy.issuer)
            .or(self.issuer.as_deref())
        {
            set("iss", json!(iss));
        }
        let audience_claim = issuer.map_or("aud", |issuer| &*issuer.policy.audience_claim);
        if let Some(audience) = self.audience(issuer) {
            set(audience_claim, audience);
        }
        set("sub", json!(subject));
        set("iat", json!(now.seconds()));
        set("exp", json!(now.plus(lifetime).seconds()));
        set("jti", json!(jti));
        if let Some(not_before) = self.not_before {
            set("nbf", json!(not_before.seconds()));
        }
        if !self.scopes.is_empty() {
            set("scope", json!(self.scopes.join(" ")));
        }
        for (name, value) in &self.claims {
            set(name, value.clone());
        }
        for (needed, how) in [("iss", "--issuer"), (audience_claim, "--audience")] {
            if !claims.contains_key(needed) {
                return Err(Failure::Usage(format!(
                    "a token without {needed:?} is refused everywhere: give -c FILE, or {how}"
                )));
            }
        }
        Ok(Value::Object(claims))
    }

    /// A string for one audience, as most issuers write it, else an array.
    fn audience(&self, issuer: Option<&Issuer>) -> Option<Value> {
        let all: Vec<&str> = match issuer.map(|issuer| &issuer.policy) {
            Some(policy) if self.audiences.is_empty() => {
                let enough = match policy.audience_match {
                    AudienceMatch::Any => 1,
                    AudienceMatch::All => policy.audiences.len(),
                };
                policy.audiences.iter().take(enough).map(|a| &**a).collect()
            }
            _ => self.audiences.iter().map(String::as_str).collect(),
        };
        match all.as_slice() {
            [] => None,
            [one] => Some(json!(one)),
            several => Some(json!(several)),
        }
    }

    /// Writes the tokens as they are made, and the progress if someone waits for it.
    fn write_all(
        &self,
        key: &SigningKey,
        claims: impl Fn(u64) -> Result<Value, Failure>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let progress =
            ProgressBar::with_draw_target(Some(self.count), ProgressDrawTarget::hidden());
        let began = Instant::now();
        let mut shown = !io::stderr().is_terminal();
        for n in 1..=self.count {
            let token = key
                .sign(&self.typ, &claims(n)?)
                .map_err(|error| Failure::Key {
                    what: "signing".to_owned(),
                    error,
                })?;
            if !closed_is_done(writeln!(out, "{token}"))? {
                return Ok(());
            }
            if !shown && began.elapsed() > SHOW_PROGRESS_AFTER {
                shown = true;
                progress.set_draw_target(ProgressDrawTarget::stderr());
            }
            progress.set_position(n);
        }
        progress.finish_and_clear();
        closed_is_done(out.flush())?;
        Ok(())
    }
}

/// 128 random bits: two tokens never share an id.
pub(in crate::cli) fn random_jti() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::Randomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
