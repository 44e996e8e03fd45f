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
        let own = sealer(1);
        let made = |sealer| {
            let spare = SpareKey::make(Algorithm::EdDsa, sealer).unwrap();
            row(&spare, Timestamp::UNIX_EPOCH)
        };
        let (good, other, foreign) = (made(&own), made(&own), made(&sealer(2)));
        let resealed = |content: &[u8]| SigningKeyRow {
            sealed: own.seal(&purpose(&good.kid, "EdDSA"), content).unwrap(),
            ..good.clone()
        };
        let another = SigningKey::generate(Algorithm::EdDsa).unwrap().to_pem();
        let opened = || SigningKeyError::Seal(SealError::Opened);
        let rows = [
            (foreign.clone(), opened()),
            (with(&good, |row| row.kid = "k".into()), opened()),
            (with(&good, |row| row.sealed = other.sealed), opened()),
            (with(&good, |row| row.algorithm = "ES256".into()), opened()),
            (
                with(&good, |row| row.algorithm = "XX".into()),
                SigningKeyError::Other,
            ),
            (resealed(another.expose()), SigningKeyError::Other),
        ];
        for (row, expected) in rows {
            assert_eq!(open(&row, &own).unwrap_err(), expected, "{row:?}");
        }
        let error = open(&resealed(b"x"), &own).unwrap_err();
        assert!(matches!(error, SigningKeyError::Key(_)), "{error}");
        // What the row says of the public half is not looked at.
        let row = with(&good, |row| row.public_jwk = foreign.public_jwk);
        let key = open(&row, &own).unwrap();
        assert_eq!(key.public_jwk().unwrap().to_string(), good.public_jwk);
    }

    fn with(row: &SigningKeyRow, change: impl FnOnce(&mut SigningKeyRow)) -> SigningKeyRow {
        let mut row = row.clone();
        change(&mut row);
        row
    }
}
