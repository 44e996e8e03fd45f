//! The token, looked at once more: what it says beyond the check at which it was refused.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::jwt::{ClaimsSet, CompactJws, Issuer, JoseHeader};

/// What a token says, as far as it can be read. Nothing in it is proven.
pub(super) struct Read {
    pub(super) header: JoseHeader,
    pub(super) claims: ClaimsSet,
}

impl Read {
    /// Reads a token as strictly as the gate does; `None` if that cannot be done.
    pub(super) fn of(token: &[u8]) -> Option<Self> {
        let jws = CompactJws::parse(token).ok()?;
        Some(Self {
            header: JoseHeader::parse(jws.header).ok()?,
            claims: ClaimsSet::parse(jws.payload).ok()?,
        })
    }

    /// The issuer of that name, by index, whether or not the route admits it.
    pub(super) fn issuer(&self, issuers: &[Arc<Issuer>]) -> Option<usize> {
        let iss = self.claims.text("iss")?;
        issuers
            .iter()
            .position(|issuer| *issuer.policy.issuer == *iss)
    }
}

/// What tells tokens apart without being one: the first 8 bytes of the SHA-256 digest, in hexadecimal digits.
pub(super) fn fingerprint(token: &[u8]) -> String {
    let digest = digest(&SHA256, token);
    let mut text = String::with_capacity(16);
    for byte in digest.as_ref().iter().take(8) {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
