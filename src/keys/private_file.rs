//! Files of the state directory: for their owner alone, and whole at every moment.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

/// Longest part of a file name that an issuer's name becomes; file systems end at 255 bytes.
const MAX_NAME: usize = 100;

/// What a file that is being written ends in. It begins with a dot.
const TEMPORARY: &str = ".tmp";

/// Writes a file that appears as a whole, or not at all if there is one already: then the answer is `false`.
///
/// # Errors
/// What the system says.
pub fn create(file: &Path, content: &[u8]) -> io::Result<bool> {
    let put = |out: &mut File| out.write_all(content);
    write_by(file, put, |temporary| {
        // A link, unlike a rename, never replaces what another process made meanwhile.
        match fs::hard_link(temporary, file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    })
}

/// Writes a file in the place of the one that is there: who reads it, now or after a crash, has the old content or the new.
///
/// # Errors
/// What the system says; then the old file is there still.
pub fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    replace_by(file, |out| out.write_all(content))
}

/// As [`replace`], with content that is written piece by piece.
///
/// # Errors
/// As there, and those of `write`.
pub fn replace_by(file: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    write_by(file, write, |temporary| fs::rename(temporary, file))
}

/// Writes a temporary file beside `file` and lets `appear` give it its name.
fn write_by<R>(
    file: &Path,
    put: impl FnOnce(&mut File) -> io::Result<()>,
    appear: impl FnOnce(&Path) -> io::Result<R>,
) -> io::Result<R> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let temporary = directory.join(format!(".{}{TEMPORARY}", random_name()?));
    let appeared = write_new(&temporary, put).and_then(|()| appear(&temporary));
    // It may not be there any more, or never was, and what matters is said by `appeared`.
    let _ = fs::remove_file(&temporary);
    let answer = appeared?;
    File::open(directory)?.sync_all()?;
    Ok(answer)
}

fn write_new(file: &Path, put: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    put(&mut out)?;
    out.sync_all()
}

/// A name that no other process takes, also where every process of every container has the same number.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Whether a file of that name is one that a process has begun to write.
pub(super) fn is_temporary(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(TEMPORARY)
}

/// Why a file is not one that we wrote, as far as the system tells.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A link, a directory, a pipe.
    #[error("not a regular file")]
    NotAFile,
    /// Anybody could have put something in it.
    #[error("everybody may write to it, or to its directory")]
    Unguarded,
}

/// Opens a file that only we, or whom we trust, can have written.
///
/// # Errors
/// [`NotOurs`]
pub fn open_own(file: &Path) -> Result<File, NotOurs> {
    // Before it is opened: a pipe would wait for a writer.
    let metadata = fs::symlink_metadata(file)?;
    if !metadata.is_file() {
        return Err(NotOurs::NotAFile);
    }
    // Who may write to the directory may put another file in its place.
    let directory = fs::metadata(file.parent().unwrap_or(Path::new(".")))?;
    // Not the group's bit: volumes that are shared in a cluster get it set.
    let is_everybodys = |metadata: &fs::Metadata| metadata.permissions().mode() & 0o002 != 0;
    if is_everybodys(&metadata) || is_everybodys(&directory) {
        return Err(NotOurs::Unguarded);
    }
    Ok(File::open(file)?)
}

/// The first bytes of a file: at most `limit`.
pub(super) fn read_limited(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    limited(File::open(file)?, limit)
}

/// The first bytes of an open file: at most `limit`.
pub(super) fn limited(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// An issuer's name as part of a file name: different names stay different, and none leaves the directory.
pub(super) fn file_name(issuer: &str) -> String {
    let mut name: String = issuer
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect::<Vec<_>>()
        .concat();
    if name.len() > MAX_NAME {
        let digest = digest::digest(&digest::SHA256, issuer.as_bytes());
        name.truncate(MAX_NAME);
        // A dot is never part of an encoded name, so a shortened name equals no other.
        name.push('.');
        name.push_str(&hexadecimal(&digest.as_ref()[..16]));
    }
    name
}

/// Bytes as text.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The files of a directory; none if it cannot be read.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("new/sets/corp.json");
        replace(&file, b"one").unwrap();
        let opened = File::open(&file).unwrap();
        replace(&file, b"second").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        // Who was reading still reads the old one.
        assert_eq!(io::read_to_string(opened).unwrap(), "one");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        assert_eq!(files(file.parent().unwrap()), [file]);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (file, target) = (root.path().join("a.json"), root.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &file).unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.json");
        fs::create_dir(&file).unwrap();
        assert!(replace(&file, b"new").is_err());
        assert_eq!(files(root.path()), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn different_issuers_have_different_files_in_the_same_directory() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let names = [
            "corp", "Corp", "a/b", "a%2Fb", "a_b", "a.b", "..", ".", "", "ü", "a b", &long, &longer,
        ];
        let files: BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        for file in &files {
            assert!(!file.contains('/') && !file.starts_with('.'), "{file}");
            assert!(file.len() < 200, "{file}");
        }
        assert_eq!(file_name("corp"), "corp");
    }

    #[test]
    fn a_file_that_is_being_written_is_known_by_its_name() {
        for (name, temporary) in [
            ("/a/.0123456789abcdef.tmp", true),
            ("/a/corp.tmp", false),
            ("/a/.hidden", false),
            ("/a/corp.0a.json", false),
        ] {
            assert_eq!(is_temporary(Path::new(name)), temporary, "{name}");
        }
    }
}
