//! bcrypt, for hashes of other programs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::hash::{Kind, PasswordHashError};

/// bcrypt has an alphabet of its own. The last character of the salt holds two bits, and of the digest four, that
/// belong to nothing; some programs set them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// A hash of bcrypt. `$2a$`, `$2b$` and `$2y$` name repairs of programs long gone, and are computed alike.
#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    digest: Zeroizing<[u8; 23]>,
}

impl Bcrypt {
    /// Of passwords that bcrypt takes whole.
    const MOST_PASSWORD_BYTES: usize = 72;
    /// 14 takes about a second of one core.
    const COSTS: std::ops::RangeInclusive<u32> = 4..=14;

    /// Parses what follows `$2b$`: `12$`, 22 characters of salt, 31 of digest.
    pub(super) fn parse(rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(Kind::Bcrypt);
        let Some((cost, rest)) = rest.split_once('$') else {
            return Err(malformed);
        };
        let Some((salt, digest)) = rest.split_at_checked(22) else {
            return Err(malformed);
        };
        let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost = cost.parse::<u32>().ok().filter(|_| digits);
        let salt = BASE64.decode(salt).ok().and_then(|s| s.try_into().ok());
        let digest = BASE64.decode(digest).ok().and_then(|d| d.try_into().ok());
        let (Some(cost), Some(salt), Some(digest)) = (cost, salt, digest) else {
            return Err(malformed);
        };
        if !Self::COSTS.contains(&cost) {
            return Err(PasswordHashError::OutOfBounds {
                kind: Kind::Bcrypt,
                what: "a cost outside 4..=14",
            });
        }
        Ok(Self {
            cost,
            salt,
            digest: Zeroizing::new(digest),
        })
    }

    /// Whether this is the hash of `password`.
    ///
    /// bcrypt ends a password at its first NUL and after 72 bytes, so that one hash fits many passwords. Those that
    /// it would cut match nothing here, after the same work.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let whole = password.len() <= Self::MOST_PASSWORD_BYTES && !password.contains(&0);
        let mut key = Zeroizing::new([0; Self::MOST_PASSWORD_BYTES]);
        let length = password.len().min(key.len());
        key[..length].copy_from_slice(&password[..length]);
        // The NUL at the end belongs to the key, unless all 72 bytes are taken.
        let key = &key[..(length + 1).min(Self::MOST_PASSWORD_BYTES)];
        let digest = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key));
        // Every bcrypt drops the last byte.
        let equal = aws_lc_rs::constant_time::verify_slices_are_equal(&digest[..23], &*self.digest);
        equal.is_ok() && whole
    }
}
