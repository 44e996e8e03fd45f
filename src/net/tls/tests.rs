use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rustls::client::{
    ClientConfig, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;

fn now() -> UnixTime {
    crate::clock::Clock::System.now()
}

fn tickets() -> Arc<dyn ProducesTickets> {
    aws_lc_rs::Ticketer::new().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A pair in a directory of its own.
fn pair(directory: &tempfile::TempDir, of: &[&str]) -> (PathBuf, PathBuf) {
    let inner = directory.path().join(of.join("_").replace('*', "any"));
    make_self_signed(&names(of), &inner, now()).unwrap()
}

/// A client that trusts those certificates.
fn client(pairs: &[(PathBuf, PathBuf)], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for (chain, _) in pairs {
        roots
            .add(CertificateDer::from_pem_file(chain).unwrap())
            .unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

type Ends = (
    client::TlsStream<tokio::io::DuplexStream>,
    server::TlsStream<tokio::io::DuplexStream>,
);

/// A handshake, and a byte each way so that tickets arrive.
async fn handshake(
    server: &ServerTls,
    client: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<Ends> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::clone(client));
    let connect = connector.connect(name, near);
    let accept = TlsAcceptor::from(Arc::clone(&server.config)).accept(far);
    let (client, server) = tokio::join!(connect, accept);
    let (mut client, mut server) = (client?, server?);
    server.write_all(b"x").await?;
    server.flush().await?;
    assert_eq!(client.read_u8().await?, b'x');
    Ok((client, server))
}

fn served(ends: &Ends) -> Vec<String> {
    let chain = ends.0.get_ref().1.peer_certificates().unwrap();
    describe(&chain[0], Path::new("")).unwrap().names
}

#[tokio::test]
async fn alpn_chooses_http2_first_and_refuses_what_is_neither() {
    let directory = tempfile::tempdir().unwrap();
    let pairs = [pair(&directory, &["localhost"])];
    let server = build_server_tls(&pairs, tickets()).unwrap();
    let table: &[(&[&str], Option<&[u8]>)] = &[
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ];
    for (offered, expected) in table {
        let ends = handshake(&server, &client(&pairs, offered), "localhost")
            .await
            .unwrap();
        assert_eq!(ends.1.get_ref().1.alpn_protocol(), *expected);
    }
    assert!(
        handshake(&server, &client(&pairs, &["imap"]), "localhost")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let pairs = [
        pair(&directory, &["first.test", "::1"]),
        pair(&directory, &["*.example.com"]),
        pair(&directory, &["api.example.com"]),
    ];
    let server = build_server_tls(&pairs, tickets()).unwrap();
    let client = client(&pairs, &[]);
    for (asked, expected) in [
        ("first.test", vec!["first.test", "::1"]),
        ("api.example.com", vec!["api.example.com"]),
        ("API.Example.COM", vec!["api.example.com"]),
        ("other.example.com", vec!["*.example.com"]),
        ("::1", vec!["first.test", "::1"]),
    ] {
        let ends = handshake(&server, &client, asked).await.unwrap();
        assert_eq!(served(&ends), expected, "{asked}");
    }
    // One label, not two; and the default is no wildcard: the client refuses it by itself.
    for asked in ["a.b.example.com", "example.com"] {
        assert!(handshake(&server, &client, asked).await.is_err(), "{asked}");
    }
    assert_eq!(server.certificates.len(), 3);
}

#[tokio::test]
async fn a_ticket_resumes_over_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let pairs = [pair(&directory, &["localhost"])];
    let tickets = tickets();
    let before = build_server_tls(&pairs, Arc::clone(&tickets)).unwrap();
    let after = build_server_tls(&pairs, tickets).unwrap();
    let client = client(&pairs, &["h2"]);
    let first = handshake(&before, &client, "localhost").await.unwrap();
    assert_eq!(
        first.1.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Full)
    );
    let second = handshake(&after, &client, "localhost").await.unwrap();
    assert_eq!(
        second.1.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed)
    );
}

/// Keeps the number of tickets that came.
#[derive(Debug, Default)]
struct CountedTickets(AtomicUsize);

impl ClientSessionStore for CountedTickets {
    fn set_kx_hint(&self, _server: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _server: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _server: ServerName<'static>, _session: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _server: ServerName<'static>, _ticket: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Relaxed);
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[tokio::test]
async fn a_connection_gets_as_many_tickets_as_a_browser_opens_connections() {
    let directory = tempfile::tempdir().unwrap();
    let pairs = [pair(&directory, &["localhost"])];
    let server = build_server_tls(&pairs, tickets()).unwrap();
    let counted = Arc::new(CountedTickets::default());
    let store: Arc<dyn ClientSessionStore> = Arc::<CountedTickets>::clone(&counted);
    let mut config = Arc::unwrap_or_clone(client(&pairs, &["h2"]));
    config.resumption = Resumption::store(store);
    handshake(&server, &Arc::new(config), "localhost")
        .await
        .unwrap();
    assert_eq!(counted.0.load(Relaxed), 2);
}

#[test]
fn a_made_certificate_is_kept_while_it_fits() {
    let directory = tempfile::tempdir().unwrap();
    let made = |of: &[&str], at: UnixTime| {
        let (certificate, key) = make_self_signed(&names(of), directory.path(), at).unwrap();
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let (_, info) = load_pair(&certificate, &key).unwrap();
        (std::fs::read(certificate).unwrap(), info)
    };
    let now = now();
    let (first, info) = made(&["localhost", "127.0.0.1", "::1"], now);
    assert_eq!(info.names, ["localhost", "127.0.0.1", "::1"]);
    let lifetime = info.expires.since(now);
    assert!((365 * DAY..=366 * DAY).contains(&lifetime), "{lifetime}");
    assert_eq!(made(&["LOCALHOST", "0:0::1", "127.0.0.1"], now).0, first);
    let (other, _) = made(&["localhost"], now);
    assert_ne!(other, first, "other names");
    let late = now.plus(Duration::from_hours(359 * 24));
    assert_ne!(
        made(&["localhost"], late).0,
        other,
        "less than a week is left"
    );
    std::fs::remove_file(directory.path().join("self-signed.key")).unwrap();
    assert_ne!(made(&["localhost"], late).0, other, "the key is gone");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing is left beside the pair");
}

#[test]
fn errors_name_the_file_and_show_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = pair(&directory, &["a.test"]);
    let (_, other_key) = pair(&directory, &["b.test"]);
    let file = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let pem = |label: &str, body: &str| {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    let missing = directory.path().join("missing.pem");
    let broken = file("broken.key", &pem("PRIVATE KEY", "c2VjcmV0 !!"));
    let no_key = file("no.key", &pem("PRIVATE KEY", "c2VjcmV0"));
    let start = file("start.key", "-----BEGIN SECRET\n");
    let no_certificate = file("no.pem", &pem("CERTIFICATE", "c2VjcmV0"));
    let table = [
        (&missing, &key, &missing, "No such file"),
        (&chain, &missing, &missing, "No such file"),
        (&key, &key, &key, "no certificate in it"),
        (&chain, &chain, &chain, "no private key in it"),
        (
            &chain,
            &broken,
            &broken,
            "not a PEM file with a private key",
        ),
        (&chain, &no_key, &no_key, "of no kind that can be used"),
        (&chain, &start, &start, "not a PEM file with a private key"),
        (&no_certificate, &key, &no_certificate, ""),
        (&chain, &other_key, &other_key, "does not belong to"),
    ];
    for (chain, key, at_fault, problem) in table {
        let error = build_server_tls(&[(chain.clone(), key.clone())], tickets()).unwrap_err();
        assert_eq!(&error.file, at_fault);
        assert!(error.problem.contains(problem), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("SECRET"),
            "{shown}"
        );
    }
    assert!(build_server_tls(&[], tickets()).is_err());
}

const DAY: i64 = 24 * 60 * 60;
