//! Fetched sets on disk: what a start without a provider lives on.
//!
//! One file a source, `<state>/key-sets/<issuer>.<source>.json`. Its first line names the format and has the SHA-256 of the
//! rest: a line of JSON on the set, and the document as it came. Whatever is wrong with a file, it is as if it were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::jwt::JWK_SET_MAX_BYTES;

use super::private_file::{
    NotOurs, file_name, files, hexadecimal, is_temporary, limited, open_own, replace,
};
use super::{HeldSet, RefusedSet, SourceId};

/// Name and version of the format.
const FORMAT: &str = "portcullis key set 1 ";

/// Most bytes of a file: the document, and plenty for what is said of it.
const MAX_FILE: u64 = JWK_SET_MAX_BYTES as u64 + 64 * 1024;

/// How long the file of a source stays that is in no configuration any more: who takes a change back, even while the
/// provider is down, has keys again. As long as `stale_for` may be: what is older serves nobody.
const GONE_KEPT: Duration = Duration::from_hours(30 * 24);

/// How old a file must be that a process began to write, and that nobody has finished.
const TEMPORARY_KEPT: Duration = Duration::from_hours(1);

/// The directory of the fetched sets.
pub(super) struct Directory(PathBuf);

/// Why a file is as good as none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Nobody says that we wrote it.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// Larger than we write any.
    #[error("too large")]
    TooLarge,
    /// Not this version of it.
    #[error("not in the format of this version")]
    Format,
    /// Not what was written: torn, or changed since.
    #[error("its checksum is wrong")]
    Checksum,
    /// Of another issuer, or another place.
    #[error("it is of another source")]
    Foreign,
    /// No set that this version takes.
    #[error("not a set of keys: {0}")]
    Set(#[from] RefusedSet),
}

/// What is said of a document.
#[derive(Serialize, Deserialize)]
struct About {
    /// For who looks at the file; `source` has all of it.
    issuer: String,
    url: String,
    /// The digest of the source.
    source: String,
    /// Seconds since the epoch.
    fetched: i64,
    etag: Option<Box<str>>,
    /// Seconds since the epoch, by thumbprint in base64url.
    first_seen: BTreeMap<String, i64>,
}

impl Directory {
    /// That of a state directory. It need not exist.
    pub(super) fn of(state_directory: &Path) -> Self {
        Self(state_directory.join("key-sets"))
    }

    /// The file of a source.
    pub(super) fn file(&self, id: &SourceId) -> PathBuf {
        let source = &id.hexadecimal()[..32];
        let name = format!("{}.{source}.json", file_name(id.issuer()));
        self.0.join(name)
    }

    /// The set of a source, however old; `None` if there is no file.
    pub(super) fn load(&self, id: &SourceId) -> Result<Option<HeldSet>, Unusable> {
        let content = match read_own(&self.file(id)) {
            Err(Unusable::NotOurs(NotOurs::Io(error))) if error.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            content => content?,
        };
        parse(&content, id).map(Some)
    }

    /// Keeps the set of a source.
    pub(super) fn store(&self, id: &SourceId, set: &HeldSet) -> io::Result<()> {
        replace(&self.file(id), &render(id, set))
    }

    /// Removes what nobody needs: files of other sources than these that are too old for any, and what was begun and never
    /// finished.
    pub(super) fn sweep<'i>(&self, ids: impl IntoIterator<Item = &'i SourceId>, now: UnixTime) {
        let known: BTreeSet<PathBuf> = ids.into_iter().map(|id| self.file(id)).collect();
        for file in files(&self.0) {
            let kept = if is_temporary(&file) {
                TEMPORARY_KEPT
            } else if is_ours(&file) && !known.contains(&file) {
                GONE_KEPT
            } else {
                continue;
            };
            if written(&file).is_some_and(|written| written.plus(kept) < now) {
                // Another process may have been faster; and if it stays, it does no harm.
                let _ = fs::remove_file(&file);
            }
        }
    }
}

/// Whether a file has the name of one of ours.
fn is_ours(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let source = name.strip_suffix(".json");
    let source = source.and_then(|name| name.rsplit_once('.'));
    source.is_some_and(|(_, source)| {
        source.len() == 32 && source.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn written(file: &Path) -> Option<UnixTime> {
    let modified = fs::metadata(file).ok()?.modified().ok()?;
    let timestamp = jiff::Timestamp::try_from(modified).ok()?;
    Some(UnixTime::from_seconds(timestamp.as_second()))
}

/// A file that only we, or whom we trust, can have written.
fn read_own(file: &Path) -> Result<Vec<u8>, Unusable> {
    let content = limited(open_own(file)?, MAX_FILE + 1).map_err(NotOurs::Io)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(content)
    } else {
        Err(Unusable::TooLarge)
    }
}

fn render(id: &SourceId, set: &HeldSet) -> Vec<u8> {
    let first_seen = set.first_seen.iter();
    let about = About {
        issuer: id.issuer().to_string(),
        url: id.name().to_string(),
        source: id.hexadecimal(),
        fetched: set.fetched.seconds(),
        etag: set.etag.clone(),
        first_seen: first_seen
            .map(|(thumbprint, time)| (URL_SAFE_NO_PAD.encode(thumbprint), time.seconds()))
            .collect(),
    };
    let mut rest = serde_json::to_vec(&about).expect("invariant: texts and numbers are JSON");
    rest.push(b'\n');
    rest.extend_from_slice(&set.document);
    let checksum = hexadecimal(digest(&SHA256, &rest).as_ref());
    let mut content = format!("{FORMAT}{checksum}\n").into_bytes();
    content.append(&mut rest);
    content
}

fn parse(content: &[u8], id: &SourceId) -> Result<HeldSet, Unusable> {
    let rest = content.strip_prefix(FORMAT.as_bytes());
    let (checksum, rest) = rest.and_then(line).ok_or(Unusable::Format)?;
    if hexadecimal(digest(&SHA256, rest).as_ref()).as_bytes() != checksum {
        return Err(Unusable::Checksum);
    }
    let (about, document) = line(rest).ok_or(Unusable::Format)?;
    let about: About = serde_json::from_slice(about).map_err(|_| Unusable::Format)?;
    if about.source != id.hexadecimal() {
        return Err(Unusable::Foreign);
    }
    let fetched = UnixTime::from_seconds(about.fetched);
    let mut set = HeldSet::new(document.to_vec(), about.etag, fetched)?;
    let first_seen = about.first_seen.iter().filter_map(|(thumbprint, seconds)| {
        let thumbprint = URL_SAFE_NO_PAD.decode(thumbprint).ok()?;
        let thumbprint = thumbprint.try_into().ok()?;
        Some((thumbprint, UnixTime::from_seconds(*seconds)))
    });
    set.first_seen.extend(first_seen);
    set.from_disk = true;
    Ok(set)
}

/// The first line, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests;
