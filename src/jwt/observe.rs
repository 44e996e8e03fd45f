//! Who wants to know how a token was judged: each check is told as it passes, in the order in which they are made.

use super::{ClaimsSet, JoseHeader, KeyPlace};

/// A check that a token has passed. What it did not pass is the error of the stage that made it.
#[derive(Clone, Copy, Debug)]
pub enum TokenCheck<'t> {
    /// Three parts.
    Shape,
    /// The JOSE header is strict, and asks for nothing that is not supported.
    Header(&'t JoseHeader),
    /// The payload is a claims set. Nothing in it is proven.
    Payload(&'t ClaimsSet),
    /// `iss` is an issuer that is admitted here: by index.
    Issuer(usize),
    /// Its issuer lists the algorithm.
    Algorithm,
    /// The one key that may have signed it.
    Key(KeyPlace),
    /// The signature is as long as that key makes them.
    SignatureLength,
    /// `exp` and `nbf`.
    ValidityPeriod,
    /// The signature. What is said from here on is what its issuer says.
    Signature,
    /// `typ`, and no claim that only other kinds of token have.
    Type,
    /// The audience.
    Audience,
    /// The claims that must be there.
    Required,
    /// `iat` does not lie in the future.
    IssuedAt,
    /// `exp − iat`.
    Lifetime,
    /// No sender it is bound to.
    Sender,
}

/// Told of each check that passes. The default does nothing and costs nothing.
pub trait TokenObserver {
    /// A check has passed.
    #[inline]
    fn passed(&mut self, _check: TokenCheck<'_>) {}
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl TokenObserver for Unobserved {}
