//! What is known of the local issuer, for those who ask.

use std::sync::Arc;

use super::KeyRing;
use super::hashing::Hashing;
use super::signing::KeyProblem;

/// Shows how the local issuer is. Clones show the same one.
#[derive(Clone)]
pub struct IssuerWatch {
    ring: Arc<KeyRing>,
    hashing: Hashing,
}

/// How the local issuer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIssuerStatus {
    /// The key that signs now, by its `kid`; without one nobody can sign in or refresh.
    pub signing_key: Option<Box<str>>,
    /// What it signs with.
    pub algorithm: Option<&'static str>,
    /// What is wrong with the keys since the last look at them, which is at most half a minute ago.
    pub problem: Option<Arc<KeyProblem>>,
    /// Passwords that are hashed just now, or wait for it.
    pub passwords: usize,
}

impl IssuerWatch {
    pub(super) fn new(ring: Arc<KeyRing>, hashing: Hashing) -> Self {
        Self { ring, hashing }
    }

    /// As of now.
    #[must_use]
    pub fn status(&self) -> LocalIssuerStatus {
        let signer = self.ring.signer();
        LocalIssuerStatus {
            signing_key: signer.as_ref().map(|key| key.kid().into()),
            algorithm: signer.as_ref().map(|key| key.algorithm().name()),
            problem: self.ring.problem(),
            passwords: self.hashing.queued(),
        }
    }
}

impl LocalIssuerStatus {
    /// What is wrong with it, in a few words; `None` if nothing is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let unsigned = || "no key signs".to_owned();
        match (&self.problem, &self.signing_key) {
            (Some(problem), _) => Some(problem.text.clone()),
            (None, None) => Some(unsigned()),
            (None, Some(_)) => None,
        }
    }

    /// Whether that is wrong with this gateway alone, and stays so: another one of the same store can do better.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|problem| problem.is_other_key)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use crate::jwt::{Algorithm, SigningKey};
    use crate::metrics::Metrics;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_whether_a_key_signs_or_not() {
        let ring = Arc::new(KeyRing::new());
        let hashing = Hashing::new(1, 1, Metrics::new(1, &[]));
        let watch = IssuerWatch::new(Arc::clone(&ring), hashing);
        let status = watch.status();
        assert_eq!(status.signing_key, None);
        assert_eq!(status.trouble().as_deref(), Some("no key signs"));
        assert!(!status.is_hopeless());

        let key = Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap());
        ring.put(Some(Arc::clone(&key)), Bytes::new(), Instant::now());
        let status = watch.status();
        assert_eq!(status.signing_key.as_deref(), Some(key.kid()));
        assert_eq!(status.algorithm, Some("EdDSA"));
        assert_eq!((status.trouble(), status.passwords), (None, 0));

        for is_other_key in [false, true] {
            let text = "so it is".to_owned();
            ring.set_problem(Some(KeyProblem { text, is_other_key }));
            let status = watch.status();
            assert_eq!(status.trouble().as_deref(), Some("so it is"));
            assert_eq!(status.is_hopeless(), is_other_key);
        }
    }
}
