//! What a stored hash may look like.

use std::fmt;

use zeroize::Zeroizing;

use super::argon::Argon;
use super::bcrypt::Bcrypt;
use super::htpasswd::{Apr1, Sha};

/// The hash of a password, as text that a database keeps: parsed, so that it can be verified and costs no more than
/// it may.
///
/// | text | kind | limits |
/// |---|---|---|
/// | `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` | the PHC string of argon2id, argon2i, argon2d | [`Cost`](super::Cost) |
/// | `$2b$12$..` | bcrypt, `$2a$`, `$2b$` and `$2y$` | cost 4 to 14 |
/// | `$apr1$salt$..` | Apache's MD5 | - |
/// | `{SHA}..` | Apache's SHA-1, without a salt | - |
///
/// `$2x$` marks hashes of a bcrypt with a known defect, and is refused. `Debug` shows the kind alone: a hash is what
/// an attacker guesses against.
#[derive(Clone)]
pub struct PasswordHash {
    text: Zeroizing<String>,
    pub(super) scheme: Scheme,
}

/// The parts of a hash.
#[derive(Clone)]
pub(super) enum Scheme {
    Argon(Argon),
    Bcrypt(Bcrypt),
    Apr1(Apr1),
    Sha(Sha),
}

/// How a hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// argon2id (RFC 9106), which is what we make ourselves.
    Argon2id,
    /// argon2i.
    Argon2i,
    /// argon2d.
    Argon2d,
    /// bcrypt.
    Bcrypt,
    /// `$apr1$` of htpasswd: a thousand rounds of MD5.
    Apr1,
    /// `{SHA}` of htpasswd: SHA-1 without a salt.
    Sha,
}

/// Why a text is no hash that can be verified. It never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// Of a kind that is not known, or a password in the clear.
    #[error(
        "not a hash of a kind that is known: argon2id, argon2i, argon2d, bcrypt, $apr1$ or {{SHA}}"
    )]
    Unknown,
    /// Of a known kind, and malformed.
    #[error("malformed {} hash", .0.name())]
    Malformed(Kind),
    /// It would cost more than it may, or protects less than anything should.
    #[error("{} hash with {what}", kind.name())]
    OutOfBounds {
        /// Of what kind.
        kind: Kind,
        /// Which parameter.
        what: &'static str,
    },
}

impl PasswordHash {
    /// Longer than every hash that is accepted: 512 bytes.
    const MOST_BYTES: usize = 512;

    /// Parses a hash.
    ///
    /// # Errors
    /// When it is none, or when verifying it would cost more than it may.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > Self::MOST_BYTES {
            return Err(PasswordHashError::Unknown);
        }
        let scheme = Scheme::parse(text)?;
        Ok(Self::of(text.to_owned(), scheme))
    }

    pub(super) fn of(text: String, scheme: Scheme) -> Self {
        Self {
            text: Zeroizing::new(text),
            scheme,
        }
    }

    /// The text that was parsed, for the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it was made.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.scheme {
            Scheme::Argon(argon) => argon.kind(),
            Scheme::Bcrypt(_) => Kind::Bcrypt,
            Scheme::Apr1(_) => Kind::Apr1,
            Scheme::Sha(_) => Kind::Sha,
        }
    }

    /// Whether a new one should take its place once the password is known: it is not argon2id, or a cheaper one than
    /// we make.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        match &self.scheme {
            Scheme::Argon(argon) => argon.is_outdated(),
            Scheme::Bcrypt(_) | Scheme::Apr1(_) | Scheme::Sha(_) => true,
        }
    }
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if let Some(rest) = text.strip_prefix("{SHA}") {
            return Sha::parse(rest).map(Self::Sha);
        }
        let known = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        let Some((name, rest)) = known else {
            return Err(PasswordHashError::Unknown);
        };
        match name {
            "argon2id" => Argon::parse(Kind::Argon2id, rest).map(Self::Argon),
            "argon2i" => Argon::parse(Kind::Argon2i, rest).map(Self::Argon),
            "argon2d" => Argon::parse(Kind::Argon2d, rest).map(Self::Argon),
            "2a" | "2b" | "2y" => Bcrypt::parse(rest).map(Self::Bcrypt),
            "apr1" => Apr1::parse(rest).map(Self::Apr1),
            _ => Err(PasswordHashError::Unknown),
        }
    }
}

impl Kind {
    /// The name that people know.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Argon2d => "argon2d",
            Self::Bcrypt => "bcrypt",
            Self::Apr1 => "apr1",
            Self::Sha => "{SHA}",
        }
    }

    /// Whether whoever steals the hash has the password soon after: MD5 and SHA-1 are computed in billions a second.
    #[must_use]
    pub const fn is_weak(self) -> bool {
        match self {
            Self::Apr1 | Self::Sha => true,
            Self::Argon2id | Self::Argon2i | Self::Argon2d | Self::Bcrypt => false,
        }
    }
}

impl PartialEq for PasswordHash {
    /// The same text, compared in constant time for equal lengths.
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.text.as_bytes(), other.text.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
    }
}

impl Eq for PasswordHash {}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}, redacted)", self.kind().name())
    }
}
