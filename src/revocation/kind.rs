//! What can be revoked.

use crate::clock::UnixTime;

/// What a revocation is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RevocationKind {
    /// One token: `jti`.
    Jti,
    /// One session: `sid`.
    Sid,
    /// One subject: `sub`.
    Sub,
    /// One client: `client_id`, `azp` and their like.
    Client,
    /// One key of the issuer: `kid`.
    Kid,
    /// Every token of the issuer.
    All,
}

impl RevocationKind {
    /// Every kind, from the narrowest.
    pub const ALL: [Self; KINDS] = [
        Self::Jti,
        Self::Sid,
        Self::Sub,
        Self::Client,
        Self::Kid,
        Self::All,
    ];

    /// Its name on the command line, in the API and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Sid => "sid",
            Self::Sub => "sub",
            Self::Client => "client",
            Self::Kid => "kid",
            Self::All => "all",
        }
    }

    /// The kind of that name, exactly as [`Self::name`] writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its place in [`Self::ALL`], and its byte in a digest.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Jti => 0,
            Self::Sid => 1,
            Self::Sub => 2,
            Self::Client => 3,
            Self::Kid => 4,
            Self::All => 5,
        }
    }
}

/// How many kinds there are.
pub(super) const KINDS: usize = 6;

/// What is revoked: a kind with its value.
///
/// `all` has none, so that there is no value with which it would match nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RevocationTarget<'a> {
    /// The token with this `jti`.
    Jti(&'a str),
    /// The tokens of the session with this `sid`.
    Sid(&'a str),
    /// The tokens of this `sub`.
    Sub(&'a str),
    /// The tokens of this client.
    Client(&'a str),
    /// The tokens signed with the key of this `kid`.
    Kid(&'a str),
    /// All tokens.
    All,
}

impl<'a> RevocationTarget<'a> {
    /// From a row of a store; `all` takes no notice of the value.
    #[must_use]
    pub const fn new(kind: RevocationKind, value: &'a str) -> Self {
        match kind {
            RevocationKind::Jti => Self::Jti(value),
            RevocationKind::Sid => Self::Sid(value),
            RevocationKind::Sub => Self::Sub(value),
            RevocationKind::Client => Self::Client(value),
            RevocationKind::Kid => Self::Kid(value),
            RevocationKind::All => Self::All,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> RevocationKind {
        match self {
            Self::Jti(_) => RevocationKind::Jti,
            Self::Sid(_) => RevocationKind::Sid,
            Self::Sub(_) => RevocationKind::Sub,
            Self::Client(_) => RevocationKind::Client,
            Self::Kid(_) => RevocationKind::Kid,
            Self::All => RevocationKind::All,
        }
    }

    /// Its value; empty for `all`.
    #[must_use]
    pub const fn value(self) -> &'a str {
        match self {
            Self::Jti(value)
            | Self::Sid(value)
            | Self::Sub(value)
            | Self::Client(value)
            | Self::Kid(value) => value,
            Self::All => "",
        }
    }
}

/// A revocation: which tokens of which issuer, and for how long it has to be remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Revocation<'a> {
    /// The `iss` of the tokens: another issuer's `sub` of the same name is someone else.
    pub issuer: &'a str,
    /// Which of them.
    pub target: RevocationTarget<'a>,
    /// Refuses only tokens whose `iat` is this moment or earlier; one without `iat` counts as issued at 0. `None` refuses
    /// whatever matches. Before 1970 counts as 1970; from 2106 on, where 32 bits end, it counts as `None`.
    pub before: Option<UnixTime>,
    /// From this moment on it may be forgotten, because no token that it refuses is valid any more: `exp`, or the longest
    /// life of a token, and the leeway. `None` keeps it until it is removed, and so does a moment from 2106 on.
    pub until: Option<UnixTime>,
}
