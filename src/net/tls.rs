//! The TLS server side: certificates by SNI, tickets shared by the workers, TLS 1.2 and 1.3.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::UnixTime;

mod self_signed;

pub use self_signed::make_self_signed;

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
#[error("{}: {problem}", file.display())]
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
/// [`CertificateError`]: unreadable, not PEM, key and certificate do not match, no pair at all.
pub fn build_server_tls(
    pairs: &[(PathBuf, PathBuf)],
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerTls, CertificateError> {
    let mut resolver = BySni::default();
    let mut certificates = Vec::with_capacity(pairs.len());
    for (chain, key) in pairs {
        let (certified, info) = load_pair(chain, key)?;
        resolver.add(&info.names, &Arc::new(certified));
        certificates.push(info);
    }
    if resolver.default.is_none() {
        return Err(error(Path::new("tls"), "there is no certificate"));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|problem| error(Path::new("tls"), &problem))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Tickets alone: the store in memory has one lock for all workers and room for 256 sessions.
    config.ticketer = tickets;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    // A replayed request would be a second one with the same token (RFC 8470).
    config.max_early_data_size = 0;
    // The client knows whether it has AES instructions: its order of suites stands.
    config.ignore_client_order = false;
    Ok(ServerTls {
        config: Arc::new(config),
        certificates,
    })
}

/// Certificates by the name that the client asks for.
#[derive(Debug, Default)]
struct BySni {
    /// Lower case; a wildcard name as it is written, `*.example.com`.
    names: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl BySni {
    /// Of two certificates with one name the earlier serves it.
    fn add(&mut self, names: &[String], key: &Arc<CertifiedKey>) {
        for name in names {
            let name = name.to_ascii_lowercase();
            self.names.entry(name).or_insert_with(|| Arc::clone(key));
        }
        self.default.get_or_insert_with(|| Arc::clone(key));
    }

    /// The exact name, else the wildcard one label up (RFC 9525 §6.3), else the first certificate.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.names.get(&name).or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.names.get(&format!("*.{parent}"))
            })
        });
        named.or(self.default.as_ref()).map(Arc::clone)
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

/// Reads one chain and its key, and what the first certificate says.
fn load_pair(
    chain_file: &Path,
    key_file: &Path,
) -> Result<(CertifiedKey, CertificateInfo), CertificateError> {
    let chain = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|problem| error(chain_file, &pem_problem(&problem, "certificate")))?;
    let leaf = chain.first().ok_or_else(|| {
        error(
            chain_file,
            &pem_problem(&pem::Error::NoItemsFound, "certificate"),
        )
    })?;
    let info = describe(leaf, chain_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|problem| error(key_file, &pem_problem(&problem, "private key")))?;
    let provider = aws_lc_rs::default_provider();
    let key = provider
        .key_provider
        .load_private_key(key)
        // The reason would not help, and may show parts of the key.
        .map_err(|_| error(key_file, "the private key is of no kind that can be used"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok((certified, info)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(error(
            key_file,
            &format_args!(
                "the private key does not belong to {}",
                chain_file.display()
            ),
        )),
        Err(problem) => Err(error(chain_file, &problem)),
    }
}

fn describe(leaf: &CertificateDer<'_>, file: &Path) -> Result<CertificateInfo, CertificateError> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|problem| error(file, &problem))?;
    let alternative = leaf
        .subject_alternative_name()
        .map_err(|problem| error(file, &problem))?;
    let names = alternative
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ip_address(bytes).map(|ip| ip.to_string()),
            // Not names of a TLS server.
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::URI(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        })
        .collect();
    Ok(CertificateInfo {
        names,
        expires: UnixTime::from_seconds(leaf.validity().not_after.timestamp()),
        file: file.to_owned(),
    })
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// What is wrong with a PEM file, without a byte of it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`pem::Error` may grow, and its own texts quote the file"
)]
fn pem_problem(problem: &pem::Error, wanted: &str) -> String {
    match problem {
        pem::Error::Io(problem) => problem.to_string(),
        pem::Error::NoItemsFound => format!("no {wanted} in it"),
        _ => format!("not a PEM file with a {wanted}"),
    }
}

fn error(file: &Path, problem: &(impl ToString + ?Sized)) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}

/// A browser opens two connections at a time, and each ticket resumes one.
const TICKETS: usize = 2;

#[cfg(test)]
mod tests;
