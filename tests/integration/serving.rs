//! Where and how clients connect: addresses, certificates, versions of TLS, resumption; and TLS on the other side.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use portcullis::clock::{Clock, UnixTime};
use portcullis::net::make_self_signed;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::harness::tls::{tls_config, tls_config_of};
use super::harness::tokens::NOW;
use super::harness::upstream::MARK;
use super::harness::{Connection, GatewayBuilder, Request, TestGateway, Upstream};

/// A gateway with these settings of `[server]` and one public route.
fn gateway(server: &str, upstream: &Upstream, directory: TempDir) -> TestGateway {
    let text = format!(
        "[server]\n{server}\n[admin]\nlisten = \"off\"\n\
         [[routes]]\nname = \"open\"\npath = \"/open\"\nupstream = \"{}\"\nauth = \"none\"\n",
        upstream.url()
    );
    TestGateway::start(&text, directory, false)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A certificate and its key, in a directory of their own.
fn pair(directory: &Path, name: &str, now: UnixTime) -> (PathBuf, PathBuf) {
    let inner = directory.join(name.replace('*', "any"));
    make_self_signed(&[name.to_owned()], &inner, now).expect("a certificate")
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("a certificate")
}

#[test]
fn every_address_is_served() {
    let upstream = Upstream::start();
    let mut listen = vec!["127.0.0.1:0", "127.0.0.1:0"];
    // A machine may be without IPv6.
    let ipv6 = TcpListener::bind("[::1]:0").is_ok();
    listen.extend(ipv6.then_some("[::1]:0"));
    let server = format!("listen = {listen:?}\nworkers = 2");
    let gateway = gateway(&server, &upstream, directory());
    assert_eq!(gateway.addresses().len(), listen.len());
    for address in gateway.addresses() {
        upstream.forget();
        let reply = Connection::open(*address).request(&Request::get("/open"));
        assert_eq!(reply.status, 200, "{address}");
        let client = address.ip().to_string();
        assert_eq!(upstream.only().all("x-forwarded-for"), [client]);
    }
}

#[test]
fn an_ipv6_address_may_be_the_host() {
    let upstream = Upstream::start();
    let gateway = gateway("listen = [\"127.0.0.1:0\"]", &upstream, directory());
    let request = Request::get("/open").field("Host", "[::1]:8443");
    assert_eq!(gateway.send(&request).status, 200);
    assert_eq!(upstream.only().all("host"), ["[::1]:8443"]);
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_the_client_asks_for() {
    let upstream = Upstream::start();
    let directory = directory();
    let now = UnixTime::from_seconds(NOW);
    let names = ["first.test", "*.example.com", "api.example.com"];
    let pairs = names.map(|name| pair(directory.path(), name, now));
    let mut server = "listen = [\"127.0.0.1:0\"]\ntls = [".to_owned();
    for (cert, key) in &pairs {
        let _ = write!(server, "{{ cert = {cert:?}, key = {key:?} }},");
    }
    let gateway = gateway(&(server + "]"), &upstream, directory);
    let config = Arc::new(tls_config(b"http/1.1"));
    for (asked, expected) in [
        ("first.test", 0),
        ("www.example.com", 1),
        ("api.example.com", 2),
        ("API.example.com", 2),
        ("a.b.example.com", 0),
        ("elsewhere.test", 0),
        ("127.0.0.1", 0),
    ] {
        let mut connection = Connection::open_tls_as(gateway.address(), asked, &config);
        assert_eq!(connection.request(&Request::get("/open")).status, 200);
        let chain = connection.session().peer_certificates().expect("a chain");
        assert_eq!(chain[0], certificate(&pairs[expected].0), "{asked}");
    }
}

#[test]
fn both_versions_of_tls_are_spoken_over_both_versions_of_http() {
    let upstream = Upstream::start();
    let server = "listen = [\"127.0.0.1:0\"]\ntls = { self_signed = [\"localhost\"] }";
    let gateway = gateway(server, &upstream, directory());
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = Arc::new(tls_config_of(&[version], b"http/1.1"));
        let mut connection = Connection::open_tls_as(gateway.address(), "localhost", &config);
        assert_eq!(connection.request(&Request::get("/open")).status, 200);
        assert_eq!(connection.session().protocol_version(), Some(expected));
        assert_eq!(upstream.last().all("x-forwarded-proto"), ["https"]);

        let config = Arc::new(tls_config_of(&[version], b"h2"));
        let mut connection = Connection::open_tls_as(gateway.address(), "localhost", &config);
        // The preface, and empty settings (RFC 9113 §3.4): the gateway answers with its own.
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let mut frame = [0; 9];
        connection.read_exact(&mut frame).expect("a frame");
        assert_eq!(frame[3], 4, "SETTINGS");
        assert_eq!(connection.session().alpn_protocol(), Some(&b"h2"[..]));
    }
}

#[test]
fn a_session_is_resumed_at_every_worker_and_after_a_reload() {
    let upstream = Upstream::start();
    let server = "listen = [\"127.0.0.1:0\"]\nworkers = 4\ntls = { self_signed = [\"localhost\"] }";
    let gateway = gateway(server, &upstream, directory());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = tls_config_of(&[version], b"http/1.1");
        config.resumption = Resumption::in_memory_sessions(64);
        let config = Arc::new(config);
        let handshake = || {
            let mut connection = Connection::open_tls_as(gateway.address(), "localhost", &config);
            // Tickets of TLS 1.3 come with the answer.
            assert_eq!(connection.request(&Request::get("/open")).status, 200);
            connection.session().handshake_kind()
        };
        assert_eq!(handshake(), Some(HandshakeKind::Full));
        // Of 24 connections hardly one worker of four gets none, whatever the system's choice.
        for _ in 0..24 {
            assert_eq!(handshake(), Some(HandshakeKind::Resumed), "{version:?}");
        }
        assert!(gateway.reload().applied);
        assert_eq!(handshake(), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn a_replaced_certificate_serves_new_connections_and_ends_no_old_one() {
    let upstream = Upstream::start();
    let directory = directory();
    let now = UnixTime::from_seconds(NOW);
    let (cert, key) = pair(directory.path(), "localhost", now);
    let (new_cert, new_key) = make_self_signed(
        &["localhost".to_owned()],
        &directory.path().join("new"),
        now,
    )
    .expect("a certificate");
    let new = certificate(&new_cert);
    let server = format!("listen = [\"127.0.0.1:0\"]\ntls = {{ cert = {cert:?}, key = {key:?} }}");
    let gateway = gateway(&server, &upstream, directory);
    let config = Arc::new(tls_config(b"http/1.1"));
    let mut old = Connection::open_tls_as(gateway.address(), "localhost", &config);
    assert_eq!(old.request(&Request::get("/open")).status, 200);

    std::fs::rename(&new_key, &key).expect("renamed");
    let report = gateway.reload();
    assert!(
        report.error.is_some(),
        "a key of another certificate: {report:?}"
    );
    std::fs::rename(&new_cert, &cert).expect("renamed");
    let report = gateway.reload();
    assert!(report.error.is_none(), "{report:?}");
    let config = Arc::new(tls_config(b"http/1.1"));
    let mut fresh = Connection::open_tls_as(gateway.address(), "localhost", &config);
    assert_eq!(fresh.request(&Request::get("/open")).status, 200);
    assert_eq!(fresh.session().peer_certificates(), Some(&[new][..]));
    assert_eq!(old.request(&Request::get("/open")).status, 200);
}

/// An https upstream for `localhost` that answers `ok` to each connection.
fn tls_upstream(cert: &Path, key: &Path) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(cert)], key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut stream = StreamOwned::new(session, stream);
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok_and(|count| count > 0) {
                let answer = format!(
                    "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
                );
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}

#[test]
fn an_https_upstream_is_believed_with_its_ca_alone() {
    let directory = directory();
    // Upstreams are judged by the real time.
    let now = Clock::System.now();
    let (cert, key) = pair(directory.path(), "localhost", now);
    let (other, _) = pair(directory.path(), "other.test", now);
    let port = tls_upstream(&cert, &key).port();
    let url = format!("https://localhost:{port}");
    let by_address = format!("https://127.0.0.1:{port}");
    let ca = |file: &Path| format!("ca = {file:?}");
    let gateway = GatewayBuilder::bare()
        .upstream("right", &url, &ca(&cert))
        .upstream("wrong-ca", &url, &ca(&other))
        .upstream("wrong-name", &by_address, &ca(&cert))
        .route_to("right", "/right", "auth = \"none\"")
        .route_to("wrong-ca", "/wrong-ca", "auth = \"none\"")
        .route_to("wrong-name", "/wrong-name", "auth = \"none\"")
        .start();
    let reply = gateway.send(&Request::get("/right"));
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    for path in ["/wrong-ca", "/wrong-name"] {
        let reply = gateway.send(&Request::get(path));
        let got = (reply.status, reply.reason());
        assert_eq!(got, (502, "upstream_unreachable".to_owned()), "{path}");
    }
}
