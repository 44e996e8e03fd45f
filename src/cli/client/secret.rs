//! The secret of a client: made here, shown once, kept by nobody but the client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::output::{write_err, write_out};

/// 256 random bits as 43 characters. Nobody guesses them, so a digest without salt and passes is all that the store needs.
pub(super) struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn random() -> Result<Self, Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| Failure::Randomness)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }

    /// SHA-256 of the text as the client sends it: what the store keeps.
    pub(super) fn digest(&self) -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }

    /// Writes the secret alone to standard output, so that a script can keep it, and what was done to standard error.
    ///
    /// # Errors
    /// Standard output does not take it: then nobody has it.
    pub(super) fn show(&self, done: &str) -> Result<(), Failure> {
        write_err(format_args!("{done}; its secret, shown this once:"));
        Ok(write_out(format_args!("{}\n", *self.0))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_its_digest_is_of_the_text() {
        let (one, other) = (
            ClientSecret::random().unwrap(),
            ClientSecret::random().unwrap(),
        );
        assert_eq!(one.0.len(), 43);
        assert_eq!(URL_SAFE_NO_PAD.decode(&*one.0).unwrap().len(), 32);
        assert_ne!(*one.0, *other.0);
        let known = ClientSecret(Zeroizing::new("abc".to_owned())).digest();
        // FIPS 180-2, appendix B.1.
        assert_eq!(known[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(known[28..], [0xf2, 0x00, 0x15, 0xad]);
    }
}
