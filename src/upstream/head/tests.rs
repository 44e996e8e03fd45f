use super::*;

fn parsed(text: &str) -> Result<Option<(Head, HeaderMap)>, String> {
    let mut fields = HeaderMap::new();
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    match parse_head(&bytes, &mut fields) {
        Ok(head) => Ok(head.map(|head| (head, fields))),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_head_is_a_status_and_fields() {
    for (text, version, status) in [
        ("HTTP/1.1 200 OK\r\n\r\n", Version::HTTP_11, 200),
        ("HTTP/1.0 404 Not Found\r\n\r\n", Version::HTTP_10, 404),
        ("HTTP/1.1 204 \r\n\r\n", Version::HTTP_11, 204),
        ("HTTP/1.1 200\r\n\r\n", Version::HTTP_11, 200),
        ("HTTP/1.1 999 \u{e9}t\u{e9}\r\n\r\n", Version::HTTP_11, 999),
    ] {
        let (head, fields) = parsed(text).expect("a head").expect("whole");
        assert_eq!(
            (head.version, head.status.as_u16()),
            (version, status),
            "{text:?}"
        );
        assert_eq!(head.length, text.len());
        assert!(fields.is_empty());
    }
    let text = "HTTP/1.1 200 OK\r\nA: 1\r\nx-empty:\r\nContent-Type:\t text/plain \t\r\na: \"\u{fc}\"\r\n\r\nbody";
    let (head, fields) = parsed(text).expect("a head").expect("whole");
    assert_eq!(&text[head.length..], "body");
    let values: Vec<&[u8]> = fields
        .get_all("a")
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    assert_eq!(values, ["1".as_bytes(), "\"\u{fc}\"".as_bytes()]);
    assert_eq!(fields["x-empty"], "");
    assert_eq!(fields["content-type"], "text/plain");
}

#[test]
fn what_is_no_strict_head_is_refused() {
    for text in [
        // Another protocol, or another version of this one.
        "hello\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/11 200 OK\r\n\r\n",
        "<html>",
        // Before the status line.
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n",
        // Statuses.
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 099 low\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        // Ends of lines.
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\nA: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\n\n",
        "HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\r\n\r\n",
        // Names and values.
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspace : before\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: folded\r\n line\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: folded\r\n\tline\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: nul\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: del\u{7f}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\0: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\u{e9}: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n(a): 1\r\n\r\n",
    ] {
        parsed(text).expect_err(text);
    }
}

#[test]
fn the_beginning_of_a_head_waits_for_more() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(parsed(&text[..end]), Ok(None), "{:?}", &text[..end]);
    }
}

#[test]
fn heads_and_trailers_have_a_hundred_fields() {
    let fields = |count: usize| "a: b\r\n".repeat(count) + "\r\n";
    for (count, whole) in [(100, true), (101, false)] {
        let head = format!("HTTP/1.1 200 OK\r\n{}", fields(count));
        assert_eq!(parsed(&head).is_ok(), whole);
        let trailers = Bytes::from(fields(count));
        assert_eq!(parse_trailers(&trailers).is_ok(), whole);
    }
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(MOST_HEAD));
    assert_eq!(parsed(&long), Err("the head is too long".to_owned()));
}

#[test]
fn trailers_are_as_strict_as_heads() {
    let good = Bytes::from("X-Sum: 7\r\nx-sum: 8\r\n\r\n");
    let fields = parse_trailers(&good).expect("trailers");
    assert_eq!(fields.get_all("x-sum").iter().count(), 2);
    for text in [
        "a: b\n\r\n",
        "a b\r\n\r\n",
        "a : b\r\n\r\n",
        " a: b\r\n\r\n",
        "a: b\r\n\r\nmore",
        "a: b\r\n",
    ] {
        parse_trailers(&Bytes::from(text)).expect_err(text);
    }
}

#[test]
fn an_empty_line_may_be_the_end() {
    for (text, from, ends) in [
        ("a\r\n\r\n", 0, true),
        ("a\n\n", 0, true),
        ("a\n\r\n", 0, true),
        ("a\r\nb\r\n", 0, false),
        ("a\r\n\r", 0, false),
        ("a\r\n\r\n", 2, true),
        ("a\r\n\r\n", 3, false),
    ] {
        assert_eq!(may_end(text.as_bytes(), from), ends, "{text:?} {from}");
    }
}
