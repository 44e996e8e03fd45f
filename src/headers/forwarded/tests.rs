//! Tables of clients and forwarding fields.

use super::*;

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

fn trusted() -> TrustedProxies {
    let nets = ["10.0.0.0/8", "2001:db8::/32"];
    TrustedProxies(nets.iter().map(|net| net.parse().unwrap()).collect())
}

fn client(address: &str, via_trusted_proxy: bool, secure: bool) -> Client {
    Client {
        address: address.parse().unwrap(),
        via_trusted_proxy,
        secure,
    }
}

#[test]
fn the_client_is_the_rightmost_untrusted_address() {
    for (peer, lines, expected) in [
        ("192.0.2.1:1", &[][..], "192.0.2.1"),
        ("192.0.2.1:1", &["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1:1", &[], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.7"], "198.51.100.7"),
        ("[::ffff:10.0.0.1]:1", &["198.51.100.7"], "198.51.100.7"),
        ("[::ffff:192.0.2.1]:1", &["198.51.100.7"], "192.0.2.1"),
        ("[2001:db8::1]:1", &["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1:1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        (
            "10.0.0.1:1",
            &["1.1.1.1,198.51.100.7 , 10.9.9.9"],
            "198.51.100.7",
        ),
        ("10.0.0.1:1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        (
            "10.0.0.1:1",
            &["198.51.100.7", "10.2.2.2", "10.3.3.3"],
            "198.51.100.7",
        ),
        // All are trusted: the first of them.
        ("10.0.0.1:1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        // What is no address ends the walk.
        ("10.0.0.1:1", &["198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.7, evil, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1:1", &["198.51.100.7,"], "10.0.0.1"),
        ("10.0.0.1:1", &[""], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1:1", &["[2001:db9::1]:4711"], "2001:db9::1"),
        ("10.0.0.1:1", &["[2001:db9::1]"], "2001:db9::1"),
        ("10.0.0.1:1", &["2001:db9::1"], "2001:db9::1"),
        ("10.0.0.1:1", &["::ffff:198.51.100.7"], "198.51.100.7"),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let found = client_of(peer.parse().unwrap(), true, &headers, &trusted());
        assert_eq!(
            found.address,
            expected.parse::<IpAddr>().unwrap(),
            "{peer} {lines:?}"
        );
    }
}

#[test]
fn only_a_trusted_proxy_tells_whether_the_client_is_secure() {
    for (peer, secure, lines, expected) in [
        ("192.0.2.1:1", false, &["https"][..], false),
        ("192.0.2.1:1", true, &["http"], true),
        ("10.0.0.1:1", false, &["https"], true),
        ("10.0.0.1:1", false, &["HTTPS"], true),
        ("10.0.0.1:1", true, &["http"], false),
        ("10.0.0.1:1", true, &[], true),
        ("10.0.0.1:1", false, &["https, http"], false),
        ("10.0.0.1:1", false, &["https", "https"], false),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_PROTO, HeaderValue::from_static(line));
        }
        let found = client_of(peer.parse().unwrap(), secure, &headers, &trusted());
        assert_eq!(found.secure, expected, "{peer} {lines:?}");
    }
}

/// The fields that the upstream sees, sorted.
fn forwarded(lines: &[(&'static str, &'static str)], client: Client, peer: &str) -> Vec<String> {
    let mut headers = fields(lines);
    let host = Some(HeaderValue::from_static("gw.test:8443"));
    set_forwarded(&mut headers, client, peer.parse().unwrap(), host);
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort_unstable();
    lines
}

const SPOOFED: [(&str, &str); 17] = [
    ("forwarded", "for=127.0.0.1"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-for", "203.0.113.8"),
    ("x_forwarded_for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.test"),
    ("x.forwarded.host", "evil.test"),
    ("x-forwarded-prefix", "/evil"),
    ("x-real-ip", "127.0.0.1"),
    ("x_real_ip", "127.0.0.1"),
    ("x-original-url", "/public"),
    ("x-rewrite-url", "/public"),
    ("x-http-method-override", "OPTIONS"),
    ("x_http_method_override", "OPTIONS"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x_request_id", "evil"),
];

#[test]
fn an_untrusted_peer_sets_nothing() {
    let found = forwarded(&SPOOFED, client("192.0.2.1", false, false), "192.0.2.1");
    assert_eq!(
        found,
        [
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: gw.test:8443",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn what_a_trusted_peer_sets_is_kept_but_no_other_spelling() {
    let found = forwarded(
        &SPOOFED,
        client("203.0.113.8", true, true),
        "::ffff:10.0.0.1",
    );
    assert_eq!(
        found,
        [
            "forwarded: for=127.0.0.1",
            "x-forwarded-for: 203.0.113.7, 203.0.113.8, 10.0.0.1",
            "x-forwarded-host: evil.test",
            "x-forwarded-prefix: /evil",
            "x-forwarded-proto: https",
            "x-original-url: /public",
            "x-real-ip: 127.0.0.1",
            "x-rewrite-url: /public",
        ]
    );
}

#[test]
fn a_trusted_peer_that_sets_nothing_is_a_client_like_any() {
    let secure = client("10.0.0.1", true, true);
    assert_eq!(
        forwarded(&[], secure, "10.0.0.1"),
        [
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-host: gw.test:8443",
            "x-forwarded-proto: https",
        ]
    );
}

#[test]
fn addresses_are_written_as_rust_does() {
    for address in [
        "0.0.0.0",
        "255.255.255.255",
        "10.20.3.40",
        "::",
        "2001:db8::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "1111:2222:3333:4444:5555:6666:7777:8888",
    ] {
        let mut text = StackText::default();
        write_address(&mut text, address.parse().unwrap()).unwrap();
        assert_eq!(text.as_bytes(), address.as_bytes());
    }
}

#[test]
fn via_is_appended() {
    let mut headers = fields(&[("via", "1.1 edge")]);
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        append_via(&mut headers, version);
    }
    let lines: Vec<_> = headers.get_all(header::VIA).iter().collect();
    assert_eq!(
        lines,
        [
            "1.1 edge",
            "1.0 portcullis",
            "1.1 portcullis",
            "2 portcullis"
        ]
    );
}

#[test]
fn a_request_id_comes_from_a_trusted_proxy_alone() {
    let long = "x".repeat(129);
    let longest = "x".repeat(128);
    for (lines, expected) in [
        (&["0199-abc"][..], Some("0199-abc")),
        (&[&*longest], Some(&*longest)),
        (&[], None),
        (&[""], None),
        (&["a b"], None),
        (&["a\tb"], None),
        (&["é"], None),
        (&[&*long], None),
        (&["a", "a"], None),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(REQUEST_ID, line);
        }
        assert_eq!(request_id_of(&headers), expected);
    }
}
