//! Every refusal has one reason, from a closed set.

use std::sync::Arc;

use http::{Method, StatusCode};

use crate::headers::{ConnectionOptionError, CredentialsError, TargetError};
use crate::jwt::TokenError;

/// Why a request is refused. The names are stable: reply, log, metric and documentation use them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "docs/reasons.md explains each; title() says it in a sentence"
)]
pub enum Reason {
    MalformedTarget,
    AmbiguousPath,
    MalformedHost,
    MalformedField,
    MalformedCredentials,
    MissingToken,
    TokenTooLarge,
    Malformed,
    UnsupportedAlgorithm,
    CriticalHeader,
    UnknownKey,
    WrongIssuer,
    BadSignature,
    Expired,
    NotYetValid,
    WrongType,
    WrongAudience,
    MissingClaim,
    LifetimeTooLong,
    SenderConstrained,
    InsufficientScope,
    ClaimMismatch,
    NoRoute,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    HeadTooLarge,
    Internal,
    NotImplemented,
    UpstreamUnreachable,
    UpstreamFailed,
    KeysUnavailable,
    Overloaded,
    Draining,
    UpstreamTimeout,
}

impl Reason {
    /// All of them, in the order of their index.
    pub const ALL: &'static [Self] = &[];
    /// All names, in the order of their index.
    pub const NAMES: &'static [&'static str] = &[];
    /// Its index: what metrics are kept by.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
    /// The stable `snake_case` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        todo!()
    }
    /// The status it answers with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        todo!()
    }
    /// One sentence for the client: `title` of the problem.
    #[must_use]
    pub const fn title(self) -> &'static str {
        todo!()
    }
}

/// What the log may say of a refusal, and the client may not.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing beyond the reason.
    None,
    /// The target.
    Target(TargetError),
    /// The credentials.
    Credentials(CredentialsError),
    /// A `Connection` option.
    Connection(ConnectionOptionError),
    /// The token.
    Token(TokenError),
    /// The rule that failed.
    Rule(Box<str>),
    /// The scopes that the route wants.
    Scopes(Box<[Box<str>]>),
    /// The methods of the route: `Allow`.
    Allow(Vec<Method>),
    /// What went wrong with the upstream, or inside.
    Fault(Arc<str>),
}

/// A refusal: reason, detail, and nothing of the token.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// What the log adds.
    pub detail: Detail,
}
