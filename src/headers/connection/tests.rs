//! Tables of connection options and upgrades.

use super::*;

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// The fields that stay, sorted, or `None` if the request is refused.
fn left(lines: &[(&'static str, &'static str)]) -> Option<Vec<String>> {
    let mut headers = fields(lines);
    let strip = StripSet::new(["X-User", "X-Auth-*"]);
    remove_hop_by_hop(&Method::GET, Version::HTTP_11, &mut headers, &strip).ok()?;
    Some(listed(&headers))
}

fn listed(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn options_of_every_line_are_removed() {
    let lines = [
        ("connection", "keep-alive, Foo"),
        ("connection", "close,, bar ,"),
        ("foo", "1"),
        ("foo", "2"),
        ("bar", "3"),
        ("accept", "*/*"),
    ];
    assert_eq!(left(&lines).unwrap(), ["accept: */*"]);
}

#[test]
fn known_hop_by_hop_fields_are_removed() {
    let lines = [
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("proxy-authorization", "Basic dTpw"),
        ("proxy-authenticate", "Basic"),
        ("te", "gzip"),
        ("expect", "100-continue"),
        ("trailer", "x-checksum"),
        ("upgrade-insecure-requests", "1"),
    ];
    assert_eq!(
        left(&lines).unwrap(),
        ["trailer: x-checksum", "upgrade-insecure-requests: 1"]
    );
}

#[test]
fn of_te_only_trailers_survives() {
    for (value, expected) in [
        ("trailers", Some("trailers")),
        ("Trailers", Some("trailers")),
        ("gzip;q=0.5, trailers", Some("trailers")),
        ("gzip", None),
        ("trailers;q=0.5", None),
        ("xtrailers", None),
    ] {
        let mut headers = fields(&[("connection", "TE"), ("te", value)]);
        let strip = StripSet::default();
        remove_hop_by_hop(&Method::GET, Version::HTTP_11, &mut headers, &strip).unwrap();
        let text = |name| {
            let value: Option<&HeaderValue> = headers.get(name);
            value.map(|value| value.to_str().unwrap())
        };
        assert_eq!(text(header::TE), expected, "{value}");
        // Who sends it says that it is about this connection.
        let option = expected.map(|_| "te");
        assert_eq!(text(header::CONNECTION), option, "{value}");
    }
}

#[test]
fn an_option_that_names_a_protected_field_is_refused() {
    for option in [
        "Host",
        "host",
        "Authorization",
        "cookie",
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "X-Forwarded-For",
        "x_forwarded_proto",
        "Forwarded",
        "X-Real-IP",
        "X-User",
        "x-uSER",
        "X_User",
        "x.user",
        "X-Auth-Roles",
        "close, X-User",
        "foo,bar,host",
    ] {
        assert_eq!(left(&[("connection", option)]), None, "{option}");
        // The first line is not the only one that counts.
        let lines = [("connection", "close"), ("connection", option)];
        assert_eq!(left(&lines), None, "{option}");
    }
}

#[test]
fn an_option_that_is_no_name_is_refused() {
    for option in ["a b", "a;b", "\"close\"", "(x)", "close; x"] {
        assert_eq!(left(&[("connection", option)]), None, "{option}");
    }
    let mut headers = HeaderMap::new();
    let option = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    headers.append(header::CONNECTION, option);
    let strip = StripSet::default();
    let result = remove_hop_by_hop(&Method::GET, Version::HTTP_11, &mut headers, &strip);
    assert_eq!(result, Err(ConnectionOptionError));
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

fn upgrade_of(
    method: &Method,
    version: Version,
    lines: &[(&'static str, &'static str)],
) -> Option<Upgrade> {
    let mut headers = fields(lines);
    let strip = StripSet::default();
    let upgrade = remove_hop_by_hop(method, version, &mut headers, &strip).unwrap();
    assert!(!headers.contains_key(header::UPGRADE) && !headers.contains_key(header::CONNECTION));
    upgrade
}

#[test]
fn a_websocket_handshake_is_found() {
    let upgrade = upgrade_of(&Method::GET, Version::HTTP_11, &HANDSHAKE);
    assert_eq!(upgrade, Some(Upgrade::WebSocket));
    let mut with_length = HANDSHAKE.to_vec();
    with_length.push(("content-length", "0"));
    let upgrade = upgrade_of(&Method::GET, Version::HTTP_11, &with_length);
    assert_eq!(upgrade, Some(Upgrade::WebSocket));
}

#[test]
fn everything_else_is_no_upgrade() {
    assert_eq!(
        upgrade_of(&Method::POST, Version::HTTP_11, &HANDSHAKE),
        None
    );
    assert_eq!(upgrade_of(&Method::GET, Version::HTTP_10, &HANDSHAKE), None);
    assert_eq!(upgrade_of(&Method::GET, Version::HTTP_2, &HANDSHAKE), None);
    for missing in 0..HANDSHAKE.len() {
        let mut lines = HANDSHAKE.to_vec();
        lines.remove(missing);
        assert_eq!(upgrade_of(&Method::GET, Version::HTTP_11, &lines), None);
    }
    for (place, value) in [
        (0, "close"),
        (1, "h2c"),
        (1, "websocket, h2c"),
        (1, "h2c, websocket"),
        (1, "websocket/13"),
    ] {
        let mut lines = HANDSHAKE.to_vec();
        lines[place].1 = value;
        assert_eq!(
            upgrade_of(&Method::GET, Version::HTTP_11, &lines),
            None,
            "{value}"
        );
    }
    for more in [
        ("upgrade", "h2c"),
        ("sec-websocket-key", "AAAA"),
        ("sec-websocket-version", "8"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
    ] {
        let mut lines = HANDSHAKE.to_vec();
        lines.push(more);
        assert_eq!(
            upgrade_of(&Method::GET, Version::HTTP_11, &lines),
            None,
            "{more:?}"
        );
    }
}

#[test]
fn a_response_loses_its_hop_by_hop_fields() {
    let mut headers = fields(&[
        ("connection", "close, X-Internal"),
        ("connection", "a b, foo"),
        ("x-internal", "1"),
        ("foo", "1"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x-checksum"),
        ("www-authenticate", "Basic"),
    ]);
    remove_response_hop_by_hop(&mut headers);
    assert_eq!(
        listed(&headers),
        ["trailer: x-checksum", "www-authenticate: Basic"]
    );
}
