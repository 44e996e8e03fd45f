//! Pools over TLS.

use std::io::Write;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::super::Upstream;
use super::*;

/// A CA file, and a server with a certificate of that CA for `name` that answers one request of a connection.
async fn tls_server(name: &str) -> (tempfile::NamedTempFile, u16) {
    tls_server_of(name, 1, b"").await
}

/// One that answers so many, with the SNI and ALPN it saw and the number of the connection, says its last words and
/// closes.
async fn tls_server_of(
    name: &str,
    requests: usize,
    last_words: &'static [u8],
) -> (tempfile::NamedTempFile, u16) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ca).expect("a certificate");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(ca.pem().as_bytes()).expect("written");

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let session = tls.get_ref().1;
            let alpn = String::from_utf8_lossy(session.alpn_protocol().unwrap_or(b"none"));
            let name = session.server_name().unwrap_or("no name");
            let body = format!("{name} {alpn} {number}");
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            tokio::task::spawn_local(async move {
                let mut head = [0; 4096];
                for _ in 0..requests {
                    let _ = tls.read(&mut head).await;
                    let _ = tls.write_all(answer.as_bytes()).await;
                }
                let _ = tls.write_all(last_words).await;
                let _ = tls.shutdown().await;
                // The client's goodbye.
                assert_eq!(tls.read(&mut head).await.ok(), Some(0));
            });
        }
    });
    (file, port)
}

fn https(host: &str, port: u16) -> UpstreamUrl {
    UpstreamUrl {
        tls: true,
        host: host.into(),
        port,
    }
}

#[test]
fn the_given_ca_is_trusted_for_the_name_of_the_url() {
    on_a_worker(|worker| async move {
        let (ca, port) = tls_server("localhost").await;
        let upstream = upstream_of(&[https("localhost", port)], |settings| {
            settings.ca = Some(ca.path().to_owned());
        });
        assert_eq!(worker.get(&upstream).await, "localhost http/1.1 0");
    });
}

#[test]
fn a_connection_is_used_until_its_end_or_bytes_that_nobody_asked_for() {
    for last_words in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    ] {
        on_a_worker(|worker| async move {
            let (ca, port) = tls_server_of("localhost", 3, last_words).await;
            let upstream = upstream_of(&[https("localhost", port)], |settings| {
                settings.ca = Some(ca.path().to_owned());
            });
            for number in [0, 0, 0, 1, 1, 1, 2] {
                // Session tickets come meanwhile, which are no such bytes.
                settle().await;
                let expected = format!("localhost http/1.1 {number}");
                assert_eq!(worker.get(&upstream).await, expected);
            }
        });
    }
}

#[test]
fn another_name_or_another_ca_is_no_connection() {
    on_a_worker(|worker| async move {
        let (ca, port) = tls_server("elsewhere.test").await;
        let upstream = upstream_of(&[https("localhost", port)], |settings| {
            settings.ca = Some(ca.path().to_owned());
        });
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Connect(_))));

        let (_, port) = tls_server("localhost").await;
        let upstream = upstream_of(&[https("localhost", port)], |settings| {
            settings.ca = Some(ca.path().to_owned());
        });
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Connect(_))));
    });
}

#[test]
fn a_ca_file_without_a_certificate_is_an_error_with_its_name() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"nothing of use").expect("written");
    let missing = std::path::PathBuf::from("/does/not/exist.pem");
    for path in [file.path().to_owned(), missing] {
        let mut settings = upstream_at(&[]).config.clone();
        settings.urls = vec![https("localhost", 1)];
        settings.ca = Some(path.clone());
        let metrics = crate::metrics::Metrics::new(1, &[]).upstream("test");
        let error = Upstream::new(settings, metrics).err().expect("an error");
        assert_eq!(error.file, path);
    }
}

#[test]
fn an_upstream_is_another_one_when_its_ca_file_or_a_setting_changed() {
    on_a_worker(|_| async move {
        let (ca, port) = tls_server("localhost").await;
        let upstream = upstream_of(&[https("localhost", port)], |settings| {
            settings.ca = Some(ca.path().to_owned());
        });
        let mut wanted = upstream.config.clone();
        wanted.place.line += 1;
        assert!(upstream.is(&wanted), "wherever it stands");
        wanted.max_idle += 1;
        assert!(!upstream.is(&wanted));
        let (other, _) = tls_server("localhost").await;
        std::fs::copy(other.path(), ca.path()).expect("replaced");
        assert!(!upstream.is(&upstream.config));
        std::fs::remove_file(ca.path()).expect("removed");
        assert!(!upstream.is(&upstream.config));
    });
}
