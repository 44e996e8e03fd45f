//! Why a token or a key is refused.

use crate::clock::UnixTime;

/// Why a token is refused. `Display` is for the log: it never holds the token, and claim values only of verified tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWS in compact serialization with JSON inside; says what.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Longer than `token_bytes`.
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// An `alg` that is not known, or that the issuer does not list.
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
    /// `crit` or `b64` in the header.
    #[error("critical header")]
    CriticalHeader,
    /// `iss` is not an issuer of the configuration, or not one that the route admits.
    #[error("issuer not admitted")]
    WrongIssuer,
    /// No key of the issuer fits `kid` and `alg`.
    #[error("no key fits kid and algorithm")]
    UnknownKey,
    /// The issuer has no usable key at all: 503, never 401.
    #[error("the issuer has no usable key")]
    KeysUnavailable,
    /// The signature is not that key's.
    #[error("bad signature")]
    BadSignature,
    /// `exp` has passed.
    #[error("expired at {expired}, {} s ago", now.since(*expired))]
    Expired {
        /// `exp`
        expired: UnixTime,
        /// The time of the check.
        now: UnixTime,
    },
    /// `nbf` or `iat` lies in the future.
    #[error("not valid before {claim} {from}, in {} s", from.since(*now))]
    NotYetValid {
        /// `nbf` or `iat`
        claim: &'static str,
        /// Its value.
        from: UnixTime,
        /// The time of the check.
        now: UnixTime,
    },
    /// `typ` is not one that the issuer's access tokens have, or claims show another kind of token.
    #[error("wrong type: {0}")]
    WrongType(&'static str),
    /// `aud` names none of (or not all of) the audiences.
    #[error("wrong audience")]
    WrongAudience,
    /// A required claim is absent.
    #[error("claim {0:?} is missing")]
    MissingClaim(Box<str>),
    /// `exp − iat` is more than the issuer's `max_lifetime`.
    #[error("lifetime of {seconds} s is too long")]
    LifetimeTooLong {
        /// `exp − iat`
        seconds: i64,
    },
    /// `cnf` binds the token to a sender, which nobody checked.
    #[error("sender-constrained (cnf)")]
    SenderConstrained,
}

/// Why a key is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a key: says what is wrong with it.
    #[error("{0}")]
    Invalid(&'static str),
    /// An RSA key below 2048 bits or above 8192.
    #[error("RSA key of {bits} bits: at least 2048 and at most 8192 are needed")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An HMAC secret shorter than its hash (RFC 7518 §3.2).
    #[error("secret of {bytes} bytes: {needed} are needed for {algorithm}")]
    ShortSecret {
        /// Its length.
        bytes: usize,
        /// The length of the hash.
        needed: usize,
        /// The algorithm's name.
        algorithm: &'static str,
    },
    /// The key's kind, `alg`, `use` or `key_ops` is not for verifying signatures that the issuer lists.
    #[error("not usable here: {0}")]
    NotUsable(&'static str),
    /// A private or a symmetric key in a set that anyone can read: whoever read it can sign.
    #[error("{0}")]
    Exposed(&'static str),
    /// The kid names different keys: neither is used.
    #[error("kid {0:?} names different keys")]
    DuplicateKid(Box<str>),
}

impl KeyError {
    /// Whether the key may be right and is for something else: encryption, an algorithm that the issuer does not list. Providers
    /// publish such keys beside ours.
    #[must_use]
    pub fn is_of_other_use(&self) -> bool {
        match self {
            Self::NotUsable(_) => true,
            Self::Invalid(_)
            | Self::RsaSize { .. }
            | Self::ShortSecret { .. }
            | Self::Exposed(_)
            | Self::DuplicateKid(_) => false,
        }
    }
}
