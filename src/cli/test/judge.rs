//! What the configuration makes of each case: by the gate itself, with keys that were made for it and a clock that stands.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::cli::failure::Failure;
use crate::clock::{Clock, UnixTime};
use crate::config::{self, Config, Environment, Issuer, KeySource, Keys, parse_duration};
use crate::explain::{Explanation, KeyFacts, KeyOrigin, Question, Verdict, explain};
use crate::gate::Reason;
use crate::jwt::{Algorithm, VerifyingKey};
use crate::keys::{RemoteKeySets, load};
use crate::metrics::Metrics;
use crate::revocation::{
    Revocation, RevocationKind, RevocationSet, RevocationTarget, RevocationWriter,
};
use crate::snapshot::{Fixtures, Snapshot};

use super::keys::MadeKeys;
use super::suite::{Algorithms, Case, Expect, Field, Lines, Suite, Token};

/// How long tokens are good for that say nothing of it.
const LIFETIME: Duration = Duration::from_mins(5);
/// Since when.
const AGE: Duration = Duration::from_mins(1);

/// A case with one algorithm.
pub(super) struct Run<'s> {
    /// The case's name, with the algorithm where there are several.
    pub(super) name: String,
    case: &'s Case,
    /// What is signed, and by whom.
    token: Option<(Token, usize, Algorithm)>,
}

/// What came of a case.
pub(super) struct Outcome {
    pub(super) name: String,
    /// What is not as it has to be; none: it passed.
    pub(super) problems: Vec<String>,
    pub(super) explanation: Explanation,
}

/// The configuration of a suite, ready to judge.
pub(super) struct Judge<'s> {
    suite: &'s Suite,
    directory: PathBuf,
    now: UnixTime,
    config: Config,
    keys: MadeKeys,
}

struct NoFacts;

impl KeyFacts for NoFacts {
    fn origin(&self, _issuer: &str, _key: &VerifyingKey) -> KeyOrigin {
        KeyOrigin {
            source: Some("made for this test".to_owned()),
            fetched: None,
        }
    }
}

impl<'s> Judge<'s> {
    /// Reads the configuration. Certificates and CAs of it are not looked at, and keys only if a case has its token from a file.
    pub(super) fn new(suite: &'s Suite, file: &Path) -> Result<Self, Failure> {
        let mut cases = suite.cases.iter();
        if let Some(case) = cases.find(|it| it.token.is_some() && it.token_file.is_some()) {
            return Err(bad(case, "has a `token` and a `token_file`"));
        }
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        let now: jiff::Timestamp = suite
            .now
            .parse()
            .map_err(|error| wrong(file, &format!("`now`: {error}")))?;
        let mut config = config::load(&directory.join(&suite.config), &Environment::of_process())?;
        config.server.tls = None;
        for upstream in &mut config.upstreams {
            upstream.ca = None;
        }
        let mut files = Vec::new();
        for issuer in &mut config.issuers {
            let reads = suite.cases.iter().any(|case| case.token_file.is_some());
            files.push(if reads {
                configured(issuer)?
            } else {
                Vec::new()
            });
            issuer.keys = Keys::Public(vec![KeySource::Store]);
        }
        Ok(Self {
            suite,
            directory,
            now: UnixTime::from_seconds(now.as_second()),
            config,
            keys: MadeKeys::with(files),
        })
    }

    /// Every case, once for each of its algorithms. Their keys are made here.
    pub(super) fn runs(&mut self) -> Result<Vec<Run<'s>>, Failure> {
        let mut runs = Vec::new();
        for case in &self.suite.cases {
            let Some(token) = &case.token else {
                runs.push(Run {
                    name: case.name.clone(),
                    case,
                    token: None,
                });
                continue;
            };
            let token = token.over(&self.suite.defaults.token);
            let issuer = self.issuer(case, token.issuer.as_deref())?;
            let algorithms = self.algorithms(case, &token, issuer)?;
            let several = algorithms.len() > 1;
            for algorithm in algorithms {
                self.keys.of(issuer, algorithm)?;
                let suffix = if several {
                    format!(" ({})", algorithm.name())
                } else {
                    String::new()
                };
                runs.push(Run {
                    name: format!("{}{suffix}", case.name),
                    case,
                    token: Some((token.clone(), issuer, algorithm)),
                });
            }
        }
        Ok(runs)
    }

    fn issuer(&self, case: &Case, name: Option<&str>) -> Result<usize, Failure> {
        let issuers = &self.config.issuers;
        let found = match name {
            None => (!issuers.is_empty()).then_some(0),
            Some(name) => issuers.iter().position(|issuer| *issuer.name == *name),
        };
        found.ok_or_else(|| {
            bad(
                case,
                &format!("there is no issuer {:?}", name.unwrap_or_default()),
            )
        })
    }

    fn algorithms(
        &self,
        case: &Case,
        token: &Token,
        issuer: usize,
    ) -> Result<Vec<Algorithm>, Failure> {
        let listed = self.config.issuers[issuer].policy.algorithms;
        let by_name = |name: &String| {
            Algorithm::from_name(name)
                .ok_or_else(|| bad(case, &format!("there is no algorithm {name:?}")))
        };
        match (&case.algorithms, &token.algorithm) {
            (Some(Algorithms::Word(word)), _) if word == "all" => Ok(listed.iter().collect()),
            (Some(Algorithms::Word(word)), _) => Ok(vec![by_name(word)?]),
            (Some(Algorithms::Names(names)), _) => names.iter().map(by_name).collect(),
            (None, Some(name)) => Ok(vec![by_name(name)?]),
            (None, None) => Ok(listed.iter().take(1).collect()),
        }
    }

    /// The configuration in force, with every key that the runs need.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let fixtures = Fixtures {
            metrics: Metrics::new(1, Reason::NAMES),
            tickets: rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|_| Failure::Randomness)?,
            clock: Clock::manual(self.now).0,
            keys: Arc::default(),
        };
        let mut snapshot = Snapshot::build(self.config.clone(), None, &fixtures)?;
        for issuer in 0..self.config.issuers.len() {
            snapshot = snapshot.with_issuer_keys(issuer, self.keys.set_of(issuer)?);
        }
        Ok(snapshot)
    }

    /// Judges one.
    pub(super) fn judge(&mut self, snapshot: &Snapshot, run: Run<'_>) -> Result<Outcome, Failure> {
        let case = run.case;
        let token = match (&run.token, &case.token_file) {
            (Some((token, issuer, algorithm)), _) => {
                Some(self.made(case, token, *issuer, *algorithm)?)
            }
            (None, Some(file)) => {
                let path = self.directory.join(file);
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|source| Failure::File {
                    action: "read",
                    path,
                    source,
                })?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        let (method, url) = case.request.split_once(' ').ok_or_else(|| {
            bad(
                case,
                "`request` is a method and a URL: \"GET https://api.example.com/orders\"",
            )
        })?;
        let client = case.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let fields = fields(&case.headers);
        let question = Question::new(method, url, &fields, token.as_deref(), (client, self.now));
        let question = question.map_err(|error| bad(case, &error.to_string()))?;
        let issuer = run.token.as_ref().map(|(_, issuer, _)| *issuer);
        let revocations = self.revocations(case, issuer)?;
        let explanation = explain(snapshot, &revocations, &NoFacts, &question);
        Ok(Outcome {
            name: run.name,
            problems: problems(&case.expect, &explanation),
            explanation,
        })
    }

    /// The token: what the issuer's tokens say, with what the case says instead.
    fn made(
        &mut self,
        case: &Case,
        token: &Token,
        issuer: usize,
        algorithm: Algorithm,
    ) -> Result<String, Failure> {
        let policy = &self.config.issuers[issuer].policy;
        let now = self.now.seconds();
        let moment = |text: &Option<String>, default: i64| -> Result<i64, Failure> {
            let distance = match text {
                Some(text) => signed_seconds(case, text)?,
                None => default,
            };
            Ok(now.saturating_add(distance))
        };
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let mut claims = json!({
            "iss": policy.issuer, "sub": "test", "jti": "test",
            "iat": moment(&token.issued, -seconds(AGE))?,
            "exp": moment(&token.expires_in, seconds(LIFETIME))?,
        });
        claims[&*policy.audience_claim] = json!(policy.audiences);
        for (name, value) in &token.claims {
            claims[name] = value.clone();
        }
        if let Some(members) = claims.as_object_mut() {
            members.retain(|name, _| !token.without.contains(name));
        }
        let typ = match &token.typ {
            Some(typ) => typ.clone(),
            None => policy
                .token_types
                .first()
                .map_or("JWT", |typ| typ)
                .to_owned(),
        };
        let key = if token.forged {
            self.keys.stranger(algorithm)?
        } else {
            self.keys.of(issuer, algorithm)?
        };
        let signed = match &token.kid {
            Some(kid) => key.sign_as(kid, &typ, &claims),
            None => key.sign(&typ, &claims),
        };
        signed.map_err(|error| Failure::Key {
            what: format!("case {:?}", case.name),
            error,
        })
    }

    fn revocations(
        &self,
        case: &Case,
        issuer: Option<usize>,
    ) -> Result<Arc<RevocationSet>, Failure> {
        if case.revoked.is_empty() {
            return Ok(Arc::new(RevocationSet::empty()));
        }
        let issuer =
            issuer.ok_or_else(|| bad(case, "`revoked` needs a `token`: it is about its issuer"))?;
        let mut writer = RevocationWriter::new().map_err(|_| Failure::Randomness)?;
        for (kind, value) in &case.revoked {
            let kind = RevocationKind::from_name(kind)
                .ok_or_else(|| bad(case, &format!("nothing is revoked by {kind:?}")))?;
            writer.add(&Revocation {
                issuer: &self.config.issuers[issuer].policy.issuer,
                target: RevocationTarget::new(kind, value),
                before: None,
                until: None,
            });
        }
        Ok(writer.publish())
    }
}

/// The keys of the configuration's key files. What would have to be fetched or made is not there.
fn configured(issuer: &Issuer) -> Result<Vec<VerifyingKey>, Failure> {
    if matches!(issuer.keys, Keys::Generate(_)) {
        return Ok(Vec::new());
    }
    let loaded = load(issuer, Path::new(""), &RemoteKeySets::none())
        .map_err(|error| Failure::Suite(error.to_string()))?;
    Ok(loaded.keys.iter().cloned().collect())
}

/// `"5m"`, or `"-5m"`.
fn signed_seconds(case: &Case, text: &str) -> Result<i64, Failure> {
    let (sign, duration) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let duration = parse_duration(duration.trim()).map_err(|error| bad(case, &error))?;
    Ok(sign * i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn fields(headers: &BTreeMap<String, Lines>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, lines) in headers {
        match lines {
            Lines::One(value) => fields.push((name.clone(), value.clone())),
            Lines::Several(values) => {
                fields.extend(values.iter().map(|value| (name.clone(), value.clone())));
            }
        }
    }
    fields
}

/// What is not as it has to be.
fn problems(expect: &Expect, explanation: &Explanation) -> Vec<String> {
    let (status, reason, detail) = match &explanation.verdict {
        Verdict::Admitted { .. } | Verdict::OwnEndpoint => (200, None, ""),
        Verdict::Refused {
            status,
            reason,
            detail,
        } => (*status, Some(reason.as_str()), detail.as_str()),
    };
    let mut problems = Vec::new();
    let mut compare = |what: &str, expected: Option<&str>, actual: Option<&str>| {
        if expected.is_some() && expected != actual {
            let shown =
                |it: Option<&str>| it.map_or_else(|| "none".to_owned(), |it| format!("{it:?}"));
            problems.push(format!(
                "{what}: expected {}, is {}",
                shown(expected),
                shown(actual)
            ));
        }
    };
    let said = reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"));
    let wanted = expect.status.to_string();
    if expect.status != status {
        compare("status", Some(&wanted), Some(&said));
    }
    compare("reason", expect.reason.as_deref(), reason);
    compare(
        "route",
        expect.route.as_deref(),
        explanation.route.as_deref(),
    );
    let rule = detail
        .strip_prefix("claim rule \"")
        .and_then(|it| it.strip_suffix("\" does not hold"));
    compare("rule", expect.rule.as_deref(), rule);
    for (name, field) in &expect.upstream {
        let lines = explanation.answer.fields.iter();
        let lines = lines.filter(|(own, _)| status == 200 && own.eq_ignore_ascii_case(name));
        let lines: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        let right = match field {
            Field::Line(line) => lines == [line],
            Field::Lines(wanted) => lines == *wanted,
            Field::There(there) => *there != lines.is_empty(),
        };
        if !right {
            let wanted = match field {
                Field::Line(line) => format!("{line:?}"),
                Field::Lines(lines) => format!("{lines:?}"),
                Field::There(true) => "any".to_owned(),
                Field::There(false) => "none".to_owned(),
            };
            problems.push(format!(
                "upstream field {name}: expected {wanted}, is {lines:?}"
            ));
        }
    }
    problems
}

fn bad(case: &Case, problem: &str) -> Failure {
    Failure::Suite(format!("case {:?}: {problem}", case.name))
}

fn wrong(file: &Path, problem: &str) -> Failure {
    Failure::Suite(format!("{}: {problem}", file.display()))
}
