//! Where a command keeps what it makes: a directory of its own that ends with it, or one that was named.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::token::random_jti;

/// A directory for state; removed when dropped unless it was named.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
    temporary: bool,
}

impl StateDirectory {
    /// Makes the named directory, or a new one below the system's for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(named: Option<&Path>) -> Result<Self, Failure> {
        let temporary = named.is_none();
        let path = if let Some(path) = named {
            // Absolute, because the configuration's paths are relative to it.
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
        } else {
            std::env::temp_dir().join(format!("portcullis-{}", random_jti()?))
        };
        make(&path, temporary).map_err(|source| Failure::File {
            action: "make",
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, temporary })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A temporary one must not be there yet: someone else may have made it to read our key.
fn make(path: &Path, temporary: bool) -> io::Result<()> {
    DirBuilder::new()
        .recursive(!temporary)
        .mode(0o700)
        .create(path)
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        if self.temporary {
            // A left-over directory holds nothing that is valid anywhere else.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_own_directory_is_private_and_ends_with_it() {
        let state = StateDirectory::new(None).unwrap();
        let path = state.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("key.pem"), "key").unwrap();
        drop(state);
        assert!(!path.exists());
    }

    #[test]
    fn a_named_directory_stays() {
        let outer = tempfile::tempdir().unwrap();
        let named = outer.path().join("a/b");
        drop(StateDirectory::new(Some(&named)).unwrap());
        assert!(named.is_dir());
        drop(StateDirectory::new(Some(&named)).unwrap());
    }

    #[test]
    fn a_temporary_directory_that_is_there_is_not_trusted() {
        let outer = tempfile::tempdir().unwrap();
        assert!(make(outer.path(), true).is_err());
    }
}
