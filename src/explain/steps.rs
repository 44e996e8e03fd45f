//! Each step of a decision: how it went, and what was looked at.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::clock::distance;
use crate::config::Authentication;
use crate::config::TokenPlace;
use crate::gate::{Reason, Rejection};
use crate::jwt::{Algorithm, Issuer, VerifyingKey};
use crate::revocation::{RevocationSet, TokenFacts};
use crate::routing::{Claimant, Requirement};
use crate::snapshot::Snapshot;

use super::answer::is_secret;
use super::token::{Read, fingerprint};
use super::walk::{Progress, Walk};
use super::{Finding, KeyFacts, Outcome, Question, Step, StepName, claims, route};

/// Everything that steps are told from.
pub(super) struct Sight<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) revocations: &'s RevocationSet,
    pub(super) facts: &'s dyn KeyFacts,
    pub(super) question: &'s Question,
    /// The fields as they came.
    pub(super) arrived: &'s HeaderMap,
    /// The fields as the decision left them.
    pub(super) forwarded: &'s HeaderMap,
    pub(super) walk: &'s Walk,
    pub(super) refused: Option<&'s Rejection>,
    /// The gateway answers itself: nothing but the request was looked at.
    pub(super) own: bool,
}

impl Sight<'_> {
    /// All steps, in order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let refused_at = self.refused.map(|rejection| self.step_of(rejection.reason));
        let read = self.read();
        let steps = StepName::ALL.into_iter();
        steps
            .map(|name| Step {
                name,
                outcome: self.outcome(name, refused_at),
                findings: self.findings(name, read.as_ref()),
            })
            .collect()
    }

    fn outcome(&self, name: StepName, refused_at: Option<StepName>) -> Outcome {
        match refused_at {
            Some(at) if name == at => Outcome::Refused,
            Some(at) if name > at => Outcome::NotReached,
            _ if self.is_needless(name) => Outcome::NotNeeded,
            Some(_) | None => Outcome::Passed,
        }
    }

    /// Whether this request needs no such step: it is for the gateway itself, or no token is looked for or there.
    fn is_needless(&self, name: StepName) -> bool {
        if self.own {
            return name > StepName::Request;
        }
        let no_token = self.walk.credentials.is_none();
        match name {
            StepName::Request | StepName::Target | StepName::Route | StepName::Strip => false,
            StepName::Credentials => no_token && !self.walk.anonymous,
            StepName::Shape
            | StepName::Header
            | StepName::Issuer
            | StepName::Key
            | StepName::Times
            | StepName::Signature
            | StepName::Claims
            | StepName::Revocation
            | StepName::Access
            | StepName::Insert => no_token,
        }
    }

    /// The step that a reason belongs to. No `_` arm: a new reason must choose here.
    fn step_of(&self, reason: Reason) -> StepName {
        match reason {
            Reason::HeadTooLarge => StepName::Request,
            Reason::MalformedTarget | Reason::MalformedHost | Reason::NotImplemented => {
                StepName::Target
            }
            Reason::AmbiguousPath | Reason::NoRoute | Reason::MethodNotAllowed => StepName::Route,
            Reason::MalformedField => StepName::Strip,
            Reason::MalformedCredentials
            | Reason::MissingToken
            | Reason::TokenTooLarge
            | Reason::CrossOrigin => StepName::Credentials,
            Reason::Malformed if self.walk.progress < Progress::Shape => StepName::Shape,
            Reason::Malformed if self.walk.header.is_none() => StepName::Header,
            Reason::CriticalHeader => StepName::Header,
            Reason::UnsupportedAlgorithm if self.walk.issuer.is_none() => StepName::Header,
            // The payload is read to find the issuer; what is left is the encoding of the signature.
            Reason::Malformed if self.walk.key.is_none() => StepName::Issuer,
            Reason::WrongIssuer => StepName::Issuer,
            Reason::UnsupportedAlgorithm | Reason::UnknownKey | Reason::KeysUnavailable => {
                StepName::Key
            }
            Reason::Expired => StepName::Times,
            Reason::NotYetValid if self.walk.progress < Progress::Signature => StepName::Times,
            Reason::BadSignature | Reason::TooManyBadTokens | Reason::Malformed => {
                StepName::Signature
            }
            Reason::NotYetValid
            | Reason::WrongType
            | Reason::WrongAudience
            | Reason::MissingClaim
            | Reason::LifetimeTooLong
            | Reason::SenderConstrained => StepName::Claims,
            Reason::Revoked | Reason::RevocationUnavailable => StepName::Revocation,
            Reason::InsufficientScope | Reason::ClaimMismatch => StepName::Access,
            Reason::RequestTimeout
            | Reason::BodyTooLarge
            | Reason::Internal
            | Reason::UpstreamUnreachable
            | Reason::UpstreamFailed
            | Reason::Overloaded
            | Reason::UpstreamTimeout => StepName::Insert,
        }
    }

    /// Who asks, as far as it was found out.
    fn client(&self) -> IpAddr {
        let client = self.walk.client;
        client.map_or(self.question.client, |client| client.address)
    }

    /// The token once more, if one was found.
    fn read(&self) -> Option<Read> {
        Read::of(&self.walk.credentials.as_ref()?.token)
    }

    fn findings(&self, name: StepName, read: Option<&Read>) -> Vec<Finding> {
        match name {
            StepName::Request => self.request(),
            StepName::Target => self.target(),
            StepName::Route => self.route(),
            StepName::Strip => self.strip(),
            StepName::Credentials => self.credentials(),
            StepName::Shape => Vec::new(),
            StepName::Header => header(read),
            StepName::Issuer => self.issuer(read),
            StepName::Key => self.key(read),
            StepName::Times => self.of_claims(read, |read, issuer| {
                claims::times(&read.claims, &issuer.policy, self.question.now)
            }),
            StepName::Signature => self.signature(),
            StepName::Claims => self.of_claims(read, |read, issuer| {
                claims::claims(
                    &read.header,
                    &read.claims,
                    &issuer.policy,
                    self.question.now,
                )
            }),
            StepName::Revocation => self.revocation(),
            StepName::Access => self.access(read),
            StepName::Insert => self.insert(),
        }
    }

    fn request(&self) -> Vec<Finding> {
        let limits = &self.snapshot.limits;
        let (count, most) = (self.arrived.len(), limits.header_count);
        let mut findings = Vec::new();
        if let Some(client) = self.walk.client {
            let how = if client.via_trusted_proxy {
                ", as a trusted proxy says"
            } else {
                ""
            };
            let found = format!("{}{how}", client.address);
            findings.push(Finding::noted("client", found));
        }
        let finding = Finding::judged("fields", count.to_string(), count <= most);
        findings.push(finding.expected(format!("at most {most}")));
        findings
    }

    fn target(&self) -> Vec<Finding> {
        let Some(target) = &self.walk.target else {
            return self.detail();
        };
        let mut findings = Vec::new();
        if let Some(host) = &target.host {
            findings.push(Finding::noted("host", host));
        }
        findings.push(Finding::noted("path", &target.path));
        if target.decoded != target.path {
            findings.push(Finding::noted("decoded", &target.decoded));
        }
        if let Some(laxest) = &target.laxest {
            findings.push(Finding::noted("laxest reading", laxest));
        }
        findings
    }

    fn route(&self) -> Vec<Finding> {
        let Some(target) = &self.walk.target else {
            return Vec::new();
        };
        let routes = &self.snapshot.routes;
        match &self.walk.route {
            Some(route) => {
                let mut findings = route::found(route, target, routes);
                let auth = match route.access.auth {
                    Authentication::Required => "a token is required",
                    Authentication::Optional => "a token is optional",
                    Authentication::None => "no token is looked for",
                };
                findings.push(Finding::noted("auth", auth));
                if self.walk.preflight {
                    let found = "passes without a token";
                    findings.push(Finding::noted("CORS preflight", found));
                }
                findings
            }
            None => [self.detail(), route::missing(target, routes)].concat(),
        }
    }

    fn strip(&self) -> Vec<Finding> {
        let Some(left) = &self.walk.stripped else {
            return self.detail_of(StepName::Strip);
        };
        let gone = missing_from(self.arrived, left);
        if gone.is_empty() {
            return Vec::new();
        }
        vec![Finding::noted("removed", gone.join(", "))]
    }

    fn credentials(&self) -> Vec<Finding> {
        if self.walk.anonymous {
            return vec![Finding::noted("token", "none, and the route admits that")];
        }
        let Some(found) = &self.walk.credentials else {
            return self.detail_of(StepName::Credentials);
        };
        let place = match &found.place {
            TokenPlace::Authorization => "Authorization: Bearer".to_owned(),
            place @ (TokenPlace::Header(_)
            | TokenPlace::Cookie(_)
            | TokenPlace::Query(_)
            | TokenPlace::Subprotocol(_)) => place.to_string(),
        };
        let most = self.snapshot.limits.token_bytes;
        let bytes = found.token.len();
        vec![
            Finding::noted("place", place),
            Finding::judged("bytes", bytes.to_string(), bytes <= most)
                .expected(format!("at most {most}")),
            Finding::noted("fingerprint", fingerprint(&found.token)),
        ]
    }

    /// The issuer that is told of: the one that was found, or else that which the token names.
    fn of_issuer(&self, read: Option<&Read>) -> Option<(usize, &Issuer)> {
        let issuers = &self.snapshot.issuers;
        let index = self.walk.issuer.or_else(|| read?.issuer(issuers))?;
        Some((index, &**issuers.get(index)?))
    }

    fn issuer(&self, read: Option<&Read>) -> Vec<Finding> {
        let Some(route) = &self.walk.route else {
            return Vec::new();
        };
        let issuers = &self.snapshot.issuers;
        let admitted = (issuers.iter().enumerate())
            .filter(|(index, _)| route.access.admits(*index))
            .map(|(_, issuer)| format!("{} ({})", issuer.policy.issuer, issuer.name))
            .collect::<Vec<_>>()
            .join(", ");
        let Some(read) = read else {
            return self.detail_of(StepName::Issuer);
        };
        let found = claims::shown(read.claims.get("iss"));
        let finding = Finding::judged("iss", found, self.walk.issuer.is_some());
        let mut findings = vec![finding.expected(admitted)];
        if let Some((_, issuer)) = self.of_issuer(Some(read)) {
            findings.push(Finding::noted("name", &*issuer.name));
        }
        findings
    }

    fn key(&self, read: Option<&Read>) -> Vec<Finding> {
        let (Some((_, issuer)), Some(read)) = (self.of_issuer(read), read) else {
            return Vec::new();
        };
        let (algorithm, kid) = (read.header.algorithm, read.header.kid.as_deref());
        let listed = issuer.policy.algorithms;
        let names: Vec<&str> = listed.iter().map(Algorithm::name).collect();
        let finding = Finding::judged("alg", algorithm.name(), listed.contains(algorithm));
        let mut findings = vec![finding.expected(format!("one of {}", names.join(", ")))];
        if let Ok(key) = issuer.keys.find(kid, algorithm) {
            findings.push(Finding::judged("key", name_of(key), true));
            findings.extend(self.origin(issuer, key));
        } else {
            let wanted = match kid {
                Some(kid) => format!(
                    "none has kid {:?} for {}",
                    claims::cut(kid),
                    algorithm.name()
                ),
                None => format!("not exactly one is for {}", algorithm.name()),
            };
            let have: Vec<String> = issuer.keys.iter().map(name_of).collect();
            let have = if have.is_empty() {
                "there is no usable key".to_owned()
            } else {
                have.join(", ")
            };
            findings.push(Finding::judged("key", wanted, false).expected(have));
        }
        findings
    }

    fn origin(&self, issuer: &Issuer, key: &VerifyingKey) -> Vec<Finding> {
        let origin = self.facts.origin(&issuer.name, key);
        let mut findings = Vec::new();
        if let Some(source) = origin.source {
            findings.push(Finding::noted("source", source));
        }
        if let Some(fetched) = origin.fetched {
            let found = format!("{fetched}, {}", distance(fetched, self.question.now));
            findings.push(Finding::noted("fetched", found));
        }
        findings
    }

    fn signature(&self) -> Vec<Finding> {
        if self.walk.progress == Progress::Signature {
            return vec![Finding::judged("signature", "is that key's", true)];
        }
        self.detail_of(StepName::Signature)
    }

    fn of_claims(
        &self,
        read: Option<&Read>,
        show: impl Fn(&Read, &Issuer) -> Vec<Finding>,
    ) -> Vec<Finding> {
        let issuer = self.of_issuer(read).map(|(_, issuer)| issuer);
        read.zip(issuer)
            .map_or_else(Vec::new, |(read, issuer)| show(read, issuer))
    }

    fn revocation(&self) -> Vec<Finding> {
        let Some(token) = &self.walk.verified else {
            return self.detail_of(StepName::Revocation);
        };
        let facts = TokenFacts {
            issuer: token.iss(),
            kid: token.kid(),
            claims: token.claims(),
        };
        let revoked = self.revocations.check(&facts, None).err();
        let found = revoked.map_or_else(|| "is not revoked".to_owned(), |it| it.to_string());
        vec![Finding::judged("token", found, revoked.is_none())]
    }

    fn access(&self, read: Option<&Read>) -> Vec<Finding> {
        let (Some(route), Some(read)) = (&self.walk.route, read) else {
            return Vec::new();
        };
        let issuer = self.of_issuer(Some(read)).map(|(_, issuer)| issuer);
        let claimant = Claimant {
            claims: &read.claims,
            audience_claim: issuer.map_or("aud", |issuer| &issuer.policy.audience_claim),
            method: &self.question.method,
            client: self.client(),
        };
        let (_, number) = route.access.asked_of(claimant.method, claimant.client);
        let number = number.map(|number| {
            Finding::noted("override", format!("number {} of the route", number + 1))
        });
        let required = route.access.examine(&claimant);
        number
            .into_iter()
            .chain(required.into_iter().map(required_finding))
            .collect()
    }

    fn insert(&self) -> Vec<Finding> {
        if self.refused.is_some() || self.own {
            return Vec::new();
        }
        let Some(route) = &self.walk.route else {
            return Vec::new();
        };
        let headers = route.claim_headers.headers().iter();
        headers
            .map(|header| {
                let lines = self.forwarded.get_all(&header.name).iter();
                let lines: Vec<_> = lines
                    .map(|value| claims::cut(&String::from_utf8_lossy(value.as_bytes())))
                    .collect();
                let found = if lines.is_empty() {
                    "not sent: the claim is absent".to_owned()
                } else {
                    lines.join(" | ")
                };
                Finding::noted(header.name.as_str(), found)
            })
            .collect()
    }

    /// What the log would say of the refusal.
    fn detail(&self) -> Vec<Finding> {
        let Some(rejection) = self.refused else {
            return Vec::new();
        };
        let detail = rejection.detail.to_string();
        let found = if detail.is_empty() {
            rejection.reason.title().to_owned()
        } else {
            detail
        };
        vec![Finding::judged(rejection.reason.name(), found, false)]
    }

    /// The same, where it was refused in that step.
    fn detail_of(&self, name: StepName) -> Vec<Finding> {
        match self.refused {
            Some(rejection) if self.step_of(rejection.reason) == name => self.detail(),
            Some(_) | None => Vec::new(),
        }
    }
}

fn header(read: Option<&Read>) -> Vec<Finding> {
    let Some(Read { header, .. }) = read else {
        return Vec::new();
    };
    let text = |text: Option<&str>| text.map_or_else(|| "absent".to_owned(), claims::cut);
    vec![
        Finding::noted("alg", header.algorithm.name()),
        Finding::noted("kid", text(header.kid.as_deref())),
        Finding::noted("typ", text(header.typ.as_deref())),
    ]
}

fn required_finding(it: Requirement) -> Finding {
    let absent = || "absent".to_owned();
    let actual = it.actual.map_or_else(absent, |it| claims::cut(&it));
    let finding = if it.decides {
        Finding::judged(&it.name, actual, it.holds)
    } else {
        let holds = if it.holds { "holds" } else { "does not hold" };
        Finding::noted(&it.name, format!("{actual}: {holds}"))
    };
    finding.expected(it.wanted)
}

/// What a key is called, and what it may sign.
fn name_of(key: &VerifyingKey) -> String {
    let algorithms: Vec<&str> = key.algorithms().iter().map(Algorithm::name).collect();
    let kid = key.kid().unwrap_or("without kid");
    format!("{kid} ({})", algorithms.join(", "))
}

/// The names of fields that are not there any more, each with what makes it recognisable.
fn missing_from(before: &HeaderMap, after: &HeaderMap) -> Vec<String> {
    let lines = |map: &HeaderMap, name: &HeaderName| map.get_all(name).iter().count();
    let names: BTreeSet<&str> = before
        .keys()
        .filter(|name| !is_secret(name) && lines(after, name) < lines(before, name))
        .map(HeaderName::as_str)
        .collect();
    names.into_iter().map(str::to_owned).collect()
}
