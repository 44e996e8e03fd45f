//! Tables of request heads.

use http::{HeaderValue, Request};

use super::*;

/// Host and path of a target, or why it is refused. `hosts` are the Host lines.
fn parse(
    method: &str,
    target: &str,
    hosts: &[&str],
    version: Version,
) -> Result<(Option<String>, String), TargetError> {
    let mut headers = HeaderMap::new();
    for host in hosts {
        headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri: Uri = target.parse().unwrap();
    let target = Target::parse(&method, &uri, &headers, version)?;
    Ok((
        target.host.as_deref().map(str::to_owned),
        target.path.to_owned(),
    ))
}

const H1: Version = Version::HTTP_11;
const H2: Version = Version::HTTP_2;

/// Asserts host and path of a target that is taken; an empty host is none.
fn taken(method: &str, target: &str, hosts: &[&str], version: Version, host: &str, path: &str) {
    let host = (!host.is_empty()).then(|| host.to_owned());
    let expected = Ok((host, path.to_owned()));
    assert_eq!(
        parse(method, target, hosts, version),
        expected,
        "{method} {target}"
    );
}

#[test]
fn origin_form() {
    const H10: Version = Version::HTTP_10;
    taken(
        "GET",
        "/api/x?a=%2F&b=%00",
        &["gw.test"],
        H1,
        "gw.test",
        "/api/x",
    );
    taken("GET", "/", &["GW.TEST:8443"], H1, "gw.test", "/");
    taken("get", "/api/x", &["gw.test"], H1, "gw.test", "/api/x");
    taken("GET", "/api/x", &[], H10, "", "/api/x");
    taken("GET", "/api/x", &["gw.test."], H10, "gw.test", "/api/x");
    // `http` drops the fragment.
    taken(
        "GET",
        "/api/x#/public/x",
        &["gw.test"],
        H1,
        "gw.test",
        "/api/x",
    );
    taken("OPTIONS", "*", &["gw.test"], H1, "gw.test", "*");
}

#[test]
fn absolute_form() {
    taken(
        "GET",
        "http://gw.test/api/x",
        &["gw.test"],
        H1,
        "gw.test",
        "/api/x",
    );
    taken(
        "GET",
        "http://GW.test:80/api/x",
        &["gw.test"],
        H1,
        "gw.test",
        "/api/x",
    );
    taken(
        "GET",
        "https://gw.test",
        &["gw.test:443"],
        H1,
        "gw.test",
        "/",
    );
    taken(
        "GET",
        "http://gw.test/x",
        &[],
        Version::HTTP_10,
        "gw.test",
        "/x",
    );
}

#[test]
fn pseudo_header_fields() {
    taken("GET", "https://GW.TEST/api/x", &[], H2, "gw.test", "/api/x");
    taken(
        "GET",
        "https://gw.test/api/x",
        &["GW.test:443"],
        H2,
        "gw.test",
        "/api/x",
    );
    // Without :authority (RFC 9113 §8.3.1).
    taken("GET", "/api/x", &["gw.test"], H2, "gw.test", "/api/x");
}

#[test]
fn hosts_that_are_refused() {
    for (target, hosts, version) in [
        ("/api/x", &[][..], H1),
        ("/api/x", &[""], H1),
        ("/api/x", &["gw.test", "gw.test"], H1),
        ("/api/x", &["gw.test", "gw.test"], Version::HTTP_10),
        ("/api/x", &["gw.test,evil.test"], H1),
        ("/api/x", &["user@gw.test"], H1),
        ("/api/x", &["http://gw.test"], H1),
        ("http://gw.test/api/x", &[], H1),
        ("http://169.254.169.254/latest/meta-data/", &["gw.test"], H1),
        ("http://gw.test@evil.test/api/x", &["gw.test"], H1),
        ("http://user@gw.test/api/x", &["gw.test"], H1),
        ("http://gw.test:8080/api/x", &["gw.test"], H1),
        ("http://gw.test/api/x", &["gw.test:443"], H1),
        ("/api/x", &[], H2),
        ("https://gw.test/x", &["evil.test"], H2),
        ("https://gw.test/x", &["gw.test", "gw.test"], H2),
        ("https://user@gw.test/x", &[], H2),
    ] {
        let result = parse("GET", target, hosts, version);
        assert!(
            matches!(result, Err(TargetError::Host(_))),
            "{target} {hosts:?} {result:?}"
        );
    }
}

#[test]
fn forms_that_are_refused() {
    for (method, target) in [
        ("GET", "*"),
        ("GET", "gw.test"),
        ("GET", "gw.test:80"),
        ("OPTIONS", "gw.test:80"),
        ("GET", "ftp://gw.test/x"),
        ("GET", "file://gw.test/etc/passwd"),
        ("GET", "http://gw.test?x"),
    ] {
        let result = parse(method, target, &["gw.test"], H1);
        assert!(
            matches!(result, Err(TargetError::Malformed(_))),
            "{target} {result:?}"
        );
    }
}

#[test]
fn a_query_is_no_path_over_http2() {
    let uri = http::uri::Builder::new()
        .scheme("https")
        .authority("gw.test")
        .path_and_query("?x")
        .build()
        .unwrap();
    let result = Target::parse(&Method::GET, &uri, &HeaderMap::new(), H2).map(|_| ());
    assert!(matches!(result, Err(TargetError::Malformed(_))));
}

#[test]
fn tunnels_and_traces_are_not_implemented() {
    for (method, target) in [
        ("CONNECT", "127.0.0.1:22"),
        ("TRACE", "/"),
        ("trace", "/"),
        ("Connect", "/"),
    ] {
        let result = parse(method, target, &["127.0.0.1:22"], H1);
        assert_eq!(result, Err(TargetError::NotImplemented));
    }
}

#[test]
fn a_path_must_be_permitted() {
    let both = PathAllow {
        encoded_slash: true,
        double_slash: true,
    };
    let slash = PathAllow {
        encoded_slash: true,
        double_slash: false,
    };
    for (path, allow, expected) in [
        ("/a", PathAllow::default(), Ok(())),
        (
            "/a%2Fb",
            PathAllow::default(),
            Err(TargetError::EncodedSlash),
        ),
        ("/a%2Fb", slash, Ok(())),
        ("/a//b", slash, Err(TargetError::DoubleSlash)),
        ("/a//b%5c", both, Ok(())),
    ] {
        let request = Request::get(path)
            .header("host", "gw.test")
            .body(())
            .unwrap();
        let target = Target::parse(request.method(), request.uri(), request.headers(), H1).unwrap();
        assert_eq!(target.permitted(allow), expected, "{path}");
    }
}
