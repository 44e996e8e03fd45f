//! The list on disk: what a start without the store lives on.
//!
//! Two files of the state directory. `revocations` is the set as bytes, with the moment as of which it was the store's list, and
//! ends in the SHA-256 of all of it. `revocations.confirmed` says until when it stayed that list, so that a list that does not
//! change need not be written again and again. Whatever is wrong with a file, it is as if it were not there.

use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::clock::UnixTime;
use crate::config::StoreUrl;
use crate::keys::private_file::{NotOurs, hexadecimal, open_own, replace, replace_by};
use crate::revocation::{CurrentUntil, RevocationSet, RevocationWriter};

use super::list::given_back;

/// Name and version of the format.
const FORMAT: &[u8; 24] = b"portcullis revocations 1";

/// Name and version of the other one.
const CONFIRMED: &str = "portcullis revocations confirmed 1 ";

/// More than any line of it.
const MOST_CONFIRMED: u64 = 4096;

/// A copy from so far in the future is of a clock that was wrong.
const AHEAD: Duration = Duration::from_mins(1);

/// Bytes of a SHA-256.
const SUM: usize = 32;

/// Enough to see that more follows than a SHA-256.
const MOST_END: u64 = 33;

/// The SHA-256 of a file: which copy it is.
pub(super) type Checksum = [u8; SUM];

/// Where the copy is, and of which store.
pub(super) struct Disk {
    list: PathBuf,
    confirmed: PathBuf,
    store: [u8; SUM],
}

/// A copy that may be used.
pub(super) struct Kept {
    pub(super) writer: RevocationWriter,
    /// When it was last known to be the store's list.
    pub(super) as_of: UnixTime,
}

/// Why a copy is as good as none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Nobody says that we wrote it.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// Not this version of it, or cut off.
    #[error("not in the format of this version")]
    Format,
    /// Not what was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The list of another store.
    #[error("it is of another store")]
    Foreign,
    /// Too much may have been revoked since.
    #[error("it is of {0}: too old")]
    TooOld(UnixTime),
    /// A clock was wrong when it was written, or is now.
    #[error("it is of {0}, which lies in the future")]
    Future(UnixTime),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        let is_short = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData
        );
        if is_short {
            Self::Format
        } else {
            Self::NotOurs(NotOurs::Io(error))
        }
    }
}

impl Disk {
    /// The copy of that store's list. It need not be there.
    pub(super) fn of(state_directory: &Path, store: &StoreUrl) -> Self {
        Self {
            list: state_directory.join("revocations"),
            confirmed: state_directory.join("revocations.confirmed"),
            store: identity(store),
        }
    }

    /// The copy, if it is not older than `stale_for`; `None` if there is none.
    pub(super) fn load(
        &self,
        current_until: &CurrentUntil,
        now: UnixTime,
        stale_for: Duration,
    ) -> Result<Option<Kept>, Unusable> {
        let file = match open_own(&self.list) {
            Err(NotOurs::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut input = Summing::new(BufReader::new(file));
        let written = self.read_head(&mut input)?;
        let over = given_back(now);
        let writer = RevocationWriter::read_from(&mut input, current_until.clone(), over)?;
        // Nothing of it is believed before this.
        let checksum = input.sum_of_what_passed();
        let mut end = Vec::new();
        input.inner.take(MOST_END).read_to_end(&mut end)?;
        if end != checksum {
            return Err(Unusable::Checksum);
        }
        let as_of = written.max(self.confirmed(&checksum).unwrap_or(written));
        if as_of > now.plus(AHEAD) {
            return Err(Unusable::Future(as_of));
        }
        if now >= as_of.plus(stale_for) {
            return Err(Unusable::TooOld(as_of));
        }
        Ok(Some(Kept { writer, as_of }))
    }

    /// Writes the copy, which was the store's list at `as_of`.
    pub(super) fn save(&self, set: &RevocationSet, as_of: UnixTime) -> io::Result<Checksum> {
        let mut checksum = [0; SUM];
        replace_by(&self.list, |file| {
            let mut out = Summing::new(BufWriter::new(file));
            out.write_all(&self.head(as_of))?;
            set.write_to(&mut out)?;
            checksum = out.sum_of_what_passed();
            out.inner.write_all(&checksum)?;
            out.inner.flush()
        })?;
        Ok(checksum)
    }

    /// Writes down that the copy with that checksum is the store's list still.
    pub(super) fn confirm(&self, checksum: &Checksum, as_of: UnixTime) -> io::Result<()> {
        let says = format!("{} {}", hexadecimal(checksum), as_of.seconds());
        let sum = hexadecimal(digest(&SHA256, says.as_bytes()).as_ref());
        replace(
            &self.confirmed,
            format!("{CONFIRMED}{sum} {says}\n").as_bytes(),
        )
    }

    /// When the copy with that checksum was last confirmed.
    fn confirmed(&self, checksum: &Checksum) -> Option<UnixTime> {
        let mut text = String::new();
        let file = open_own(&self.confirmed).ok()?;
        file.take(MOST_CONFIRMED).read_to_string(&mut text).ok()?;
        let line = text.strip_prefix(CONFIRMED)?.strip_suffix('\n')?;
        let (sum, says) = line.split_once(' ')?;
        let of = hexadecimal(digest(&SHA256, says.as_bytes()).as_ref());
        let (copy, as_of) = says.split_once(' ')?;
        let is_right = sum == of && copy == hexadecimal(checksum);
        is_right.then(|| as_of.parse().ok().map(UnixTime::from_seconds))?
    }

    fn head(&self, as_of: UnixTime) -> Vec<u8> {
        [
            FORMAT.as_slice(),
            &self.store,
            &as_of.seconds().to_le_bytes(),
        ]
        .concat()
    }

    fn read_head(&self, input: &mut impl Read) -> Result<UnixTime, Unusable> {
        let (mut format, mut store, mut as_of) = ([0; 24], [0; SUM], [0; 8]);
        input.read_exact(&mut format)?;
        if format != *FORMAT {
            return Err(Unusable::Format);
        }
        input.read_exact(&mut store)?;
        if store != self.store {
            return Err(Unusable::Foreign);
        }
        input.read_exact(&mut as_of)?;
        Ok(UnixTime::from_seconds(i64::from_le_bytes(as_of)))
    }
}

/// Which store it is, without who asks it: no password becomes a digest that could be guessed at.
fn identity(store: &StoreUrl) -> [u8; SUM] {
    let place = match store {
        StoreUrl::Sqlite(file) => [b"sqlite:", file.as_os_str().as_encoded_bytes()].concat(),
        StoreUrl::Postgres(url) => {
            let url = url.expose();
            let from = url.iter().rposition(|byte| *byte == b'@');
            [b"postgres:", &url[from.map_or(0, |at| at + 1)..]].concat()
        }
    };
    let mut identity = [0; SUM];
    identity.copy_from_slice(digest(&SHA256, &place).as_ref());
    identity
}

/// Adds up what passes.
struct Summing<I> {
    inner: I,
    sum: Context,
}

impl<I> Summing<I> {
    fn new(inner: I) -> Self {
        Self {
            inner,
            sum: Context::new(&SHA256),
        }
    }

    fn sum_of_what_passed(&self) -> Checksum {
        let mut checksum = [0; SUM];
        checksum.copy_from_slice(self.sum.clone().finish().as_ref());
        checksum
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
