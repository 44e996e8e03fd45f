//! Providers for tests: scripted, on ports of their own.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::config::{KeyLocation, Place, RemoteKeys};

/// Rules that allow everything but link-local addresses.
pub(super) fn rules() -> RemoteKeys {
    RemoteKeys {
        place: Place::default(),
        location: KeyLocation::Jwks("http://localhost/".parse().unwrap()),
        allow_http: true,
        allow_link_local: false,
        ca: None,
        proxy: None,
    }
}

/// What happens behind a reply.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// The next request of the connection.
    Next,
    /// The connection ends.
    Close,
    /// Nothing, forever.
    Hang,
    /// A byte now and then, forever.
    Drip,
}

/// The bytes of a reply, and what happens behind them.
pub(super) type Reply = (Vec<u8>, Then);

/// A reply with a body of known length.
pub(super) fn reply(head: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    (bytes, Then::Next)
}

/// A provider, and the heads of the requests that came to it.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// One that answers what `script` says to a request's head.
    pub(super) async fn http(
        script: impl Fn(&str) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, script).await
    }

    /// One that answers so over TLS.
    pub(super) async fn https(
        tls: TlsAcceptor,
        script: impl Fn(&str) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(tls), script).await
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&str) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
        };
        let started = provider.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (provider, script, tls) = (started.clone(), script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => provider.serve(tcp, script).await,
                        Some(tls) => {
                            if let Ok(tls) = tls.accept(tcp).await {
                                provider.serve(tls, script).await;
                            }
                        }
                    }
                });
            }
        });
        provider
    }

    async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        script: impl Fn(&str) -> Reply,
    ) {
        while let Some(head) = head(&mut stream).await {
            let (bytes, then) = script(&head);
            self.heads.lock().unwrap().push(head);
            if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            match then {
                Then::Next => {}
                Then::Close => {
                    let _ = stream.shutdown().await;
                    return;
                }
                Then::Hang => std::future::pending().await,
                Then::Drip => loop {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if stream.write_all(b" ").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                },
            }
        }
    }

    /// A proxy that makes tunnels to whatever is asked for on this machine; it answers other requests itself.
    pub(super) async fn proxy() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
        };
        let started = proxy.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(started.clone().pass(tcp));
            }
        });
        proxy
    }

    async fn pass(self, mut client: TcpStream) {
        let Some(head) = head(&mut client).await else {
            return;
        };
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let connect = head.starts_with("CONNECT ");
        self.heads.lock().unwrap().push(head);
        if !connect {
            let (answer, _) = reply("200 OK", b"by the proxy");
            let _ = client.write_all(&answer).await;
            return;
        }
        let port = target.rsplit(':').next().unwrap_or_default();
        let mut server = TcpStream::connect(format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }

    /// `http://127.0.0.1:port/path`
    pub(super) fn url(&self, path: &str) -> http::Uri {
        format!("http://127.0.0.1:{}{path}", self.port)
            .parse()
            .unwrap()
    }

    /// The heads of all requests.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Their paths.
    pub(super) fn paths(&self) -> Vec<String> {
        let path = |head: &String| head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.heads().iter().map(path).collect()
    }
}

/// The head of the next request, if there is one.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// A CA in a file.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(super) file: NamedTempFile,
}

impl Authority {
    /// One whose name no other has.
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("CA {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Self { issuer, file }
    }

    /// TLS with a certificate of this CA for a name, changed as a test wants it.
    pub(super) fn tls(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(certificate.der().clone(), &key)
    }
}

/// TLS with a certificate that signed itself.
pub(super) fn self_signed(name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    acceptor(certificate.der().clone(), &key)
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
