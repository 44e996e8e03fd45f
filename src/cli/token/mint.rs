//! `token mint`: tokens for trying out and for load tests, one a line.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::iter;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
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

mod bad;
mod in_order;
mod plan;

use bad::{Bad, Share, share_argument};
use in_order::in_order;
use plan::{Plan, Planned};

/// How long a token lives unless told otherwise: long enough to try things out, too short to be worth keeping.
const LIFETIME: Duration = Duration::from_hours(1);

/// A run that takes longer than this shows its progress: 1 s.
const SHOW_PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Tokens that one thread makes at a time: RSA signs them in some 50 ms.
const BATCH: u64 = 64;

/// Mint tokens: one a line, on standard output
///
/// Without --key or --secret-file the key of an issuer of the configuration signs: one with `keys = { generate = .. }`
/// or `keys = { secret = .. }`. Many tokens are signed on all cores and written in order.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Mint {
    #[command(flatten)]
    config: ConfigFile,
    /// Issuer of the configuration, by name; without a configuration the `iss` claim itself
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    // clap takes `{n}` for a line feed, so the help says it in words.
    /// Subject; an `n` in braces is the number of the token, or with --subjects of the subject
    #[arg(long, value_name = "SUBJECT", required_unless_present = "subjects")]
    sub: Option<String>,
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
    /// So many subjects, in turn: load-1, load-2, .. unless --sub names them; without `n` in braces as alice-1, alice-2, ..
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    subjects: Option<u64>,
    #[arg(
        long,
        value_name = "KIND=PERCENT%",
        value_delimiter = ',',
        value_parser = share_argument,
        help = bad_help()
    )]
    bad: Vec<Share>,
}

fn bad_help() -> String {
    format!(
        "Tokens that are to be refused, evenly among the good ones: expired=5%,forged=2%. Kinds: {}",
        Bad::ALL.map(Bad::name).join(", ")
    )
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
        let minter = Minter {
            mint: self,
            key,
            issuer: from.map(|(_, issuer)| issuer),
            now: Clock::System.now(),
        };
        let plan = Plan::new(self.count, self.subjects, &self.bad).map_err(Failure::Usage)?;
        // Fails before the first line if the claims make no sense.
        minter.claims(&self.subject(1), "")?;
        self.write_all(&minter, plan)?;
        Ok(Exit::OK)
    }

    /// The name of a subject.
    fn subject(&self, n: u64) -> String {
        let n = n.to_string();
        match (&self.sub, self.subjects) {
            (Some(sub), Some(_)) if !sub.contains("{n}") => format!("{sub}-{n}"),
            (Some(sub), _) => sub.replace("{n}", &n),
            (None, _) => format!("load-{n}"),
        }
    }

    /// Writes the tokens as they are made, and the progress if someone waits for it.
    fn write_all(&self, minter: &Minter<'_>, plan: Plan) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let progress =
            ProgressBar::with_draw_target(Some(self.count), ProgressDrawTarget::hidden());
        let began = Instant::now();
        let mut shown = !io::stderr().is_terminal();
        let batches = usize::try_from(self.count.div_ceil(BATCH)).unwrap_or(usize::MAX);
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let make = |batch| minter.lines(batch);
        in_order(cores.min(batches), batched(plan), make, |lines: String| {
            if !closed_is_done(out.write_all(lines.as_bytes()))? {
                return Ok(ControlFlow::Break(()));
            }
            if !shown && began.elapsed() > SHOW_PROGRESS_AFTER {
                shown = true;
                progress.set_draw_target(ProgressDrawTarget::stderr());
            }
            progress.inc(BATCH);
            Ok(ControlFlow::Continue(()))
        })?;
        progress.finish_and_clear();
        closed_is_done(out.flush())?;
        Ok(())
    }
}

/// The plan in pieces for one thread each.
fn batched(mut plan: Plan) -> impl Iterator<Item = Vec<Planned>> {
    let size = usize::try_from(BATCH).unwrap_or(usize::MAX);
    iter::from_fn(move || {
        let batch: Vec<Planned> = plan.by_ref().take(size).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

/// What all tokens of a run have in common. Threads share it.
struct Minter<'m> {
    mint: &'m Mint,
    key: SigningKey,
    issuer: Option<&'m Issuer>,
    now: UnixTime,
}

impl Minter<'_> {
    /// Tokens, one a line.
    fn lines(&self, batch: Vec<Planned>) -> Result<String, Failure> {
        let mut lines = String::new();
        for planned in batch {
            lines.push_str(&self.token(planned)?);
            lines.push('\n');
        }
        Ok(lines)
    }

    fn token(&self, planned: Planned) -> Result<String, Failure> {
        let subject = self.mint.subject(planned.subject);
        let mut claims = self.claims(&subject, &random_jti()?)?;
        if let Some(bad) = planned.bad {
            bad.spoil_claims(&mut claims, self.audience_claim(), self.now);
        }
        let typ = &self.mint.typ;
        let claims = Value::Object(claims);
        let token = self.key.sign(typ, &claims).map_err(|error| Failure::Key {
            what: "signing".to_owned(),
            error,
        })?;
        let Some(bad) = planned.bad else {
            return Ok(token);
        };
        let header =
            json!({ "typ": typ, "alg": self.key.algorithm().name(), "kid": self.key.kid() });
        Ok(bad.spoil_token(token, &header, &claims))
    }

    /// The claims set of one token.
    fn claims(&self, subject: &str, jti: &str) -> Result<Map<String, Value>, Failure> {
        let mint = self.mint;
        let lifetime = mint.expires_in.unwrap_or(LIFETIME);
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        if let Some(iss) = self
            .issuer
            .map(|issuer| &*issuer.policy.issuer)
            .or(mint.issuer.as_deref())
        {
            set("iss", json!(iss));
        }
        let audience_claim = self.audience_claim();
        if let Some(audience) = self.audience() {
            set(audience_claim, audience);
        }
        set("sub", json!(subject));
        set("iat", json!(self.now.seconds()));
        set("exp", json!(self.now.plus(lifetime).seconds()));
        set("jti", json!(jti));
        if let Some(not_before) = mint.not_before {
            set("nbf", json!(not_before.seconds()));
        }
        if !mint.scopes.is_empty() {
            set("scope", json!(mint.scopes.join(" ")));
        }
        for (name, value) in &mint.claims {
            set(name, value.clone());
        }
        for (needed, how) in [("iss", "--issuer"), (audience_claim, "--audience")] {
            if !claims.contains_key(needed) {
                return Err(Failure::Usage(format!(
                    "a token without {needed:?} is refused everywhere: give -c FILE, or {how}"
                )));
            }
        }
        Ok(claims)
    }

    /// Where the issuer looks for the audience.
    fn audience_claim(&self) -> &str {
        self.issuer
            .map_or("aud", |issuer| &*issuer.policy.audience_claim)
    }

    /// A string for one audience, as most issuers write it, else an array.
    fn audience(&self) -> Option<Value> {
        let asked_for = &self.mint.audiences;
        let all: Vec<&str> = match self.issuer.map(|issuer| &issuer.policy) {
            Some(policy) if asked_for.is_empty() => {
                let enough = match policy.audience_match {
                    AudienceMatch::Any => 1,
                    AudienceMatch::All => policy.audiences.len(),
                };
                policy.audiences.iter().take(enough).map(|a| &**a).collect()
            }
            _ => asked_for.iter().map(String::as_str).collect(),
        };
        match all.as_slice() {
            [] => None,
            [one] => Some(json!(one)),
            several => Some(json!(several)),
        }
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
