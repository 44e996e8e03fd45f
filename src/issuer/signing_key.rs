//! Signing keys on their way into the store and out of it.

use uuid::Uuid;

use crate::jwt::{Algorithm, KeyError, SigningKey};
use crate::store::{KeyTimes, NewSigningKey, SigningKeyRow};

use super::sealed::{SealError, Sealer};

/// Why a signing key cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be sealed, or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was sealed is no such key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It signs with an algorithm that this program does not know, or is not the key that the row says.
    #[error("it is not the key that the store says it is")]
    Other,
}

/// A key that was made and not yet added to the store. Its private half is in no memory any more: it is there sealed.
#[derive(Clone)]
pub(super) struct SpareKey {
    algorithm: Algorithm,
    kid: Box<str>,
    public_jwk: String,
    sealed: Vec<u8>,
}

impl SpareKey {
    /// Makes a key. For RSA this takes a good part of a second: not for the workers of a runtime.
    pub(super) fn make(algorithm: Algorithm, sealer: &Sealer) -> Result<Self, SigningKeyError> {
        let key = SigningKey::generate(algorithm)?;
        let jwk = key.public_jwk().ok_or(SigningKeyError::Other)?;
        let purpose = purpose(key.kid(), algorithm.name());
        Ok(Self {
            algorithm,
            kid: key.kid().into(),
            public_jwk: jwk.to_string(),
            sealed: sealer.seal(&purpose, key.to_pem().expose())?,
        })
    }

    /// What it signs with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// For the store, with these times.
    pub(super) fn with_times(&self, times: KeyTimes) -> NewSigningKey {
        NewSigningKey {
            id: Uuid::now_v7(),
            kid: self.kid.clone(),
            algorithm: self.algorithm.name().into(),
            public_jwk: self.public_jwk.clone(),
            sealed: self.sealed.clone(),
            times,
        }
    }
}

/// The key of a row. What it is, is taken from what was sealed and from nothing else: whoever can write the store, but has
/// not its encryption key, can add no key of theirs, and put none under the name of another.
pub(super) fn open(row: &SigningKeyRow, sealer: &Sealer) -> Result<SigningKey, SigningKeyError> {
    let algorithm = Algorithm::from_name(&row.algorithm).ok_or(SigningKeyError::Other)?;
    let pem = sealer.open(&purpose(&row.kid, &row.algorithm), &row.sealed)?;
    let key = SigningKey::from_pem(&pem, algorithm)?;
    if key.kid() != &*row.kid {
        return Err(SigningKeyError::Other);
    }
    Ok(key)
}

fn purpose(kid: &str, algorithm: &str) -> String {
    format!("signing key {kid} {algorithm}")
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use crate::secret::Secret;

    use super::*;

    pub(in crate::issuer) fn sealer(byte: u8) -> Sealer {
        Sealer::new(&Secret::new(vec![byte; 32])).unwrap()
    }

    pub(in crate::issuer) fn row(spare: &SpareKey, use_from: Timestamp) -> SigningKeyRow {
        let times = KeyTimes {
            published: use_from,
            use_from,
            retire_at: use_from,
            gone_at: use_from,
        };
        let new = spare.with_times(times);
        SigningKeyRow {
            id: new.id,
            kid: new.kid,
            algorithm: new.algorithm,
            public_jwk: new.public_jwk,
            sealed: new.sealed,
            created: use_from,
            times,
        }
    }

    #[test]
    fn a_key_comes_back_from_the_store() {
        let sealer = sealer(1);
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let spare = SpareKey::make(algorithm, &sealer).unwrap();
            let row = row(&spare, Timestamp::UNIX_EPOCH);
            let key = open(&row, &sealer).unwrap();
            assert_eq!((key.kid(), key.algorithm()), (&*row.kid, algorithm));
            assert_eq!(key.public_jwk().unwrap().to_string(), row.public_jwk);
            let stored = format!("{}{}", row.public_jwk, String::from_utf8_lossy(&row.sealed));
            assert!(!stored.contains("PRIVATE"), "the private half is sealed");
            assert!(!row.public_jwk.contains("\"d\""), "{}", row.public_jwk);
        }
    }

    #[test]
    fn a_row_that_someone_has_changed_gives_no_key() {
        let sealed_with = sealer(1);
        let spare = SpareKey::make(Algorithm::EdDsa, &sealed_with).unwrap();
        let good = row(&spare, Timestamp::UNIX_EPOCH);
        assert!(open(&good, &sealed_with).is_ok());
        let foreign = SpareKey::make(Algorithm::EdDsa, &sealer(2)).unwrap();
        let foreign = row(&foreign, Timestamp::UNIX_EPOCH);
        let other = SpareKey::make(Algorithm::EdDsa, &sealed_with).unwrap();
        let other = row(&other, Timestamp::UNIX_EPOCH);
        let seal = |content: &[u8]| {
            let purpose = purpose(&good.kid, &good.algorithm);
            sealed_with.seal(&purpose, content).unwrap()
        };
        let opened = SigningKeyError::Seal(SealError::Opened);
        type Change<'a> = Box<dyn Fn(&mut SigningKeyRow) + 'a>;
        let changes: [(&str, Change<'_>, Option<SigningKeyError>); 7] = [
            (
                "foreign",
                Box::new(|row| *row = foreign.clone()),
                Some(opened.clone()),
            ),
            (
                "kid",
                Box::new(|row| row.kid = "k".into()),
                Some(opened.clone()),
            ),
            (
                "sealed",
                Box::new(|row| row.sealed.clone_from(&other.sealed)),
                Some(opened.clone()),
            ),
            (
                "ES256",
                Box::new(|row| row.algorithm = "ES256".into()),
                Some(opened),
            ),
            (
                "XX",
                Box::new(|row| row.algorithm = "XX".into()),
                Some(SigningKeyError::Other),
            ),
            ("no key", Box::new(|row| row.sealed = seal(b"x")), None),
            (
                "another key",
                Box::new(|row| {
                    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
                    row.sealed = seal(key.to_pem().expose());
                }),
                Some(SigningKeyError::Other),
            ),
        ];
        for (what, change, expected) in changes {
            let mut row = good.clone();
            change(&mut row);
            let error = open(&row, &sealed_with).unwrap_err();
            if let Some(expected) = expected {
                assert_eq!(error, expected, "{what}");
            }
        }
        // What the row says of the public half is not looked at.
        let mut row = good.clone();
        row.public_jwk = foreign.public_jwk;
        let key = open(&row, &sealed_with).unwrap();
        assert_eq!(key.public_jwk().unwrap().to_string(), good.public_jwk);
    }
}
