//! argon2 (RFC 9106) and its PHC strings.

use std::fmt::Write as _;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::hash::{Kind, PasswordHashError};
use super::verify::Exhausted;

/// PHC strings use the standard alphabet, never padded.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD);

/// What one argon2 costs.
///
/// Stored hashes may cost up to 256 MiB, 10 passes and 8 lanes: whoever can write one into the store, or has it
/// imported, must not be able to stop the gateway with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What new hashes cost: 19 MiB, two passes, one lane (the OWASP password storage cheat sheet's first choice).
    pub const DEFAULT: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    const MOST: Self = Self {
        memory_kib: 256 * 1024,
        passes: 10,
        lanes: 8,
    };

    /// A cost within the limits.
    ///
    /// # Errors
    /// Which number is out of them.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, &'static str> {
        if lanes == 0 || lanes > Self::MOST.lanes {
            return Err("p outside 1..=8");
        }
        if passes == 0 || passes > Self::MOST.passes {
            return Err("t outside 1..=10");
        }
        // RFC 9106 §3.1: at least eight blocks for each lane.
        if memory_kib < 8 * lanes || memory_kib > Self::MOST.memory_kib {
            return Err("m outside 8p..=262144 KiB");
        }
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// Memory that one hashing takes, in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Whether an attacker's guess costs less than with [`Cost::DEFAULT`]: in memory filled, or in memory held.
    const fn is_cheap(self) -> bool {
        let filled = self.memory_kib.saturating_mul(self.passes);
        let wanted = Self::DEFAULT.memory_kib * Self::DEFAULT.passes;
        self.memory_kib < Self::DEFAULT.memory_kib || filled < wanted
    }
}

/// A hash of argon2.
#[derive(Clone)]
pub(super) struct Argon {
    kind: Kind,
    version: Version,
    cost: Cost,
    salt: Box<[u8]>,
    digest: Zeroizing<Vec<u8>>,
}

impl Argon {
    /// Of the salts that are accepted: 8 bytes are the least that argon2 takes.
    const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
    /// Of the digests that are accepted: fewer than 16 bytes could be met by another password.
    const DIGEST_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
    /// Of what we make.
    const OWN_DIGEST_BYTES: usize = 32;

    /// Hashes a password.
    pub(super) fn new(password: &[u8], cost: Cost, salt: [u8; 16]) -> Result<Self, Exhausted> {
        let mut argon = Self {
            kind: Kind::Argon2id,
            version: Version::V0x13,
            cost,
            salt: salt.into(),
            digest: Zeroizing::new(vec![0; Self::OWN_DIGEST_BYTES]),
        };
        argon.digest = argon.digest_of(password)?;
        Ok(argon)
    }

    /// The PHC string.
    pub(super) fn to_phc(&self) -> String {
        let version = u32::from(self.version);
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let mut text = format!(
            "${}$v={version}$m={memory_kib},t={passes},p={lanes}$",
            self.kind.name()
        );
        let salt = BASE64.encode(&self.salt);
        let _ = write!(text, "{salt}${}", BASE64.encode(&*self.digest));
        text
    }

    /// Parses what follows `$argon2id$`: `v=19$m=19456,t=2,p=1$salt$digest`, where `v=16` may be left out.
    pub(super) fn parse(kind: Kind, rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = || PasswordHashError::Malformed(kind);
        let (version, rest) = match rest.strip_prefix("v=") {
            Some(rest) => rest.split_once('$').ok_or_else(malformed)?,
            None => ("16", rest),
        };
        let version = match version {
            "19" => Version::V0x13,
            "16" => Version::V0x10,
            _ => return Err(malformed()),
        };
        let parts: Vec<&str> = rest.splitn(4, '$').collect();
        let [parameters, salt, digest] = parts[..] else {
            return Err(malformed());
        };
        let cost = Self::parse_cost(kind, parameters)?;
        let decode = |text: &str| BASE64.decode(text).map_err(|_| malformed());
        let (salt, digest) = (decode(salt)?, Zeroizing::new(decode(digest)?));
        let out = |what| PasswordHashError::OutOfBounds { kind, what };
        if !Self::SALT_BYTES.contains(&salt.len()) {
            return Err(out("a salt outside 8..=64 bytes"));
        }
        if !Self::DIGEST_BYTES.contains(&digest.len()) {
            return Err(out("a digest outside 16..=64 bytes"));
        }
        Ok(Self {
            kind,
            version,
            cost,
            salt: salt.into(),
            digest,
        })
    }

    /// `m=19456,t=2,p=1`, in that order, as the PHC format has it. `keyid` and `data` stand for keys we do not have.
    fn parse_cost(kind: Kind, text: &str) -> Result<Cost, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(kind);
        let mut parameters = text.splitn(4, ',');
        let mut next = |name: &str| {
            let value = parameters.next()?.strip_prefix(name)?;
            // `parse` would take a sign, and a number with zeros before it is written in two ways.
            let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
            // A number that no `u32` holds is only too large, which is said below.
            (plain && !value.is_empty()).then(|| value.parse().unwrap_or(u32::MAX))
        };
        let (Some(memory), Some(passes), Some(lanes)) = (next("m="), next("t="), next("p=")) else {
            return Err(malformed);
        };
        if parameters.next().is_some() {
            return Err(malformed);
        }
        Cost::new(memory, passes, lanes)
            .map_err(|what| PasswordHashError::OutOfBounds { kind, what })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a new hash would be better than this one. One that costs more is kept: it is never made weaker.
    pub(super) fn is_outdated(&self) -> bool {
        self.kind != Kind::Argon2id
            || self.version != Version::V0x13
            || self.cost.is_cheap()
            || self.salt.len() < 16
    }

    /// Whether this is the hash of `password`.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Exhausted> {
        let digest = self.digest_of(password)?;
        Ok(aws_lc_rs::constant_time::verify_slices_are_equal(&digest, &self.digest).is_ok())
    }

    fn digest_of(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Exhausted> {
        let algorithm = match self.kind {
            Kind::Argon2i => Algorithm::Argon2i,
            Kind::Argon2d => Algorithm::Argon2d,
            Kind::Argon2id | Kind::Bcrypt | Kind::Apr1 | Kind::Sha => Algorithm::Argon2id,
        };
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        // With parameters within these limits, memory is all that can be missing.
        let params =
            Params::new(memory_kib, passes, lanes, Some(digest.len())).map_err(|_| Exhausted)?;
        Argon2::new(algorithm, self.version, params)
            .hash_password_into(password, &self.salt, &mut digest)
            .map_err(|_| Exhausted)?;
        Ok(digest)
    }
}
