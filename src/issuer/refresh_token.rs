//! Refresh tokens: each of a family is made of one secret, so that the store needs none of them.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealed::{SealError, Sealer};

/// What a refresh token begins with: whoever finds one knows what it is, and a scanner of leaked secrets too.
const PREFIX: &str = "prt_";

/// Session, generation, authentication code.
const BYTES: usize = 16 + 4 + 32;

/// What is authenticated begins with this, so that the secret serves nothing else.
const CONTEXT: &[u8] = b"portcullis refresh token 1";

/// A refresh token: the session that it continues, how many there were before it, and the proof that we made it.
///
/// As text it is `prt_` and 70 characters of base64url.
#[derive(Clone, Copy)]
pub struct RefreshToken {
    session: Uuid,
    generation: u32,
    mac: [u8; 32],
}

impl RefreshToken {
    /// Reads a token; `None` for whatever is not the one spelling of one. Whether we made it is not known yet.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; BYTES + 2]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(text.strip_prefix(PREFIX)?, &mut *bytes)
            .ok()?;
        let bytes = bytes[..length].first_chunk::<BYTES>()?;
        if length != BYTES {
            return None;
        }
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, mac) = rest.split_first_chunk::<4>()?;
        Some(Self {
            session: Uuid::from_bytes(*session),
            generation: u32::from_be_bytes(*generation),
            mac: *mac.first_chunk::<32>()?,
        })
    }

    /// The token as the client gets it. For the answer, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*self.bytes()))
    }

    /// The session that it says it continues.
    #[must_use]
    pub fn session(&self) -> Uuid {
        self.session
    }

    /// Its number in the family; the first is 0.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// What the store knows it by. It is a plain SHA-256: there is nothing to guess.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &*self.bytes()).as_ref());
        out
    }

    /// Whether it is one that this family has had, or will have. In constant time.
    #[must_use]
    pub fn is_of(&self, family: &FamilySecret) -> bool {
        let real = family.token(self.session, self.generation);
        constant_time::verify_slices_are_equal(&self.mac, &real.mac).is_ok()
    }

    fn bytes(&self) -> Zeroizing<[u8; BYTES]> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..16].copy_from_slice(self.session.as_bytes());
        bytes[16..20].copy_from_slice(&self.generation.to_be_bytes());
        bytes[20..].copy_from_slice(&self.mac);
        bytes
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("session", &self.session)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// What the refresh tokens of one session are made of: 256 random bits, which the store holds sealed.
#[derive(Clone)]
pub struct FamilySecret(Zeroizing<[u8; 32]>);

impl FamilySecret {
    /// A new one.
    ///
    /// # Errors
    /// `Randomness`
    pub fn random() -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(&mut *secret).map_err(|_| SealError::Randomness)?;
        Ok(Self(secret))
    }

    /// The token of this session with that number.
    #[must_use]
    pub fn token(&self, session: Uuid, generation: u32) -> RefreshToken {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(CONTEXT);
        context.update(session.as_bytes());
        context.update(&generation.to_be_bytes());
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        RefreshToken {
            session,
            generation,
            mac,
        }
    }

    /// As the store holds it for this session.
    ///
    /// # Errors
    /// `Randomness`
    pub fn seal(&self, sealer: &Sealer, session: Uuid) -> Result<Vec<u8>, SealError> {
        sealer.seal(&purpose(session), &*self.0)
    }

    /// What the store holds for this session.
    ///
    /// # Errors
    /// `Format`, `Opened`
    pub fn open(sealer: &Sealer, session: Uuid, stored: &[u8]) -> Result<Self, SealError> {
        let opened = sealer.open(&purpose(session), stored)?;
        let secret = <[u8; 32]>::try_from(&opened[..]).map_err(|_| SealError::Format)?;
        Ok(Self(Zeroizing::new(secret)))
    }
}

impl fmt::Debug for FamilySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilySecret(redacted)")
    }
}

fn purpose(session: Uuid) -> String {
    format!("refresh tokens of {session}")
}

#[cfg(test)]
mod tests;
