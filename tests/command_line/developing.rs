//! `dev` over TLS, as curl would use it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::process::{Running, Sandbox, exchange, get, upstream};

/// A GET over TLS for `localhost`, trusting what `curl --cacert` would.
pub(crate) fn get_tls(address: SocketAddr, ca: &Path, target: &str, fields: &str) -> (u16, String) {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).expect("a certificate");
    roots.add(certificate).expect("a trust anchor");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = TcpStream::connect(address).expect("a connection");
    exchange(
        StreamOwned::new(session, stream),
        "localhost",
        target,
        fields,
    )
}

fn dev(sandbox: &Sandbox, more: &[&str]) -> Running {
    let all = [
        &["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        more,
    ]
    .concat();
    let gateway = Running::start(sandbox.command(&all));
    gateway.wait_for("Ctrl-C ends it.");
    gateway
}

/// The words of a shell line without escapes: quotes hold spaces.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    let words = quoted.flat_map(|(index, part)| {
        let parts: Vec<&str> = if index % 2 == 1 {
            vec![part]
        } else {
            part.split_whitespace().collect()
        };
        parts.into_iter().map(str::to_owned)
    });
    words.collect()
}

/// Does what a printed `curl` line says.
fn curl(line: &str) -> (u16, String) {
    let words = words(line);
    let after = |option: &str| {
        let at = words.iter().position(|word| word == option)?;
        words.get(at + 1)
    };
    let url = words
        .iter()
        .find(|word| word.contains("://"))
        .expect("a URL");
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let (authority, path) = rest.split_once('/').expect("a path");
    let port = authority.strip_prefix("localhost:").expect("localhost");
    let address = ([127, 0, 0, 1], port.parse().expect("a port")).into();
    let field = after("-H").map_or_else(String::new, |field| format!("{field}\r\n"));
    let target = format!("/{path}");
    match (scheme, after("--cacert")) {
        ("https", Some(ca)) => get_tls(address, Path::new(ca), &target, &field),
        ("http", None) => get(address, &target, &field),
        _ => panic!("{line}"),
    }
}

/// The two lines of the welcome.
fn lines(gateway: &Running) -> [String; 2] {
    let said = gateway.said();
    let lines = said.lines().filter(|line| line.starts_with("curl "));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.try_into().unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn the_lines_work_over_tls_with_the_certificate_that_they_name() {
    let sandbox = Sandbox::new();
    let mut gateway = dev(&sandbox, &[]);
    let [refused, admitted] = lines(&gateway);
    let (status, answer) = curl(&refused);
    assert_eq!(status, 401, "{answer}");
    assert!(answer.contains("\"reason\":\"missing_token\""), "{answer}");
    let (status, answer) = curl(&admitted);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"x-auth-subject\": \"alice\""), "{answer}");

    let certificate = words(&refused)
        .into_iter()
        .skip_while(|word| word != "--cacert")
        .nth(1)
        .expect("a certificate");
    assert!(Path::new(&certificate).exists());
    gateway.signal("INT");
    assert_eq!(gateway.end().code(), Some(0));
    assert!(!Path::new(&certificate).exists(), "it cleans up");
}

#[test]
fn an_application_of_ones_own_can_be_put_behind() {
    let sandbox = Sandbox::new();
    let url = format!("http://{}", upstream());
    let gateway = dev(&sandbox, &["--no-tls", "--upstream", &url]);
    let [refused, admitted] = lines(&gateway);
    assert_eq!(curl(&refused).0, 401);
    let (status, answer) = curl(&admitted);
    assert!(status == 200 && answer.ends_with("\r\n\r\nok"), "{answer}");
}
