//! What files hold, as digests: the only thing that says whether something changed. Times of files lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

/// Most bytes of a file that count; no configuration, key or certificate is as large.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// SHA-256 of some bytes.
pub(super) type Digest = [u8; 32];

/// The content of each file as a digest; `None` where a file cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<PathBuf, Option<Digest>>);

impl Contents {
    /// Reads files. Blocks.
    pub(super) fn read<'f>(files: impl IntoIterator<Item = &'f PathBuf>) -> Self {
        Self(
            files
                .into_iter()
                .map(|file| (file.clone(), digest(file)))
                .collect(),
        )
    }

    /// The digest of one of the files.
    pub(super) fn of(&self, file: &Path) -> Option<&Digest> {
        self.0.get(file)?.as_ref()
    }

    /// The files.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        self.0.keys().cloned().collect()
    }

    /// These contents, and for files that both know those of `older`: a file that changed while it was read again
    /// differs from what is known, and is read once more.
    pub(super) fn or_older(mut self, older: &Self) -> Self {
        for (file, digest) in &mut self.0 {
            if let Some(known) = older.0.get(file) {
                *digest = *known;
            }
        }
        self
    }
}

fn digest(file: &Path) -> Option<Digest> {
    let mut reader = File::open(file).ok()?.take(MAX_FILE);
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer).ok()?;
        if read == 0 {
            return context.finish().as_ref().try_into().ok();
        }
        context.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_content_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (directory.path().join("a"), directory.path().join("b"));
        let files = BTreeSet::from([file.clone(), other.clone()]);
        fs::write(&file, "one").unwrap();
        let first = Contents::read(&files);
        assert!(first.of(&file).is_some() && first.of(&other).is_none());

        // Another file with the same bytes: the same.
        fs::write(&other, "one").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(Contents::read(&files), first);

        // The same length, and the same times: different.
        let times = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "two").unwrap();
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(times)
            .unwrap();
        assert_ne!(Contents::read(&files), first);
        fs::remove_file(&file).unwrap();
        assert_ne!(Contents::read(&files), first);
    }

    #[test]
    fn what_changed_during_a_reload_differs_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        fs::write(&old, "before").unwrap();
        fs::write(&new, "new").unwrap();
        let before = Contents::read([&old]);
        fs::write(&old, "during").unwrap();
        let files = [old, new];
        let known = Contents::read(&files).or_older(&before);
        assert_ne!(Contents::read(&files), known);
        assert_eq!(known.of(&files[0]), before.of(&files[0]));
        assert!(known.of(&files[1]).is_some());
    }
}
