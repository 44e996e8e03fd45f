//! The two old kinds of htpasswd: Apache's MD5 and its SHA-1.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::hash::{Kind, PasswordHashError};

/// `{SHA}`: SHA-1 in base64. No salt: equal passwords have equal hashes.
#[derive(Clone)]
pub(super) struct Sha(Zeroizing<[u8; 20]>);

impl Sha {
    /// Parses what follows `{SHA}`.
    pub(super) fn parse(rest: &str) -> Result<Self, PasswordHashError> {
        let digest = STANDARD.decode(rest).ok().and_then(|d| d.try_into().ok());
        digest
            .map(|digest| Self(Zeroizing::new(digest)))
            .ok_or(PasswordHashError::Malformed(Kind::Sha))
    }

    /// Whether this is the hash of `password`.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let digest = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, password);
        aws_lc_rs::constant_time::verify_slices_are_equal(digest.as_ref(), &*self.0).is_ok()
    }
}

/// `$apr1$`: a thousand rounds of MD5.
#[derive(Clone)]
pub(super) struct Apr1 {
    salt: Box<[u8]>,
    /// The 22 characters. They are compared as they are, so the six bits that belong to nothing must be zero.
    digest: Zeroizing<[u8; 22]>,
}

impl Apr1 {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const ROUNDS: usize = 1000;

    /// Parses what follows `$apr1$`: a salt of at most 8 characters, `$`, and 22 characters.
    pub(super) fn parse(rest: &str) -> Result<Self, PasswordHashError> {
        let known = |text: &str| text.bytes().all(|byte| Self::ALPHABET.contains(&byte));
        rest.split_once('$')
            .filter(|(salt, digest)| matches!(salt.len(), 1..=8) && known(salt) && known(digest))
            .and_then(|(salt, digest)| {
                Some(Self {
                    salt: salt.as_bytes().into(),
                    digest: Zeroizing::new(digest.as_bytes().try_into().ok()?),
                })
            })
            .ok_or(PasswordHashError::Malformed(Kind::Apr1))
    }

    /// Whether this is the hash of `password`. C's strings end at a NUL: a password that has one matches nothing.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let digest = Zeroizing::new(Self::encode(&Self::digest_of(password, &self.salt)));
        let equal = aws_lc_rs::constant_time::verify_slices_are_equal(&*digest, &*self.digest);
        equal.is_ok() && !password.contains(&0)
    }

    /// The MD5 of Poul-Henning Kamp's crypt(3), with Apache's name in it.
    fn digest_of(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 16]> {
        let inner = Md5::new()
            .chain_update(password)
            .chain_update(salt)
            .chain_update(password)
            .finalize();
        let mut outer = Md5::new()
            .chain_update(password)
            .chain_update(b"$apr1$")
            .chain_update(salt);
        for start in (0..password.len()).step_by(inner.len()) {
            outer.update(&inner[..inner.len().min(password.len() - start)]);
        }
        // One byte for each bit of the length: NUL for a one, and the first of the password for a zero.
        let mut length = password.len();
        while length > 0 {
            let byte = if length & 1 == 1 { 0 } else { password[0] };
            outer.update([byte]);
            length >>= 1;
        }
        let mut digest = Zeroizing::new(<[u8; 16]>::from(outer.finalize()));
        for round in 0..Self::ROUNDS {
            *digest = Self::round(round, password, salt, &digest);
        }
        digest
    }

    fn round(round: usize, password: &[u8], salt: &[u8], last: &[u8; 16]) -> [u8; 16] {
        let (first, second) = if round % 2 == 1 {
            (password, &last[..])
        } else {
            (&last[..], password)
        };
        let mut hash = Md5::new().chain_update(first);
        if !round.is_multiple_of(3) {
            hash.update(salt);
        }
        if !round.is_multiple_of(7) {
            hash.update(password);
        }
        hash.chain_update(second).finalize().into()
    }

    /// crypt(3)'s base64: the lowest bits first, of bytes in an order of its own.
    fn encode(digest: &[u8; 16]) -> [u8; 22] {
        const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
        let mut text = [b'.'; 22];
        let mut characters = text.iter_mut();
        let mut put = |mut bits: u32, count: usize| {
            for character in characters.by_ref().take(count) {
                *character = Self::ALPHABET[usize::from(bits.to_le_bytes()[0] & 0x3f)];
                bits >>= 6;
            }
        };
        for [high, middle, low] in ORDER {
            put(
                u32::from_be_bytes([0, digest[high], digest[middle], digest[low]]),
                4,
            );
        }
        put(u32::from(digest[11]), 2);
        text
    }
}
