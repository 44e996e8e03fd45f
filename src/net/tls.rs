//! The TLS server side: certificates by SNI, tickets shared by the workers, TLS 1.2 and 1.3.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::UnixTime;

/// What a loaded certificate says, for `/status` and the expiry metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
    /// `notAfter`
    pub expires: UnixTime,
    /// The file it came from.
    pub file: PathBuf,
}

/// The TLS configuration in force.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For tokio-rustls. ALPN: h2, http/1.1.
    pub config: Arc<rustls::ServerConfig>,
    /// Its certificates, in the order of the configuration.
    pub certificates: Vec<CertificateInfo>,
}

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct CertificateError {
    /// The file at fault.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads certificate chains and keys (PEM). The first is used when no name matches. `tickets` is made once by the
/// process, so that a reload does not end resumption.
///
/// # Errors
/// [`CertificateError`]: unreadable, not PEM, key and certificate do not match.
pub fn build_server_tls(
    _pairs: &[(PathBuf, PathBuf)],
    _tickets: Arc<dyn rustls::server::ProducesTickets>,
) -> Result<ServerTls, CertificateError> {
    todo!("net helper")
}

/// Makes a self-signed certificate for `names` in `directory` (key with mode 0600), or returns the one that is there
/// if it is for the same names and valid for another week. Returns (certificate file, key file).
///
/// # Errors
/// [`CertificateError`].
pub fn make_self_signed(
    _names: &[String],
    _directory: &std::path::Path,
    _now: UnixTime,
) -> Result<(PathBuf, PathBuf), CertificateError> {
    todo!("net helper")
}
