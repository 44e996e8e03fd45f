//! What is no longer believed although its signature holds: the revocation set in memory.
//!
//! A [`RevocationWriter`] adds, removes and expires, and publishes a [`RevocationSet`], which is immutable and which a
//! decision asks. Where revocations come from, and where they are kept, is not known here.
//!
//! A set also knows until when it is current ([`CurrentUntil`]): whoever cannot ask the source any more must not believe for
//! ever that nothing was revoked.
//!
//! A revocation is a keyed digest of 128 bits and two dates. The digests are spread over 256 shards by their first byte. A
//! shard is a frozen table (sorted, 23 bytes an entry and an index) and a small delta. A change is made in the delta of one
//! shard, and publishing copies no table. A delta that is full is merged into a new table of its shard, so that a merge
//! needs the memory of one shard more, and never stops the writer for long.

mod bulk;
mod current;
mod digest;
mod entry;
mod frozen;
mod kept;
mod kind;
mod set;
mod shard;
mod writer;

pub use bulk::BulkLoad;
pub use current::CurrentUntil;
pub use kind::{Revocation, RevocationKind, RevocationTarget};
pub use set::{RevocationSet, RevocationVersion, Revoked, TokenFacts};
pub use writer::{RevocationError, RevocationWriter};

#[cfg(test)]
mod tests;
