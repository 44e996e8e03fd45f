//! A password, as it was typed.

use crate::secret::Secret;

/// A password: 1 to 1024 bytes, which is what bounds the work on one that a stranger sent.
///
/// The bytes are those that were typed: nothing is trimmed, and no Unicode form is changed, since the programs that
/// made imported hashes did neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password(Secret);

/// Why something cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// No bytes.
    #[error("a password cannot be empty")]
    Empty,
    /// More than [`Password::MOST_BYTES`].
    #[error("a password has at most {} bytes", Password::MOST_BYTES)]
    TooLong,
}

impl Password {
    /// Long enough for every passphrase, and short enough that hashing it costs no more than the hash itself.
    pub const MOST_BYTES: usize = 1024;

    /// Takes the bytes over.
    ///
    /// # Errors
    /// When they are none, or too many.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PasswordError> {
        let secret = Secret::new(bytes);
        if secret.is_empty() {
            return Err(PasswordError::Empty);
        }
        if secret.len() > Self::MOST_BYTES {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(secret))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_to_1024() {
        let made = |length: usize| Password::new(vec![b'a'; length]).map(|_| ());
        assert_eq!(made(0), Err(PasswordError::Empty));
        assert_eq!(made(1), Ok(()));
        assert_eq!(made(1024), Ok(()));
        assert_eq!(made(1025), Err(PasswordError::TooLong));
    }

    #[test]
    fn it_cannot_print_itself() {
        let password = Password::new(b"hunter2".to_vec()).unwrap();
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
