//! Why there is no connection, in words that tell an operator where to look.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustls::CertificateError;

use crate::clock::UnixTime;
use crate::keys::shown;

/// What a library says.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or nobody could be asked.
    #[error("cannot resolve {:?}: {source}", shown::text(host))]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the system says.
        source: io::Error,
    },
    /// An address that is link-local, of a metadata service, or of nobody.
    #[error("{0} is link-local or of a metadata service, which `allow_link_local` would admit")]
    Forbidden(IpAddr),
    /// Refused, unreachable.
    #[error("cannot connect: {}", root(&**.0))]
    Tcp(#[source] Cause),
    /// The TLS handshake failed, or the certificate is not right.
    #[error("{}", tls_problem(.0))]
    Tls(#[source] rustls::Error),
    /// The connection ended in the TLS handshake, or the host is no name that a certificate can have.
    #[error("TLS handshake: {}", root(&**.0))]
    Handshake(#[source] Cause),
    /// There is no connection to the proxy.
    #[error("proxy: {0}")]
    Proxy(#[source] Box<Self>),
    /// The proxy makes no tunnel.
    #[error("the proxy made no tunnel: {}", root(&**.0).trim_start_matches("tunnel error: "))]
    Tunnel(#[source] Cause),
    /// The time for a connection is over.
    #[error("timed out after {} s {step}", limit.as_secs_f32())]
    Timeout {
        /// The time that there was.
        limit: Duration,
        /// What took so long.
        step: &'static str,
    },
}

/// The last cause of an error: what the system says.
fn root(error: &(dyn Error + 'static)) -> String {
    let root = shown::causes(error).last();
    root.map_or_else(String::new, |root| shown::text(&root.to_string()))
}

/// Whether the library's own limit, or the system's, was over.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    shown::causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}

/// An error of the TLS connector. rustls' own stands in I/O errors within I/O errors, which are no `source` of each other.
pub(super) fn of_tls(error: Cause) -> ConnectError {
    let mut next = error.downcast_ref::<io::Error>();
    while let Some(io) = next {
        let inner = io.get_ref();
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return ConnectError::Tls(tls.clone());
        }
        next = inner.and_then(|inner| inner.downcast_ref::<io::Error>());
    }
    ConnectError::Handshake(error)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls' errors may grow, and its own texts serve for the others"
)]
fn tls_problem(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(problem) => certificate_problem(problem),
        rustls::Error::InvalidMessage(_) => {
            "TLS handshake: what came is not TLS (is it plain http?)".to_owned()
        }
        other => format!("TLS handshake: {other}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "as above; the variants without context are not made by the verifier that is used"
)]
fn certificate_problem(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", moment(*not_after))
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!(
                "the certificate is not valid before {}",
                moment(*not_before)
            )
        }
        CertificateError::UnknownIssuer => {
            "the certificate is of no CA that is trusted (`ca` would name another)".to_owned()
        }
        CertificateError::NotValidForName => "the certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "the certificate is not for {:?} but for {:?}",
            expected.to_str(),
            shown::text(&names(presented)),
        ),
        CertificateError::BadSignature => {
            "the certificate is not signed by the trusted CA of that name".to_owned()
        }
        other => format!(
            "the certificate is not right: {}",
            shown::text(&other.to_string())
        ),
    }
}

/// The names of a certificate, which come as `DnsName("name")`.
fn names(presented: &[String]) -> String {
    let name = |text: &String| {
        let inside = text.strip_prefix("DnsName(\"");
        let inside = inside.and_then(|text| text.strip_suffix("\")"));
        inside.unwrap_or(text).to_owned()
    };
    let names: Vec<String> = presented.iter().map(name).collect();
    names.join(", ")
}

fn moment(time: rustls::pki_types::UnixTime) -> UnixTime {
    UnixTime::from_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
