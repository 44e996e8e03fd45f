//! Whether a password is the one, and the hash of a new one.

use super::argon::{Argon, Cost};
use super::hash::{PasswordHash, Scheme};
use super::password::Password;

/// What verifying found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password; and its hash should be replaced by a new one, now that the password is known.
    RightButOutdated,
}

/// The memory for one hashing is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory to hash a password")]
pub struct Exhausted;

/// Hashes a password with argon2id. The salt must be random: 16 bytes that were never used before.
///
/// # Errors
/// Without the memory that `cost` asks for.
pub fn hash(password: &Password, cost: Cost, salt: [u8; 16]) -> Result<PasswordHash, Exhausted> {
    let argon = Argon::new(password.bytes(), cost, salt)?;
    Ok(PasswordHash::of(argon.to_phc(), Scheme::Argon(argon)))
}

/// Whether `hash` is the one of `password`. Digests are compared in constant time.
///
/// # Errors
/// Without the memory that the hash asks for, at most 256 MiB.
pub fn verify(hash: &PasswordHash, password: &Password) -> Result<Verdict, Exhausted> {
    let password = password.bytes();
    let matches = match &hash.scheme {
        Scheme::Argon(argon) => argon.matches(password)?,
        Scheme::Bcrypt(bcrypt) => bcrypt.matches(password),
        Scheme::Apr1(apr1) => apr1.matches(password),
        Scheme::Sha(sha) => sha.matches(password),
    };
    Ok(match (matches, hash.is_outdated()) {
        (false, _) => Verdict::Wrong,
        (true, false) => Verdict::Right,
        (true, true) => Verdict::RightButOutdated,
    })
}

/// Does the work of one [`verify`] at [`Cost::DEFAULT`], for a user who is not there: the time of an answer must not
/// tell who is.
///
/// # Errors
/// As [`verify`].
pub fn dummy(password: &Password) -> Result<Verdict, Exhausted> {
    let _work = Argon::new(password.bytes(), Cost::DEFAULT, [0; 16])?;
    Ok(Verdict::Wrong)
}

#[cfg(test)]
mod tests;
