//! A token that admitted something which goes on: an upgraded connection, a stream of events.

use std::fmt;
use std::rc::Rc;

use crate::revocation::{RevocationSet, RevocationVersion, Revoked, TokenFacts};
use crate::token_cache::CachedToken;

use super::memory::FoundClean;

/// A token that admitted a request, as a worker remembers it. It keeps no key, and stays when the worker forgets it.
#[derive(Clone)]
pub struct AdmittedToken(pub(super) Rc<CachedToken<FoundClean>>);

impl AdmittedToken {
    /// Whether it is revoked. Looked at is only what was added since it was last found clean.
    #[must_use]
    pub fn is_revoked(&self, revocations: &RevocationSet) -> bool {
        match find_clean(&self.0, revocations) {
            Ok(clean) => {
                self.0.set_note(Some(clean));
                false
            }
            Err(Revoked { .. }) => true,
        }
    }
}

/// Against the revocations that were added since a token was last found clean.
pub(super) fn find_clean(
    held: &CachedToken<FoundClean>,
    revocations: &RevocationSet,
) -> Result<RevocationVersion, Revoked> {
    let token = held.token();
    let facts = TokenFacts {
        issuer: token.iss(),
        kid: token.kid(),
        claims: token.claims(),
    };
    revocations.check(&facts, held.note())
}

impl fmt::Debug for AdmittedToken {
    /// Nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmittedToken")
    }
}
