//! Every refusal has one reason, from a closed set.

use std::fmt;

use http::{Method, StatusCode};

use crate::headers::{ConnectionOptionError, CredentialsError, RepeatedCookie, TargetError};
use crate::jwt::TokenError;
use crate::revocation::Revoked;

use super::{PlaceError, RetryAfter};

/// Defines [`Reason`] from one table, so that name, status and sentence cannot drift apart or be forgotten.
macro_rules! reasons {
    ($($variant:ident $name:literal $status:ident $title:literal;)*) => {
        /// Why a request is refused. The names are stable: reply, log, metric and `docs/reasons.md` use them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $title] $variant,)*
        }

        impl Reason {
            /// All of them, in the order of their index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// All names, in the order of their index.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The stable `snake_case` name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The status it answers with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// One sentence for the client: the `title` of the problem (RFC 9457 §3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

reasons! {
    MalformedTarget "malformed_target" BAD_REQUEST "The request target is malformed or ambiguous.";
    AmbiguousPath "ambiguous_path" BAD_REQUEST "The path can be read as that of another route.";
    MalformedHost "malformed_host" BAD_REQUEST "The request must name exactly one host.";
    MalformedField "malformed_field" BAD_REQUEST "A field contradicts the request, or removes what it may not.";
    MalformedCredentials "malformed_credentials" BAD_REQUEST "Credentials must stand once; in Authorization they are a Bearer token.";
    MissingToken "missing_token" UNAUTHORIZED "A Bearer token is required.";
    Malformed "malformed" UNAUTHORIZED "The token is not a well-formed signed JWT.";
    UnsupportedAlgorithm "unsupported_algorithm" UNAUTHORIZED "The token's algorithm is not accepted.";
    CriticalHeader "critical_header" UNAUTHORIZED "The token demands an extension that is not supported.";
    WrongIssuer "wrong_issuer" UNAUTHORIZED "The token's issuer is not accepted here.";
    UnknownKey "unknown_key" UNAUTHORIZED "The token was signed with an unknown key.";
    Expired "expired" UNAUTHORIZED "The token has expired.";
    NotYetValid "not_yet_valid" UNAUTHORIZED "The token is not valid yet.";
    BadSignature "bad_signature" UNAUTHORIZED "The token's signature is wrong.";
    WrongType "wrong_type" UNAUTHORIZED "The token is not an access token.";
    WrongAudience "wrong_audience" UNAUTHORIZED "The token is meant for another audience.";
    MissingClaim "missing_claim" UNAUTHORIZED "The token lacks a required claim.";
    LifetimeTooLong "lifetime_too_long" UNAUTHORIZED "The token lives longer than is accepted.";
    SenderConstrained "sender_constrained" UNAUTHORIZED "The token is bound to a sender and is no Bearer token.";
    Revoked "revoked" UNAUTHORIZED "The token has been revoked.";
    InsufficientScope "insufficient_scope" FORBIDDEN "The token's scopes do not suffice.";
    ClaimMismatch "claim_mismatch" FORBIDDEN "The token's claims do not suffice.";
    CrossOrigin "cross_origin" FORBIDDEN "A cookie alone admits this request only from the pages of its own origin.";
    NoRoute "no_route" NOT_FOUND "Nothing is served here.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The method is not served here.";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The request took too long to arrive.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The request body is too large.";
    TooManyBadTokens "too_many_bad_tokens" TOO_MANY_REQUESTS "Too many tokens with a wrong signature came from here.";
    HeadTooLarge "head_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The head of the request is too large.";
    TokenTooLarge "token_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The token is too large.";
    Internal "internal" INTERNAL_SERVER_ERROR "The gateway failed.";
    NotImplemented "not_implemented" NOT_IMPLEMENTED "The method is not forwarded.";
    UpstreamUnreachable "upstream_unreachable" BAD_GATEWAY "The upstream cannot be reached.";
    UpstreamFailed "upstream_failed" BAD_GATEWAY "The upstream's answer is broken.";
    KeysUnavailable "keys_unavailable" SERVICE_UNAVAILABLE "The issuer's keys are not available.";
    RevocationUnavailable "revocation_unavailable" SERVICE_UNAVAILABLE "Whether the token has been revoked cannot be told.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "The gateway has too much to do.";
    UpstreamTimeout "upstream_timeout" GATEWAY_TIMEOUT "The upstream did not answer in time.";
}

impl Reason {
    /// Its index: what metrics are kept by.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the log may say of a refusal, and the client may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing beyond the reason.
    None,
    /// The target.
    Target(TargetError),
    /// The credentials.
    Credentials(CredentialsError),
    /// The cookie that holds a token.
    Cookie(RepeatedCookie),
    /// The places of the token.
    Place(PlaceError),
    /// A `Connection` option.
    Connection(ConnectionOptionError),
    /// The token.
    Token(TokenError),
    /// The revocation.
    Revoked(Revoked),
    /// The claim rule that failed, by its name in gateway.toml.
    Rule(Box<str>),
    /// The scopes that the route wants: they stand in the challenge too (RFC 6750 §3).
    Scopes(Box<[Box<str>]>),
    /// The methods of the route: `Allow` (RFC 9110 §10.2.1).
    Allow(Vec<Method>),
    /// When a signature is looked at again: `Retry-After` (RFC 9110 §10.2.3).
    RetryAfter(RetryAfter),
    /// What went wrong with the upstream, or inside.
    Fault(Box<str>),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Target(error) => error.fmt(f),
            Self::Credentials(error) => error.fmt(f),
            Self::Cookie(error) => error.fmt(f),
            Self::Place(error) => error.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Token(error) => error.fmt(f),
            Self::Revoked(revoked) => revoked.fmt(f),
            Self::Rule(name) => write!(f, "claim rule {name:?} does not hold"),
            Self::Scopes(scopes) => write!(f, "the route wants scope {:?}", scopes.join(" ")),
            Self::Allow(methods) => {
                f.write_str("the route serves")?;
                methods.iter().try_for_each(|method| write!(f, " {method}"))
            }
            Self::RetryAfter(after) => {
                write!(f, "no signature is checked for {} s", after.seconds())
            }
            Self::Fault(what) => f.write_str(what),
        }
    }
}

/// A refusal: reason, detail, and nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// What the log adds.
    pub detail: Detail,
}

impl Rejection {
    /// A refusal that its reason explains.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: Detail::None,
        }
    }

    /// A fault of the upstream or of ours, told to the log.
    #[must_use]
    pub fn fault(reason: Reason, what: impl fmt::Display) -> Self {
        Self {
            reason,
            detail: Detail::Fault(what.to_string().into()),
        }
    }
}

impl From<Revoked> for Rejection {
    fn from(revoked: Revoked) -> Self {
        Self {
            reason: Reason::Revoked,
            detail: Detail::Revoked(revoked),
        }
    }
}

impl From<RetryAfter> for Rejection {
    fn from(after: RetryAfter) -> Self {
        Self {
            reason: Reason::TooManyBadTokens,
            detail: Detail::RetryAfter(after),
        }
    }
}

impl From<TargetError> for Rejection {
    fn from(error: TargetError) -> Self {
        let reason = match error {
            TargetError::Malformed(_)
            | TargetError::DotSegment
            | TargetError::EncodedSlash
            | TargetError::DoubleSlash => Reason::MalformedTarget,
            TargetError::Host(_) => Reason::MalformedHost,
            TargetError::NotImplemented => Reason::NotImplemented,
        };
        Self {
            reason,
            detail: Detail::Target(error),
        }
    }
}

impl From<CredentialsError> for Rejection {
    fn from(error: CredentialsError) -> Self {
        let reason = match error {
            CredentialsError::Absent => Reason::MissingToken,
            CredentialsError::Repeated | CredentialsError::NotBearer => {
                Reason::MalformedCredentials
            }
        };
        Self {
            reason,
            detail: Detail::Credentials(error),
        }
    }
}

impl From<RepeatedCookie> for Rejection {
    fn from(error: RepeatedCookie) -> Self {
        Self {
            reason: Reason::MalformedCredentials,
            detail: Detail::Cookie(error),
        }
    }
}

impl From<ConnectionOptionError> for Rejection {
    fn from(error: ConnectionOptionError) -> Self {
        Self {
            reason: Reason::MalformedField,
            detail: Detail::Connection(error),
        }
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        let reason = match &error {
            TokenError::Malformed(_) => Reason::Malformed,
            TokenError::TooLong { limit: _ } => Reason::TokenTooLarge,
            TokenError::UnsupportedAlgorithm => Reason::UnsupportedAlgorithm,
            TokenError::CriticalHeader => Reason::CriticalHeader,
            TokenError::WrongIssuer => Reason::WrongIssuer,
            TokenError::UnknownKey => Reason::UnknownKey,
            TokenError::KeysUnavailable => Reason::KeysUnavailable,
            TokenError::BadSignature => Reason::BadSignature,
            TokenError::Expired { expired: _, now: _ } => Reason::Expired,
            TokenError::NotYetValid {
                claim: _,
                from: _,
                now: _,
            } => Reason::NotYetValid,
            TokenError::WrongType(_) => Reason::WrongType,
            TokenError::WrongAudience => Reason::WrongAudience,
            TokenError::MissingClaim(_) => Reason::MissingClaim,
            TokenError::LifetimeTooLong { seconds: _ } => Reason::LifetimeTooLong,
            TokenError::SenderConstrained => Reason::SenderConstrained,
        };
        Self {
            reason,
            detail: Detail::Token(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_leads_to_its_name() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(Reason::NAMES[index], reason.name());
            assert!(
                reason
                    .name()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{reason}"
            );
            assert!(reason.status().as_u16() >= 400, "{reason}");
        }
    }

    #[test]
    fn a_key_outage_never_asks_the_client_to_sign_in_again() {
        assert_eq!(
            Rejection::from(TokenError::KeysUnavailable).reason.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
