//! What is refused although it was issued.

use super::StoreError;
use super::rows::from_row;

/// Every kind, as the store has it.
const KINDS: [&str; 6] = ["jti", "sid", "sub", "client", "kid", "all"];

/// Most bytes of an issuer, and of a value: an index has both.
const MAX_TEXT: usize = 1024;

/// Something to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// `iss` of the tokens; at most 1024 bytes.
    pub issuer: Box<str>,
    /// `jti`, `sid`, `sub`, `client`, `kid` or `all`.
    pub kind: &'static str,
    /// What the tokens have there, at most 1024 bytes; empty for `all`.
    pub value: Box<str>,
    /// Those that were issued in this second or before, since 1970; else all of them.
    pub before: Option<i64>,
    /// The second until which it is kept; else until it is removed.
    pub until: Option<i64>,
}

/// A revocation as the store has it. Several of the same target stand beside each other: a token is refused when one of
/// them refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRevocation {
    /// Grows with each change, in the order of the commits: who has seen one will see no smaller one. There are gaps.
    pub number: i64,
    /// `iss` of the tokens.
    pub issuer: Box<str>,
    /// As [`NewRevocation::kind`]; a newer program may have written others.
    pub kind: Box<str>,
    /// As [`NewRevocation::value`].
    pub value: Box<str>,
    /// As [`NewRevocation::before`].
    pub before: Option<i64>,
    /// As [`NewRevocation::until`].
    pub until: Option<i64>,
    /// It takes back all of this target that have smaller numbers.
    pub removed: bool,
}

/// A row to be written, checked.
pub(super) struct Put<'a> {
    pub(super) issuer: &'a str,
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
    pub(super) before: Option<i64>,
    pub(super) until: Option<i64>,
}

/// A row of `revocations`.
pub(super) struct RevocationRow {
    number: i64,
    issuer: String,
    kind: String,
    value: String,
    issued_until: Option<i64>,
    kept_until: Option<i64>,
    removed: bool,
}

from_row!(RevocationRow {
    number,
    issuer,
    kind,
    value,
    issued_until,
    kept_until,
    removed,
});

impl From<RevocationRow> for StoredRevocation {
    fn from(row: RevocationRow) -> Self {
        Self {
            number: row.number,
            issuer: row.issuer.into(),
            kind: row.kind.into(),
            value: row.value.into(),
            before: row.issued_until,
            until: row.kept_until,
            removed: row.removed,
        }
    }
}

/// Whether there is such a revocation.
pub(super) fn check(kind: &str, issuer: &str, value: &str) -> Result<(), StoreError> {
    let wrong = if !KINDS.contains(&kind) {
        "its kind is unknown"
    } else if issuer.is_empty() || issuer.len() > MAX_TEXT {
        "its issuer has not 1 to 1024 bytes"
    } else if (kind == "all") != value.is_empty() {
        "`all` has no value, and every other kind has one"
    } else if value.len() > MAX_TEXT {
        "its value is longer than 1024 bytes"
    } else if issuer.contains('\0') || value.contains('\0') {
        "it holds a NUL"
    } else {
        return Ok(());
    };
    Err(StoreError::NotRevocable(wrong))
}
