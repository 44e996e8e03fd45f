//! Connections to the proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::arguments::{Protocol, To};

/// Bytes both ways, with TLS or without.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A proxy and how to reach it.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    source: IpAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Target {
    pub(crate) fn new(to: &To, resume: bool) -> Outcome<Self> {
        let tls = match (to.protocol, &to.certificate) {
            (Protocol::H1, _) | (_, None) => None,
            (protocol, Some(path)) => {
                Some(tls(protocol, CertificateDer::from_pem_file(path)?, resume)?)
            }
        };
        Ok(Self {
            address: to.address,
            source: to.source,
            tls,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn source(&self) -> IpAddr {
        self.source
    }

    pub(crate) fn tls_config(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    pub(crate) async fn connect(&self) -> Outcome<Box<dyn Io>> {
        Ok(match &self.tls {
            None => Box::new(self.tcp().await?),
            Some(_) => Box::new(self.handshake().await?),
        })
    }

    /// A connection after its TLS handshake.
    pub(crate) async fn handshake(&self) -> Outcome<TlsStream<TcpStream>> {
        let config = self.tls.clone().ok_or("no certificate")?;
        let connector = TlsConnector::from(config);
        Ok(connector.connect(server_name()?, self.tcp().await?).await?)
    }

    async fn tcp(&self) -> Outcome<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if !self.source.is_loopback() || self.source != self.address.ip() {
            socket.bind(SocketAddr::new(self.source, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

pub(crate) fn server_name() -> Outcome<ServerName<'static>> {
    Ok(ServerName::try_from("localhost")?)
}

fn tls(
    protocol: Protocol,
    certificate: CertificateDer<'_>,
    resume: bool,
) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    // One key exchange and one cipher for all: the proxies differ in which they prefer, and these in what they cost.
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::H1 | Protocol::H1Tls => vec![b"http/1.1".to_vec()],
        Protocol::H2Tls => vec![b"h2".to_vec()],
    };
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}
