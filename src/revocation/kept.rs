//! A set as bytes, for a file: the key of the digests and the entries. No issuer, subject or session can be read from it.

use std::io::{self, ErrorKind, Read, Write};

use crate::clock::UnixTime;

use super::current::CurrentUntil;
use super::digest::{Digest, DigestKey};
use super::entry::{Dates, Entry, PackedDates, present};
use super::kind::RevocationKind;
use super::set::RevocationSet;
use super::shard::SHARDS;
use super::writer::RevocationWriter;

/// Bytes of an entry: its digest, and its two dates.
const ENTRY: usize = 24;

/// Entries that are read at once.
const CHUNK: usize = 1024;

impl RevocationSet {
    /// Writes the set: 16 bytes of key, 8 of the number of entries, 24 for each.
    ///
    /// Who has the key can choose values whose digests collide: keep the bytes private.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.key().to_bytes())?;
        out.write_all(&(self.len() as u64).to_le_bytes())?;
        for shard in self.shards() {
            for entry in shard.entries() {
                out.write_all(&pack(entry))?;
            }
        }
        Ok(())
    }
}

impl RevocationWriter {
    /// The writer of a set that [`RevocationSet::write_to`] wrote, without the entries that are over at `now`. It goes on
    /// with the key of that set. Its memory is that of the entries that are really there.
    ///
    /// # Errors
    /// Those of `input`; `InvalidData` if it says other things than a set does.
    pub fn read_from(
        input: &mut impl Read,
        current_until: CurrentUntil,
        now: UnixTime,
    ) -> io::Result<Self> {
        let mut key = [0; 16];
        input.read_exact(&mut key)?;
        let mut count = [0; 8];
        input.read_exact(&mut count)?;
        let mut left = usize::try_from(u64::from_le_bytes(count))
            .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        let now = present(now);
        let mut entries = vec![Vec::new(); SHARDS];
        let mut chunk = vec![0; CHUNK * ENTRY];
        while left > 0 {
            let bytes = &mut chunk[..left.min(CHUNK) * ENTRY];
            input.read_exact(bytes)?;
            let (read, _) = bytes.as_chunks::<ENTRY>();
            for entry in read.iter().map(unpack) {
                if !entry.dates.is_over(now) {
                    entries[usize::from(entry.digest.shard())].push(entry);
                }
            }
            left -= read.len();
        }
        let mut writer = Self::with_key(DigestKey::from_bytes(key), current_until);
        // Of which kinds they are was not written: each is looked for.
        writer.add_loaded(entries.into_iter(), &RevocationKind::ALL);
        Ok(writer)
    }
}

fn pack(entry: Entry) -> [u8; ENTRY] {
    let dates = entry.dates.pack();
    let mut bytes = [0; ENTRY];
    bytes[..16].copy_from_slice(&entry.digest.to_bytes());
    bytes[16..20].copy_from_slice(&dates.before);
    bytes[20..].copy_from_slice(&dates.until);
    bytes
}

fn unpack(bytes: &[u8; ENTRY]) -> Entry {
    let mut digest = [0; 16];
    digest.copy_from_slice(&bytes[..16]);
    let date = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    Entry {
        digest: Digest::from_bytes(digest),
        dates: Dates::unpack(PackedDates {
            before: date(16),
            until: date(20),
        }),
    }
}
