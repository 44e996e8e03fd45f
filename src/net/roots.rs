//! Whom TLS clients trust.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::CertificateError;

/// What stands for the file in errors about the system's roots.
pub const SYSTEM_ROOTS: &str = "system root certificates";

/// The certificates of a CA file, with what it holds; or the system's.
///
/// # Errors
/// A file that holds no certificate, or one that is broken; a system without roots.
pub fn trusted_roots(ca: Option<(&Path, &[u8])>) -> Result<RootCertStore, CertificateError> {
    match ca {
        Some((file, content)) => roots_of(file, content),
        None => system_roots(),
    }
}

fn roots_of(file: &Path, content: &[u8]) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(content) {
        let certificate = certificate.map_err(|error| problem(file, &error))?;
        roots
            .add(certificate)
            .map_err(|error| problem(file, &error))?;
    }
    if roots.is_empty() {
        return Err(problem(file, &"no certificate in it"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, CertificateError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems ship roots that do not parse: the others serve.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(problem(Path::new(SYSTEM_ROOTS), &"none found: set `ca`"));
    }
    Ok(roots)
}

fn problem(file: &Path, problem: &dyn std::fmt::Display) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}
