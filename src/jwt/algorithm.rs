//! The signature algorithms, and sets of them.

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). `none` is not one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the registered ones")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

/// What kind of key an algorithm needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the registered ones")]
pub enum KeyFamily {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Hmac,
}

impl Algorithm {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The algorithm of that registered name, compared exactly (RFC 7515 §4.1.1). `Ed25519` is `EdDSA` (RFC 9864).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The kind of key it needs.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyFamily::Rsa
            }
            Self::Es256 => KeyFamily::P256,
            Self::Es384 => KeyFamily::P384,
            Self::Es512 => KeyFamily::P521,
            Self::EdDsa => KeyFamily::Ed25519,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyFamily::Hmac,
        }
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// All algorithms of a kind of key.
    #[must_use]
    pub fn of_family(family: KeyFamily) -> Self {
        let of_family = |algorithm: &Algorithm| algorithm.family() == family;
        Algorithm::ALL.into_iter().filter(of_family).collect()
    }

    /// Adds one.
    pub const fn insert(&mut self, algorithm: Algorithm) {
        self.0 |= 1 << algorithm as u16;
    }

    /// Whether it holds `algorithm`.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u16) != 0
    }

    /// What both hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What this one holds and `other` does not.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, in the order of [`Algorithm::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .into_iter()
            .filter(move |algorithm| self.contains(*algorithm))
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(all: I) -> Self {
        let mut set = Self::default();
        for algorithm in all {
            set.insert(algorithm);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), None);
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for name in ["", "none", "None", "RS256 ", "RS1", "ES256K", "Ed448"] {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let rsa = AlgorithmSet::of_family(KeyFamily::Rsa);
        assert_eq!(rsa.iter().count(), 6);
        assert!(!rsa.contains(Algorithm::Hs256));
        let all: AlgorithmSet = Algorithm::ALL.into_iter().collect();
        assert_eq!(all.intersection(rsa), rsa);
        assert!(rsa.difference(all).is_empty());
        assert!(all.iter().eq(Algorithm::ALL));
        assert!(AlgorithmSet::default().is_empty());
    }
}
