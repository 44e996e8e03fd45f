//! Public keys as numbers: what makes one fit to verify, its thumbprint, and its prepared form.
//!
//! Every way in (JWK, PEM, certificate, a key made here) ends in these constructors, so there is one place that judges.

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};

use super::{Algorithm, KeyError, KeyFamily, base64url};

/// Bits of an RSA modulus that serve: below is too weak (RFC 7518 §3.3), above costs too much per check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Bytes of the longest signature: that of the largest RSA key.
pub(super) const MAX_SIGNATURE_BYTES: usize = *RSA_BITS.end() / 8;

/// The smallest RSA exponent: 2¹⁶ + 1 (FIPS 186-5 §A.1.1). The smaller ones forgive no mistake in a signer's padding.
const RSA_MIN_EXPONENT: u64 = 65_537;

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// A public key that is fit to verify.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Both numbers big-endian, without leading zeros.
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    /// An uncompressed point (SEC 1 §2.3.3), coordinates of full length.
    Ec { curve: Curve, point: Box<[u8]> },
    /// The encoded point (RFC 8032 §5.1.2).
    Ed25519([u8; 32]),
}

/// A curve of ECDSA (RFC 7518 §6.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The curve of that registered name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|curve| curve.name() == name)
    }

    /// The registered name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate; a signature has two of that length.
    const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn family(self) -> KeyFamily {
        match self {
            Self::P256 => KeyFamily::P256,
            Self::P384 => KeyFamily::P384,
            Self::P521 => KeyFamily::P521,
        }
    }
}

impl PublicKey {
    /// An RSA key of big-endian numbers; leading zeros are dropped, since some publishers leave a sign byte there.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = (strip_zeros(modulus), strip_zeros(exponent));
        let first = modulus.first().copied().unwrap_or_default();
        let bits = (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::Invalid("RSA modulus is even"));
        }
        if exponent.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::Invalid("RSA exponent is even"));
        }
        // A long one makes each check slow; the library takes 33 bits.
        if exponent.len() > 5 {
            return Err(KeyError::Invalid("RSA exponent is too large"));
        }
        let value = exponent
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        if value < RSA_MIN_EXPONENT {
            return Err(KeyError::Invalid("RSA exponent is below 65537"));
        }
        if is_roca(modulus) {
            return Err(KeyError::Invalid(
                "RSA key of a broken generator (ROCA, CVE-2017-15361)",
            ));
        }
        Ok(Self::Rsa {
            modulus: modulus.into(),
            exponent: exponent.into(),
        })
    }

    /// A key on `curve`, of coordinates of full length (RFC 7518 §6.2.1.2).
    pub(super) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let length = curve.coordinate_bytes();
        if x.len() != length || y.len() != length {
            return Err(KeyError::Invalid(
                "coordinates do not have the curve's length",
            ));
        }
        Self::ec_point(curve, &[&[UNCOMPRESSED], x, y].concat())
    }

    /// A key on `curve`, of an uncompressed point. Whether it lies on the curve shows when it is prepared.
    pub(super) fn ec_point(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != 1 + 2 * curve.coordinate_bytes() || point[0] != UNCOMPRESSED {
            return Err(KeyError::Invalid("not an uncompressed point of its curve"));
        }
        Ok(Self::Ec {
            curve,
            point: point.into(),
        })
    }

    /// An Ed25519 key: canonical, and not of small order (with such a key one signature fits many messages).
    pub(super) fn ed25519(point: &[u8]) -> Result<Self, KeyError> {
        let key: [u8; 32] = point
            .try_into()
            .map_err(|_| KeyError::Invalid("an Ed25519 key has 32 bytes"))?;
        let mut y = key;
        // The top bit is the sign of x.
        y[31] &= 0x7f;
        if !y.iter().rev().lt(ED25519_PRIME.iter().rev()) {
            return Err(KeyError::Invalid("not a canonical Ed25519 key"));
        }
        if ED25519_SMALL_ORDER.contains(&y) {
            return Err(KeyError::Invalid("an Ed25519 key of small order"));
        }
        Ok(Self::Ed25519(key))
    }

    /// What kind of algorithms it serves.
    pub(super) const fn family(&self) -> KeyFamily {
        match self {
            Self::Rsa { .. } => KeyFamily::Rsa,
            Self::Ec { curve, point: _ } => curve.family(),
            Self::Ed25519(_) => KeyFamily::Ed25519,
        }
    }

    /// Bytes of each signature that it can verify.
    pub(super) fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => modulus.len(),
            Self::Ec { curve, point: _ } => 2 * curve.coordinate_bytes(),
            Self::Ed25519(_) => 64,
        }
    }

    /// The required members of its JWK (RFC 7638 §3.2), in the order of their names.
    pub(super) fn jwk_members(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rsa { modulus, exponent } => vec![
                ("e", base64url::encode(exponent)),
                ("kty", "RSA".to_owned()),
                ("n", base64url::encode(modulus)),
            ],
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.coordinate_bytes());
                vec![
                    ("crv", curve.name().to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", base64url::encode(x)),
                    ("y", base64url::encode(y)),
                ]
            }
            Self::Ed25519(point) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url::encode(point)),
            ],
        }
    }

    /// The RFC 7638 thumbprint, SHA-256.
    pub(super) fn thumbprint(&self) -> [u8; 32] {
        // No value here needs escaping: they are base64url and registered names.
        let members: Vec<String> = self
            .jwk_members()
            .iter()
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        sha256(text.as_bytes())
    }

    /// The key prepared for one algorithm of its family.
    pub(super) fn prepare(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        let rejected = |_| KeyError::Invalid("the crypto library refuses the key");
        match (self, scheme(algorithm)) {
            (Self::Rsa { modulus, exponent }, Scheme::Rsa(parameters)) => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .to_parsed_public_key(parameters)
            .map_err(rejected),
            (Self::Ec { curve, point }, Scheme::Ec(of_scheme, verification))
                if *curve == of_scheme =>
            {
                ParsedPublicKey::new(verification, point)
                    .map_err(|_| KeyError::Invalid("the point is not on the curve"))
            }
            (Self::Ed25519(point), Scheme::Ed25519) => {
                ParsedPublicKey::new(&signature::ED25519, point).map_err(rejected)
            }
            (
                Self::Rsa { .. } | Self::Ec { .. } | Self::Ed25519(_),
                Scheme::Rsa(_) | Scheme::Ec(..) | Scheme::Ed25519 | Scheme::Hmac(_),
            ) => Err(KeyError::NotUsable("alg does not fit the kind of key")),
        }
    }
}

/// How an algorithm is checked.
pub(super) enum Scheme {
    /// RSA with these parameters.
    Rsa(&'static RsaParameters),
    /// ECDSA on this curve, signatures of fixed length (RFC 7518 §3.4).
    Ec(Curve, &'static signature::EcdsaVerificationAlgorithm),
    /// RFC 8037 §3.1
    Ed25519,
    /// HMAC with this hash.
    Hmac(hmac::Algorithm),
}

/// The scheme of each algorithm: the one place where names meet primitives.
pub(super) fn scheme(algorithm: Algorithm) -> Scheme {
    match algorithm {
        Algorithm::Rs256 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => Scheme::Ec(Curve::P256, &signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Scheme::Ec(Curve::P384, &signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => Scheme::Ec(Curve::P521, &signature::ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa => Scheme::Ed25519,
        Algorithm::Hs256 => Scheme::Hmac(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Scheme::Hmac(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Scheme::Hmac(hmac::HMAC_SHA512),
    }
}

/// Whether a modulus was made by the library of CVE-2017-15361, whose keys can be factored.
///
/// Its primes are powers of 65537 modulo each of the first small primes, so its moduli are too ("The Return of
/// Coppersmith's Attack", 2017, §4.1). Of the other keys about one in 2·10⁸ looks alike.
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let residue = modulus
            .iter()
            .fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime));
        // The powers repeat after fewer steps than the prime.
        powers.take(*prime as usize).any(|power| power == residue)
    })
}

/// SHA-256 of `bytes`.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0);
    &number[start.unwrap_or(number.len())..]
}

/// 2²⁵⁵ − 19, little-endian: a canonical y is smaller.
const ED25519_PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The y of all points of order 1, 2, 4 and 8, little-endian.
const ED25519_SMALL_ORDER: [[u8; 32]; 5] = [
    // Order 4.
    [0; 32],
    // Order 1.
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    // Order 2: the prime less one.
    {
        let mut minus_one = ED25519_PRIME;
        minus_one[0] -= 1;
        minus_one
    },
    // Order 8, twice.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests;
