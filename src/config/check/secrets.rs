//! Secrets that others can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Certificates, Place, SecretOrigin, StoreUrl};

use super::warning::Findings;

pub(super) fn check(found: &mut Findings<'_>) {
    let config = found.config;
    let mut files: BTreeMap<PathBuf, Place> = BTreeMap::new();
    for secret in &config.secrets {
        match &secret.origin {
            SecretOrigin::Literal => found.warn_at(
                "literal-secret",
                secret.place.clone(),
                "a secret is written in the configuration: keep it in a file, \"${file:/run/..}\"",
            ),
            SecretOrigin::Environment => {}
            SecretOrigin::Files(paths) => {
                for path in paths {
                    files.insert(path.clone(), secret.place.clone());
                }
            }
        }
        // What is written in it makes the configuration itself a secret.
        if secret.origin == SecretOrigin::Literal
            && let Some(file) = &config.file
        {
            files.insert(file.clone(), secret.place.clone());
        }
    }
    if let Some(Certificates::Files(pairs)) = &config.server.tls {
        for (_, key) in pairs {
            files.insert(key.clone(), config.places.of("server.tls"));
        }
    }
    // Hashes of passwords are in it. It is made for its owner alone, so someone has changed that.
    if let Some(store) = &config.store
        && let StoreUrl::Sqlite(file) = &store.url
    {
        files.insert(file.clone(), store.place.clone());
    }
    for (file, place) in files {
        if others_can_read(&file) {
            let message = format!(
                "every user of this machine can read `{}`: chmod 600 or 640",
                file.display()
            );
            found.warn_at("world-readable-secret", place, message);
        }
    }
}

/// Whether the mode gives others a right to read. A file that is not there is for someone else to report.
#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Where there are no modes there is nothing to see.
#[cfg(not(unix))]
fn others_can_read(_path: &Path) -> bool {
    false
}
