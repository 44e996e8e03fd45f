//! What is told: plain data, the same for a terminal, for a program and from another process.

use serde::{Deserialize, Serialize};

/// Everything about one decision. It never holds the token, nor its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The time by which it was decided (RFC 3339).
    pub at: String,
    /// What was asked.
    pub request: Asked,
    /// The route that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Every step, in the order of the decision.
    pub steps: Vec<Step>,
    /// What was decided.
    pub verdict: Verdict,
    /// What comes of it.
    pub answer: Answer,
}

/// The request, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Scheme, host and path: no query, which may hold a token.
    pub url: String,
    /// Who asks, as far as trusted proxies tell.
    pub client: String,
}

/// One step of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// How it went.
    pub outcome: Outcome,
    /// What was looked at. In a step that was not reached: what it would have found, as far as that can be told.
    pub findings: Vec<Finding>,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The size of the head, and who asks.
    Request,
    /// Host and path.
    Target,
    /// Which route it is for.
    Route,
    /// Fields that no client may set are removed.
    Strip,
    /// Where the token stands.
    Credentials,
    /// The token has three parts.
    Shape,
    /// The JOSE header.
    Header,
    /// `iss`, and whether the route admits it.
    Issuer,
    /// The key that may have signed it.
    Key,
    /// `exp` and `nbf`.
    Times,
    /// The signature.
    Signature,
    /// `typ`, audience and the other claims.
    Claims,
    /// Whether it was revoked.
    Revocation,
    /// The route's scopes and rules.
    Access,
    /// The claims become fields.
    Insert,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was wrong.
    Passed,
    /// The request was refused here.
    Refused,
    /// The request was refused before.
    NotReached,
    /// This request does not need it.
    NotNeeded,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What: `exp`, `kid`, `scopes`.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What would have been right, where that is not obvious.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to make of it.
    pub mark: Mark,
}

/// What to make of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// As it has to be.
    Right,
    /// Not as it has to be.
    Wrong,
    /// Neither.
    Noted,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It goes to the upstream.
    Admitted {
        /// The route's name.
        route: String,
        /// The upstream's name.
        upstream: String,
        /// Whether no token was needed, or none came where that is allowed.
        anonymous: bool,
    },
    /// It goes nowhere.
    Refused {
        /// The status of the answer.
        status: u16,
        /// The stable name of the reason.
        reason: String,
        /// What the log says beyond the reason, and the client does not learn.
        detail: String,
    },
    /// The gateway answers it itself: no route is asked.
    OwnEndpoint,
}

impl Verdict {
    /// Whether it goes further.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        match self {
            Self::Admitted { .. } | Self::OwnEndpoint => true,
            Self::Refused { .. } => false,
        }
    }

    /// The reason of a refusal.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            Self::Admitted { .. } | Self::OwnEndpoint => None,
        }
    }
}

/// What comes of it: the request that the upstream gets, or the answer that the client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The first line.
    pub line: String,
    /// The fields, by name, as they are sent. Credentials stand for themselves: their values are not shown.
    pub fields: Vec<(String, String)>,
    /// The body of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl StepName {
    /// All of them, in order.
    pub const ALL: [Self; 15] = [
        Self::Request,
        Self::Target,
        Self::Route,
        Self::Strip,
        Self::Credentials,
        Self::Shape,
        Self::Header,
        Self::Issuer,
        Self::Key,
        Self::Times,
        Self::Signature,
        Self::Claims,
        Self::Revocation,
        Self::Access,
        Self::Insert,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Target => "target",
            Self::Route => "route",
            Self::Strip => "strip",
            Self::Credentials => "credentials",
            Self::Shape => "shape",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Times => "times",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Revocation => "revocation",
            Self::Access => "access",
            Self::Insert => "insert",
        }
    }
}

impl Finding {
    /// One that is neither right nor wrong.
    pub(super) fn noted(what: &str, found: impl Into<String>) -> Self {
        Self::new(what, found, Mark::Noted)
    }

    /// One that was judged.
    pub(super) fn judged(what: &str, found: impl Into<String>, right: bool) -> Self {
        Self::new(what, found, if right { Mark::Right } else { Mark::Wrong })
    }

    fn new(what: &str, found: impl Into<String>, mark: Mark) -> Self {
        Self {
            what: what.to_owned(),
            found: found.into(),
            expected: None,
            mark,
        }
    }

    /// With what would have been right.
    pub(super) fn expected(self, expected: impl Into<String>) -> Self {
        Self {
            expected: Some(expected.into()),
            ..self
        }
    }
}
