use super::*;

const OK: Option<&str> = None;

/// The stream, and what is found in it.
const STREAMS: &[(&[u8], Option<&str>)] = &[
    // Good ones, with what follows found at the right place.
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", OK),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", OK),
    (b"GET / HTTP/1.0\r\n\r\n", OK),
    (b"M-SEARCH * HTTP/1.1\r\nHost:a\r\nX:\r\nY: \t b c\t\r\nZ: caf\xc3\xa9\r\n\r\n", OK),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\0\xffGET / HTTP/1.1\r\n\r\n", OK),
    (b"POST / HTTP/1.1\r\ncontent-LENGTH:\t0 \r\n\r\nGET / HTTP/1.1\r\n\r\n", OK),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhel\nx\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", OK),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: abc\r\nY: z\r\n\r\nGET / HTTP/1.1\r\n\r\n", OK),
    (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n", OK),
    // Line ends.
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Some("a line ends with a bare LF")),
    (b"GET / HTTP/1.1\r\nX: y\nX-User: admin\r\n\r\n", Some("a line ends with a bare LF")),
    (b"GET / HTTP/1.1\r\nX: y\r\n\n", Some("a line ends with a bare LF")),
    (b"GET / HTTP/1.1\r\nX: y\rz\r\n\r\n", Some("a field value has a control byte")),
    (b"GET / HTTP/1.1\r\nX: y\r\r\n\r\n", Some("a field value has a control byte")),
    (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some("empty lines before the request line")),
    (b"\r\n\r\n\0\r\nQUIT\n", Some("empty lines before the request line")),
    // Request lines.
    (b"GET  / HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET /  HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET / y HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET /a#b HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET /a\tb HTTP/1.1\r\n\r\n", Some("the request target has a forbidden byte")),
    (b"GET\t/ HTTP/1.1\r\n\r\n", Some("no request target")),
    (b"GET HTTP/1.1\r\n\r\n", Some("no request target")),
    (b" / HTTP/1.1\r\n\r\n", Some("the method is not a token")),
    (b"GE(T / HTTP/1.1\r\n\r\n", Some("the method is not a token")),
    (b"GET /\rHTTP/1.1\r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"GET / HTTP/1.1 \r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"GET / http/1.1\r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"GET / HTTP/1.2\r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"GET / HTTP/2.0\r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    (b"PROXY TCP4 10.0.0.1 127.0.0.1 1 80\r\n", Some("the version is not HTTP/1.1 or HTTP/1.0")),
    // Field lines.
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX: a\r\n\tb: c\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", Some("a field line without a colon")),
    (b"GET / HTTP/1.1\r\nX : a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX\t: a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\n: a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX\0: a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX\xa0: a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\n\"X\": a\r\n\r\n", Some("a field name is not a token")),
    (b"GET / HTTP/1.1\r\nX\r\n\r\n", Some("a field line without a colon")),
    (b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", Some("a field value has a control byte")),
    (b"GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n", Some("a field value has a control byte")),
    (b"GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n", Some("a field value has a control byte")),
    // Lengths.
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Some("Content-Length twice")),
    (b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length: 05\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\nhello", Some("Content-Length is not a plain number")),
    (b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551621\r\n\r\n", Some("Content-Length is not a plain number")),
    // Transfer codings.
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Some("Content-Length beside Transfer-Encoding")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Some("Content-Length beside Transfer-Encoding")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Some("Transfer-Encoding twice")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Some("a transfer coding other than chunked")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked;x\r\n\r\n", Some("a transfer coding other than chunked")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: \r\n\r\n", Some("a transfer coding other than chunked")),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", Some("a transfer coding other than chunked")),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Some("Transfer-Encoding in HTTP/1.0")),
];

/// Bodies after a head with `Transfer-Encoding: chunked`.
const CHUNKS: &[(&[u8], &str)] = &[
    (
        b"5 \r\nhello\r\n0\r\n\r\n",
        "a chunk size is not hexadecimal",
    ),
    (
        b"5\t\r\nhello\r\n0\r\n\r\n",
        "a chunk size is not hexadecimal",
    ),
    (
        b"0_5\r\nhello\r\n0\r\n\r\n",
        "a chunk size is not hexadecimal",
    ),
    (
        b"0x5\r\nhello\r\n0\r\n\r\n",
        "a chunk size is not hexadecimal",
    ),
    (
        b"5\0\r\nhello\r\n0\r\n\r\n",
        "a chunk size is not hexadecimal",
    ),
    (
        b"10000000000000005\r\nhello\r\n",
        "a chunk size has not 1 to 16 digits",
    ),
    (
        b"ffffffffffffffff\r\nhello\r\n",
        "a chunk size is too large",
    ),
    (b"\r\n5\r\nhello\r\n", "a chunk size has not 1 to 16 digits"),
    (b";x\r\n", "a chunk size has not 1 to 16 digits"),
    (b"5\nhello\r\n0\r\n\r\n", "a line ends with a bare LF"),
    (b"5;a\nhello\r\n0\r\n\r\n", "a line ends with a bare LF"),
    (
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "a chunk extension has a forbidden byte",
    ),
    (
        b"5;\0x\r\nhello\r\n0\r\n\r\n",
        "a chunk extension has a forbidden byte",
    ),
    (b"5\r\nhello\r0\r\n\r\n", "a line is too long"),
    (b"5\r\nhello\n0\r\n\r\n", "a line ends with a bare LF"),
    (b"5\r\nhelloX\r\n0\r\n\r\n", "a line is too long"),
    (b"0\r\nX: a\r\n b\r\n\r\n", "a field line without a colon"),
    (b"0\r\nX: a\nY: b\r\n\r\n", "a line ends with a bare LF"),
    (b"0\r\nX : a\r\n\r\n", "a field name is not a token"),
    (
        b"0\r\nContent-Length: 5\r\n\r\n",
        "a framing field in the trailer section",
    ),
    (
        b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        "a framing field in the trailer section",
    ),
    (
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        "a field line without a colon",
    ),
];

fn found(parts: &[&[u8]]) -> Option<&'static str> {
    let mut check = Http1Check::default();
    parts
        .iter()
        .find_map(|part| check.check(part).err())
        .map(|violation| violation.0)
}

/// Whole, a byte at a time, and cut in two at every place.
fn assert_found(stream: &[u8], expected: Option<&str>) {
    let shown = String::from_utf8_lossy(stream);
    assert_eq!(found(&[stream]), expected, "{shown:?}");
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(found(&bytes), expected, "byte by byte: {shown:?}");
    for cut in 0..stream.len() {
        let (front, back) = stream.split_at(cut);
        assert_eq!(found(&[front, back]), expected, "cut at {cut}: {shown:?}");
    }
}

#[test]
fn streams_are_judged_alike_wherever_reads_end() {
    for (stream, expected) in STREAMS {
        assert_found(stream, *expected);
    }
    for (body, expected) in CHUNKS {
        let mut stream = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        stream.extend_from_slice(body);
        assert_found(&stream, Some(expected));
    }
}

#[test]
fn chunk_lines_and_trailers_are_bounded() {
    let head: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = vec![b'a'; CHUNK_LINE_BYTES];
    assert_eq!(found(&[head, b"5;", &long]), Some("a line is too long"));
    assert_eq!(
        found(&[head, b"5;", &long, b"\r\nhello\r\n"]),
        Some("a line is too long")
    );
    assert_eq!(found(&[head, b"5;", &long[..1000], b"\r\nhello\r\n"]), None);
    let lines = b"X: y\r\n".repeat(TRAILER_BYTES / 6 + 1);
    assert_eq!(
        found(&[head, b"0\r\n", &lines]),
        Some("the trailer section is too long")
    );
    // The sum counts anew for each message.
    let half = b"X: y\r\n".repeat(TRAILER_BYTES / 12);
    let message = [head, b"0\r\n", &half, b"\r\n"].concat();
    assert_eq!(found(&[&message, &message, &message]), None);
}

#[test]
fn what_follows_an_upgrade_request_is_held() {
    let request: &[u8] =
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nab";
    let mut check = Http1Check::default();
    let early = [request, b"\0\n"].concat();
    assert_eq!(check.feed(&early), Checked::Held(request.len()));
    assert!(check.is_held());
    assert_eq!(check.heads(), 1);
    assert_eq!(check.feed(b"\0\n"), Checked::Held(0), "until it is told");
    check.stop();
    assert_eq!(
        check.feed(b"\0\n\r\n\xff"),
        Checked::All,
        "another protocol"
    );

    let mut check = Http1Check::default();
    assert_eq!(check.feed(&early), Checked::Held(request.len()));
    check.resume();
    assert!(
        matches!(check.feed(b"\0\n"), Checked::Wrong(0, _)),
        "a request after all"
    );
    assert!(!check.failed_in_body());
}

#[test]
fn nothing_is_believed_after_a_violation() {
    let mut check = Http1Check::default();
    let stream = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloworld";
    let place = stream.len() - b"world".len();
    assert_eq!(
        check.feed(stream),
        Checked::Wrong(place, Violation("a line is too long"))
    );
    assert!(check.failed_in_body());
    assert!(check.check(b"GET / HTTP/1.1\r\n\r\n").is_err());
}

#[test]
fn a_head_is_begun_by_its_first_byte() {
    let mut check = Http1Check::default();
    assert!(!check.is_within_head());
    for part in [&b"G"[..], b"ET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r"] {
        check.check(part).unwrap();
        assert!(check.is_within_head(), "{part:?}");
    }
    check.check(b"\n").unwrap();
    assert!(!check.is_within_head());
}

proptest::proptest! {
    /// Whatever comes, in whatever parts: the same verdict, and never a panic.
    #[test]
    fn parts_do_not_matter(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
                "\r\n", "\n", "\r", "0\r\n\r\n", "3\r\nabc\r\n", "abc", "X: y\r\n", "\0", " ", "Upgrade: x\r\n",
            ]),
            0..12,
        ),
        cut in 0_usize..200,
    ) {
        let stream = pieces.concat();
        let (front, back) = stream.as_bytes().split_at(cut.min(stream.len()));
        proptest::prop_assert_eq!(found(&[stream.as_bytes()]).is_some(), found(&[front, back]).is_some());
    }
}
