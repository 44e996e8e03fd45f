use rcgen::date_time_ymd;
use tokio::net::{TcpListener, TcpSocket};

use crate::config::RemoteKeys;
use crate::keys::fetch::Limits;
use crate::keys::scripted::{Authority, Provider, Reply, Then, reply, rules, self_signed};
use crate::keys::{Fetched, KeyClient};

use super::*;

fn ok(_: &str) -> Reply {
    reply("200 OK", b"by the provider")
}

/// What a client with so much time for a connection gets from a URL.
async fn get_within(
    connect: Duration,
    url: &str,
    change: impl FnOnce(&mut RemoteKeys),
) -> Result<String, String> {
    let mut source = rules();
    change(&mut source);
    let limits = Limits {
        connect,
        total: Duration::from_secs(20),
        ..Limits::default()
    };
    let client = KeyClient::with_limits(&source, limits).map_err(|error| error.to_string())?;
    match client.get(&url.parse().unwrap(), None).await {
        Ok(Fetched::Document(document)) => Ok(String::from_utf8(document.bytes).unwrap()),
        Ok(Fetched::NotModified { .. }) => panic!("no entity-tag was sent"),
        Err(error) => Err(error.to_string()),
    }
}

async fn get(url: &str, change: impl FnOnce(&mut RemoteKeys)) -> Result<String, String> {
    get_within(Duration::from_secs(10), url, change).await
}

const BY_PROVIDER: Result<&str, &str> = Ok("by the provider");
const BY_PROXY: Result<&str, &str> = Ok("by the proxy");

fn seen(answer: &Result<String, String>) -> Result<&str, &str> {
    answer.as_deref().map_err(String::as_str)
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/");
    let refused = get(&url, |_| ()).await.unwrap_err();
    assert_eq!(refused, "cannot connect: Connection refused (os error 111)");
    // A label is of 63 bytes at most.
    let name = "a".repeat(64);
    let unknown = get(&format!("https://{name}/"), |_| ()).await.unwrap_err();
    let expected = format!("cannot resolve \"{name}\": ");
    assert!(unknown.starts_with(&expected), "{unknown}");
    assert!(unknown.len() > expected.len());
}

#[tokio::test]
async fn the_system_or_the_bundle_says_whom_to_trust() {
    let authority = Authority::new();
    let trusting = |source: &mut RemoteKeys| source.ca = Some(authority.file.path().to_owned());
    for name in ["localhost", "127.0.0.1"] {
        let provider = Provider::https(authority.tls(name, |_| ()), ok).await;
        let url = format!("https://{name}:{}/", provider.port);
        assert_eq!(seen(&get(&url, trusting).await), BY_PROVIDER);
        // The bundle is all there is.
        let other = Authority::new();
        for ca in [Some(other.file.path()), None] {
            let error = get(&url, |source| source.ca = ca.map(Into::into)).await;
            let expected =
                "the certificate is of no CA that is trusted (`ca` would name another)".to_owned();
            assert_eq!(error, Err(expected));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_and_named() {
    let authority = Authority::named("a CA");
    let good = |_: &mut rcgen::CertificateParams| ();
    for (tls, text) in [
        (
            authority.tls("localhost", |params| {
                params.not_after = date_time_ymd(2020, 1, 2);
            }),
            "the certificate expired at 2020-01-02T00:00:00Z",
        ),
        (
            authority.tls("localhost", |params| {
                params.not_before = date_time_ymd(4000, 1, 2);
            }),
            "the certificate is not valid before 4000-01-02T00:00:00Z",
        ),
        (
            authority.tls("elsewhere.test", good),
            "the certificate is not for \"localhost\" but for \"elsewhere.test\"",
        ),
        (
            self_signed("localhost"),
            "the certificate is of no CA that is trusted (`ca` would name another)",
        ),
        (
            Authority::new().tls("localhost", good),
            "the certificate is of no CA that is trusted (`ca` would name another)",
        ),
        (
            Authority::named("a CA").tls("localhost", good),
            "the certificate is not signed by the trusted CA of that name",
        ),
        (
            authority.tls("localhost", |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            "the certificate is not right: ",
        ),
    ] {
        let provider = Provider::https(tls, ok).await;
        let url = format!("https://localhost:{}/", provider.port);
        let ca = authority.file.path().to_owned();
        let error = get(&url, |source| source.ca = Some(ca)).await.unwrap_err();
        assert!(error.starts_with(text), "{error}");
        assert_eq!(provider.heads(), [""; 0], "nothing was asked");
    }
}

#[tokio::test]
async fn a_url_of_https_is_never_asked_in_the_clear() {
    let authority = Authority::new();
    let ca = |source: &mut RemoteKeys| source.ca = Some(authority.file.path().to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut first = [0; 3];
        tcp.read_exact(&mut first).await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        first
    });
    let error = get(&url, ca).await.unwrap_err();
    assert_eq!(
        error,
        "TLS handshake: what came is not TLS (is it plain http?)"
    );
    assert_eq!(asked.await.unwrap()[..2], [0x16, 3], "a handshake record");
}

/// An address where the system drops what comes, because the queue is full; for as long as the rest is kept.
async fn silent_address() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(Ok(tcp)) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        waiting.push(tcp);
    }
    (address, (listener, waiting))
}

#[tokio::test]
async fn an_address_that_drops_packets_leaves_time_for_the_next() {
    let (silent, _queue) = silent_address().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answering = listener.local_addr().unwrap();
    let limit = Duration::from_secs(1);
    let time = Time {
        limit,
        end: Instant::now() + limit,
    };
    // Without a port in the URL those of the addresses count.
    let url = Uri::from_static("http://provider.test/");
    let tcp = time.tcp(&url, vec![silent, answering]).await.unwrap();
    assert_eq!(tcp.inner().peer_addr().unwrap(), answering);
}

#[tokio::test]
async fn each_step_of_a_connection_has_an_end() {
    const SHORT: Duration = Duration::from_millis(200);
    let hang = |_: &str| (Vec::new(), Then::Hang);
    let silent = Provider::http(hang).await;
    let url = format!("https://127.0.0.1:{}/", silent.port);
    let authority = Authority::new();
    let ca = |source: &mut RemoteKeys| source.ca = Some(authority.file.path().to_owned());
    let error = get_within(SHORT, &url, ca).await.unwrap_err();
    assert_eq!(error, "timed out after 0.2 s in the TLS handshake");

    let through = |source: &mut RemoteKeys| {
        ca(source);
        source.proxy = Some(silent.url("/"));
    };
    let error = get_within(SHORT, "https://provider.test/", through).await;
    let expected = "timed out after 0.2 s while the proxy made a tunnel";
    assert_eq!(error.unwrap_err(), expected);

    let (address, _queue) = silent_address().await;
    let error = get_within(SHORT, &format!("http://{address}/"), |_| ()).await;
    let expected = "timed out after 0.2 s while connecting";
    assert_eq!(error.unwrap_err(), expected);
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_handshake_is_no_riddle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let authority = Authority::new();
    let ca = |source: &mut RemoteKeys| source.ca = Some(authority.file.path().to_owned());
    let error = get(&url, ca).await.unwrap_err();
    assert!(error.starts_with("TLS handshake: "), "{error}");
}

#[tokio::test]
async fn link_local_and_metadata_addresses_are_not_connected_to() {
    let provider = Provider::http(ok).await;
    let port = provider.port;
    // `0.0.0.0` is this machine and in the list: what is not refused would be answered.
    for (host, address) in [
        ("0.0.0.0", "0.0.0.0"),
        ("[::ffff:0.0.0.0]", "::ffff:0.0.0.0"),
        // As the resolver understands it.
        ("0", "0.0.0.0"),
        ("0x0.0", "0.0.0.0"),
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("169.254.169.254", "169.254.169.254"),
        ("100.100.100.200", "100.100.100.200"),
        ("[fe80::1]", "fe80::1"),
        ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
    ] {
        let url = format!("http://{host}:{port}/");
        let error = get(&url, |_| ()).await.unwrap_err();
        let expected = format!(
            "{address} is link-local or of a metadata service, which `allow_link_local` would admit"
        );
        assert_eq!(error, expected, "{host}");
    }
    assert_eq!(provider.heads(), [""; 0]);
    let allowed = |source: &mut RemoteKeys| source.allow_link_local = true;
    let url = format!("http://0.0.0.0:{port}/");
    assert_eq!(seen(&get(&url, allowed).await), BY_PROVIDER);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{port}/");
        assert_eq!(seen(&get(&url, |_| ()).await), BY_PROVIDER);
    }
}

#[test]
fn of_several_addresses_those_that_are_permitted_are_tried() {
    let all = |texts: &[&str]| -> Vec<SocketAddr> {
        let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
        texts.iter().map(address).collect()
    };
    for (found, tried) in [
        (
            &["10.0.0.1", "fe80::1", "::1"][..],
            &["10.0.0.1", "::1"][..],
        ),
        (&["169.254.169.254", "8.8.8.8"], &["8.8.8.8"]),
        (&[], &[]),
    ] {
        assert_eq!(only_permitted(all(found)).unwrap(), all(tried));
    }
    let error = only_permitted(all(&["fe80::1", "169.254.169.254"])).unwrap_err();
    assert!(matches!(error, ConnectError::Forbidden(address) if address.to_string() == "fe80::1"));
}

#[tokio::test]
async fn a_proxy_makes_a_tunnel_for_https_and_reads_plain_http() {
    let authority = Authority::new();
    let provider = Provider::https(authority.tls("provider.test", |_| ()), ok).await;
    let proxy = Provider::proxy().await;
    let through = |source: &mut RemoteKeys| {
        source.ca = Some(authority.file.path().to_owned());
        source.proxy = Some(proxy.url("/"));
    };
    let port = provider.port;
    // A name that the proxy alone knows. The certificate is for that name, not for the proxy's.
    let url = format!("https://provider.test:{port}/keys?a=b");
    assert_eq!(seen(&get(&url, through).await), BY_PROVIDER);
    let other = get(&format!("https://other.test:{port}/keys"), through).await;
    let expected = "the certificate is not for \"other.test\" but for \"provider.test\"";
    assert_eq!(other.unwrap_err(), expected);
    assert_eq!(provider.paths(), ["/keys?a=b"]);
    let connect = |name: &str| {
        format!("CONNECT {name}.test:{port} HTTP/1.1\r\nHost: {name}.test:{port}\r\n\r\n")
    };
    assert_eq!(proxy.heads(), [connect("provider"), connect("other")]);

    let plain = get("http://provider.test/keys?a=b", through).await;
    assert_eq!(seen(&plain), BY_PROXY);
    let head = proxy.heads().pop().unwrap();
    let line = "GET http://provider.test/keys?a=b HTTP/1.1\r\n";
    assert!(head.starts_with(line), "{head}");
    assert!(head.contains("\r\nhost: provider.test\r\n"), "{head}");
}

#[tokio::test]
async fn an_address_that_is_not_permitted_is_not_asked_of_a_proxy_either() {
    let proxy = Provider::proxy().await;
    // The proxy itself may be anywhere.
    let at = format!("http://0.0.0.0:{}/", proxy.port)
        .parse::<Uri>()
        .unwrap();
    let through = |source: &mut RemoteKeys| source.proxy = Some(at.clone());
    for url in ["http://169.254.169.254/", "https://[fe80::1]/"] {
        let error = get(url, through).await.unwrap_err();
        assert!(
            error.ends_with("which `allow_link_local` would admit"),
            "{error}"
        );
    }
    assert_eq!(proxy.heads(), [""; 0]);
    let allowed = |source: &mut RemoteKeys| {
        through(source);
        source.allow_link_local = true;
    };
    let answer = get("http://169.254.169.254/", allowed).await;
    assert_eq!(seen(&answer), BY_PROXY);
}

#[tokio::test]
async fn what_the_proxy_will_not_do_is_told() {
    for (answer, text) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "unsuccessful"),
        (
            "HTTP/1.1 407 Authorize\r\n\r\n",
            "proxy authorization required",
        ),
        ("<html>", "unsuccessful"),
        ("HTTP/1.1 200", "unexpected end of file"),
    ] {
        let proxy = Provider::http(move |_| (answer.as_bytes().to_vec(), Then::Close)).await;
        let through = |source: &mut RemoteKeys| source.proxy = Some(proxy.url("/"));
        let error = get("https://provider.test/", through).await.unwrap_err();
        assert_eq!(error, format!("the proxy made no tunnel: {text}"));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let through = |source: &mut RemoteKeys| source.proxy = Some(at.parse().unwrap());
    for url in ["https://provider.test/", "http://provider.test/"] {
        let error = get(url, through).await.unwrap_err();
        assert_eq!(
            error,
            "proxy: cannot connect: Connection refused (os error 111)"
        );
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_used_is_named() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (file, text) in [
        (empty.path(), "no certificate in it"),
        ("/does/not/exist.pem".as_ref(), "cannot read the file: "),
    ] {
        let mut source = rules();
        source.ca = Some(file.to_owned());
        let error = KeyClient::new(&source).unwrap_err();
        assert_eq!(error.file, file);
        assert!(error.problem.starts_with(text), "{}", error.problem);
    }
}
