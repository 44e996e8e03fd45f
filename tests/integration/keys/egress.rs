//! The way to a provider: TLS, a proxy, and where it may not lead.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use tempfile::TempDir;

use super::super::harness::certificates::{Authority, self_signed};
use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Provider};
use super::super::harness::proxy::Proxy;
use super::super::harness::{TestGateway, Upstream};
use super::{INTERVAL, World, admitted, key, last_error, outcome, unavailable, wait_for};

/// A directory with the certificate of an authority in `ca.pem`.
fn directory_with(authority: &Authority) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    (directory, file.display().to_string())
}

fn fails(gateway: &TestGateway, issuer: &str, says: &str) {
    wait_until(&format!("{issuer} fails"), || {
        !last_error(gateway, issuer).is_empty()
    });
    let error = last_error(gateway, issuer);
    assert!(error.contains(says), "{issuer}: {error:?}");
    assert_eq!(outcome(gateway, issuer, "a"), unavailable(), "{issuer}");
}

#[test]
fn only_a_certificate_that_is_right_in_all_is_believed() {
    let upstream = Upstream::start();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (directory, ca) = directory_with(&authority);
    let here = "127.0.0.1";
    let rows: [(&str, Arc<ServerConfig>, &str); 4] = [
        ("expired", authority.expired(here), "expired"),
        ("self-signed", self_signed(here), "certificate"),
        (
            "wrong-name",
            authority.server("elsewhere.test"),
            "elsewhere.test",
        ),
        ("another-ca", stranger.server(here), "certificate"),
    ];
    let good = Provider::start_tls(authority.server(here), &[key("a")]);
    let by_name = Provider::start_tls(authority.server("localhost"), &[key("a")]);
    // Speaks no TLS: it waits for the end of a head that never comes.
    let silent = Provider::start(&[key("a")]);
    let of = |url: &str| format!("{{ jwks_url = {url:?}, ca = {ca:?} }}");
    let named = format!("https://localhost:{}{JWKS}", by_name.address().port());
    let plain = format!("https://{}{JWKS}", silent.address());
    let system = format!("{{ jwks_url = {:?} }}", good.url(JWKS));
    let mut world = World::new()
        .issuer("good", &of(&good.url(JWKS)))
        .issuer("by-name", &of(&named))
        .issuer("no-tls", &of(&plain))
        .issuer("system-roots", &system);
    let providers: Vec<Provider> = rows
        .iter()
        .map(|(_, config, _)| Provider::start_tls(Arc::clone(config), &[key("a")]))
        .collect();
    for ((name, _, _), provider) in rows.iter().zip(&providers) {
        world = world.issuer(name, &of(&provider.url(JWKS)));
    }
    let gateway = world.start_in(&upstream, directory);
    wait_for(&gateway, "good", "a");
    wait_for(&gateway, "by-name", "a");
    for ((name, _, says), provider) in rows.iter().zip(&providers) {
        fails(&gateway, name, says);
        assert_eq!(provider.fetches(JWKS), 0, "{name}: nothing was asked for");
    }
    fails(&gateway, "system-roots", "certificate");
    fails(&gateway, "no-tls", "2 s");
}

#[test]
fn a_certificate_that_goes_bad_later_costs_no_request() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let (directory, ca) = directory_with(&authority);
    let good = Provider::start_tls(authority.server("127.0.0.1"), &[key("a")]);
    let keys = format!("{{ jwks_url = {:?}, ca = {ca:?} }}", good.url(JWKS));
    let gateway = World::new()
        .issuer("corp", &keys)
        .start_in(&upstream, directory);
    wait_for(&gateway, "corp", "a");
    good.change_certificate(authority.expired("127.0.0.1"));
    gateway.advance(INTERVAL);
    wait_until("the refresh fails", || {
        last_error(&gateway, "corp").contains("expired")
    });
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    good.publish(&[key("b")]);
    good.change_certificate(authority.server("127.0.0.1"));
    gateway.advance(super::BACK_OFF);
    wait_for(&gateway, "corp", "b");
}

#[test]
fn a_name_with_several_addresses_is_reached_at_the_one_that_answers() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    // ::1 too, where nobody listens.
    let url = format!("http://localhost:{}{JWKS}", provider.address().port());
    let gateway = World::new()
        .issuer("corp", &format!("{{ jwks_url = {url:?} }}"))
        .start(&upstream);
    wait_for(&gateway, "corp", "a");
    let asked = provider.asked(JWKS).pop().expect("a request");
    let host = format!("localhost:{}", provider.address().port());
    assert_eq!(asked.field("host"), Some(&*host));
    assert_eq!(asked.field("accept-encoding"), Some("identity"));
    let agent = asked.field("user-agent").unwrap_or_default();
    assert!(agent.starts_with("portcullis/"), "{agent}");
    for absent in ["authorization", "cookie", "referer", "x-forwarded-for"] {
        assert_eq!(asked.field(absent), None, "{absent}");
    }
}

#[test]
fn with_a_proxy_nothing_goes_another_way() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let (directory, ca) = directory_with(&authority);
    // Names that only the proxy knows.
    let tls = Provider::start_tls(authority.server("keys.test"), &[key("a")]);
    let plain = Provider::start(&[key("a")]);
    let (tunnel, relay) = (Proxy::start(tls.address()), Proxy::start(plain.address()));
    let dead = Proxy::start(plain.address()).url();
    let gateway = World::new()
        .issuer(
            "tunnel",
            &format!(
                "{{ jwks_url = \"https://keys.test/jwks\", ca = {ca:?}, proxy = {:?} }}",
                tunnel.url()
            ),
        )
        .issuer(
            "relay",
            &format!(
                "{{ jwks_url = \"http://keys.test:8080/jwks\", allow_http = true, proxy = {:?} }}",
                relay.url()
            ),
        )
        .issuer(
            "dead",
            &format!("{{ jwks_url = {:?}, proxy = {dead:?} }}", plain.url(JWKS)),
        )
        .start_in(&upstream, directory);
    wait_for(&gateway, "tunnel", "a");
    wait_for(&gateway, "relay", "a");
    let first = |proxy: &Proxy| proxy.heads().first().cloned().unwrap_or_default();
    let (connect, get) = (first(&tunnel), first(&relay));
    assert!(
        connect.starts_with("CONNECT keys.test:443 HTTP/1.1\r\n"),
        "{connect}"
    );
    assert!(
        get.starts_with("GET http://keys.test:8080/jwks HTTP/1.1\r\n"),
        "{get}"
    );
    fails(&gateway, "dead", "");
    assert_eq!(plain.fetches(JWKS), 1, "the proxy is never gone around");
}

#[test]
fn an_authority_that_is_replaced_is_believed_after_the_reload() {
    let upstream = Upstream::start();
    let (old, new) = (Authority::new(), Authority::new());
    let (directory, ca) = directory_with(&old);
    let file = Path::new(&ca).to_owned();
    let provider = Provider::start_tls(new.server("127.0.0.1"), &[key("a")]);
    let keys = format!("{{ jwks_url = {:?}, ca = {ca:?} }}", provider.url(JWKS));
    let gateway = World::new()
        .issuer("corp", &keys)
        .start_in(&upstream, directory);
    fails(&gateway, "corp", "certificate");
    std::fs::write(file, new.pem()).expect("written");
    let report = gateway.reload();
    assert!(report.error.is_none(), "{report:?}");
    gateway.advance(super::BACK_OFF);
    wait_for(&gateway, "corp", "a");
}

/// (the value of `keys`, what the refusal must name)
const REFUSED: [(&str, &str); 16] = [
    ("{ jwks_url = \"http://keys.test/jwks\" }", "http"),
    ("{ jwks_url = \"http://10.0.0.1/jwks\" }", "http"),
    ("{ jwks_url = \"ftp://keys.test/jwks\" }", "http"),
    ("{ jwks_url = \"file:///etc/passwd\" }", "http"),
    ("{ jwks_url = \"/jwks\" }", "URL"),
    ("{ jwks_url = \"\" }", "URL"),
    (
        "{ jwks_url = \"https://user:pass@keys.test/jwks\" }",
        "credentials",
    ),
    ("{ jwks_url = \"https://keys.test/jwks#a\" }", "fragment"),
    (
        "{ jwks_url = \"https://169.254.169.254/jwks\" }",
        "link-local",
    ),
    (
        "{ jwks_url = \"http://169.254.169.254/jwks\", allow_http = true }",
        "link-local",
    ),
    ("{ jwks_url = \"https://[fe80::1]/jwks\" }", "link-local"),
    (
        "{ jwks_url = \"https://[::ffff:169.254.169.254]/jwks\" }",
        "link-local",
    ),
    (
        "{ jwks_url = \"https://keys.test/jwks\", proxy = \"socks5://127.0.0.1:1\" }",
        "proxy",
    ),
    (
        "{ jwks_url = \"https://keys.test/jwks\", jwks_file = \"x\" }",
        "jwks",
    ),
    (
        "{ discovery = \"http://keys.test/.well-known/openid-configuration\" }",
        "http",
    ),
    (
        "{ jwks_url = \"https://keys.test/jwks\", ca = \"/does/not/exist.pem\" }",
        "exist.pem",
    ),
];

#[test]
fn a_url_that_may_not_be_is_refused_before_anything_is_asked() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    let good = format!("{{ jwks_url = {:?} }}", provider.url(JWKS));
    for (keys, named) in REFUSED {
        gateway.change_config(|text| text.replace(&good, keys));
        let report = gateway.reload();
        let error = report.error.unwrap_or_default();
        assert!(error.contains(named), "{keys}: {error:?}");
        assert!(!error.contains("pass@"), "{keys}: {error:?}");
        assert_eq!(outcome(&gateway, "corp", "a"), admitted(), "{keys}");
        gateway.change_config(|text| text.replace(keys, &good));
    }
}
