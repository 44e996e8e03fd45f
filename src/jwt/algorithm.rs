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
    /// The algorithm of that registered name, compared exactly (RFC 7515 §4.1.1). `Ed25519` is `EdDSA` (RFC 9864).
    #[must_use]
    pub fn from_name(_name: &str) -> Option<Self> {
        todo!("jwt helper")
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        todo!()
    }

    /// The kind of key it needs.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        todo!()
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
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
    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        let _ = self;
        todo!() as std::vec::IntoIter<Algorithm>
    }
}
impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(all: I) -> Self {
        let mut set = Self::default();
        for a in all {
            set.insert(a);
        }
        set
    }
}
