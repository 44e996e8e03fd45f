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
        Self::ec_point(curve, &[&[0x04], x, y].concat())
            .filter(|_| x.len() == y.len())
            .ok_or(KeyError::Invalid(
                "coordinates do not have the curve's length",
            ))
    }

    /// A key on `curve`, of an uncompressed point. Whether it lies on the curve shows when it is prepared.
    pub(super) fn ec_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let fits = point.len() == 1 + 2 * curve.coordinate_bytes() && point.first() == Some(&0x04);
        fits.then(|| Self::Ec {
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
            _ => Err(KeyError::NotUsable("alg does not fit the kind of key")),
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
/// Coppersmith's Attack", 2017, §4.1). Of the other keys about one in 10⁸ looks alike.
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

/// The y of all points of order 1, 2, 4 and 8, little-endian (RFC 7748 §6.1 and its errata speak of the same points).
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
mod tests {
    use super::*;

    const E: [u8; 3] = [1, 0, 1];

    /// An odd modulus of so many bits.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        modulus
    }

    fn error(result: Result<PublicKey, KeyError>) -> Option<KeyError> {
        result.err()
    }

    #[test]
    fn rsa_keys_have_2048_to_8192_bits() {
        for (bits, fits) in [
            (0, false),
            (1024, false),
            (2047, false),
            (2048, true),
            (2049, true),
            (8192, true),
            (8193, false),
            (16384, false),
        ] {
            let modulus = if bits == 0 { Vec::new() } else { modulus(bits) };
            let expected = (!fits).then_some(KeyError::RsaSize { bits });
            assert_eq!(error(PublicKey::rsa(&modulus, &E)), expected, "{bits}");
            // A leading zero, as some publishers leave it there, counts for nothing.
            let padded = [&[0, 0][..], &modulus].concat();
            assert_eq!(error(PublicKey::rsa(&padded, &E)), expected, "{bits}");
        }
        let key = PublicKey::rsa(&[&[0][..], &modulus(2048)].concat(), &[0, 1, 0, 1]).unwrap();
        assert_eq!(key.signature_bytes(), 256);
        assert_eq!(
            key.thumbprint(),
            PublicKey::rsa(&modulus(2048), &E).unwrap().thumbprint()
        );
    }

    #[test]
    fn rsa_numbers_are_odd_and_the_exponent_is_neither_small_nor_huge() {
        let mut even = modulus(2048);
        even[255] = 0xfe;
        assert!(matches!(
            PublicKey::rsa(&even, &E),
            Err(KeyError::Invalid(_))
        ));
        for (exponent, fits) in [
            (&[][..], false),
            (&[0], false),
            (&[1], false),
            (&[3], false),
            (&[0xff, 0xff], false),
            (&[1, 0, 0], false),
            (&[1, 0, 1], true),
            (&[0xff, 0xff, 0xff, 0xff], true),
            (&[1, 0, 0, 0, 0, 1], false),
        ] {
            let key = PublicKey::rsa(&modulus(2048), exponent);
            let prepared = key.and_then(|key| key.prepare(Algorithm::Rs256));
            assert_eq!(prepared.is_ok(), fits, "{exponent:?}");
        }
    }

    #[test]
    fn points_lie_on_their_curve() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            assert_eq!(Curve::from_name(curve.name()), Some(curve));
            let length = curve.coordinate_bytes();
            let algorithm = match curve {
                Curve::P256 => Algorithm::Es256,
                Curve::P384 => Algorithm::Es384,
                Curve::P521 => Algorithm::Es512,
            };
            let zero = PublicKey::ec(curve, &vec![0; length], &vec![0; length]).unwrap();
            assert_eq!(
                zero.prepare(algorithm).err(),
                Some(KeyError::Invalid("the point is not on the curve"))
            );
            assert!(PublicKey::ec(curve, &vec![1; length - 1], &vec![1; length]).is_err());
            // The right sum of lengths is not enough.
            assert!(PublicKey::ec(curve, &vec![1; length - 1], &vec![1; length + 1]).is_err());
            assert!(PublicKey::ec_point(curve, &vec![2; 1 + length]).is_none());
        }
        assert_eq!(Curve::from_name("p-256"), None);
    }

    #[test]
    fn a_key_serves_its_own_family_only() {
        let key = PublicKey::rsa(&modulus(2048), &E).unwrap();
        for algorithm in Algorithm::ALL {
            let fits = algorithm.family() == KeyFamily::Rsa;
            assert_eq!(key.prepare(algorithm).is_ok(), fits, "{algorithm:?}");
        }
    }

    #[test]
    fn ed25519_keys_are_canonical_and_of_large_order() {
        let mut not_canonical = vec![ED25519_PRIME, [0xff; 32]];
        let mut prime_and_one = ED25519_PRIME;
        prime_and_one[0] += 1;
        not_canonical.push(prime_and_one);
        for point in ED25519_SMALL_ORDER.iter().chain(&not_canonical) {
            for sign in [0, 0x80] {
                let mut point = *point;
                point[31] |= sign;
                assert!(PublicKey::ed25519(&point).is_err(), "{point:?}");
            }
        }
        assert!(PublicKey::ed25519(&[9; 31]).is_err());
        assert!(PublicKey::ed25519(&[9; 33]).is_err());
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // RFC 8037 §A.3
        let x = base64url::decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = PublicKey::ed25519(&x).unwrap();
        assert_eq!(
            base64url::encode(&key.thumbprint()),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        // RFC 7638 §3.1
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let n = base64url::decode(n.as_bytes()).unwrap();
        let key = PublicKey::rsa(&n, &E).unwrap();
        assert_eq!(
            base64url::encode(&key.thumbprint()),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }
}
