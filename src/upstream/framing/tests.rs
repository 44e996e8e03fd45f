use super::*;

fn framed(asked: Asked, text: &str) -> Result<(Framing, HeaderMap), String> {
    let mut fields = HeaderMap::new();
    let bytes = hyper::body::Bytes::copy_from_slice(text.as_bytes());
    let head = super::super::head::parse_head(&bytes, &mut fields);
    let head = head.map_err(|error| error.to_string())?.expect("whole");
    match Framing::of(asked, &head, &mut fields) {
        Ok(framing) => Ok((framing, fields)),
        Err(error) => Err(error.to_string()),
    }
}

fn head(status_line: &str, fields: &[&str]) -> String {
    let mut text = format!("{status_line}\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

const GET: Asked = Asked {
    head: false,
    upgrade: false,
};
const HEAD: Asked = Asked {
    head: true,
    upgrade: false,
};
const OK: &str = "HTTP/1.1 200 OK";
const CHUNKED: &str = "Transfer-Encoding: chunked";

#[test]
fn the_end_of_a_body_is_told_by_method_status_and_fields() {
    use Length::{Chunked, Exactly, UntilClose};
    for (asked, status_line, fields, length, persists) in [
        (GET, OK, &["Content-Length: 5"][..], Exactly(5), true),
        (GET, OK, &["Content-Length: 0"], Exactly(0), true),
        (GET, OK, &["Content-Length: 5, 5"], Exactly(5), true),
        (GET, OK, &["Transfer-Encoding: Chunked"], Chunked, true),
        (GET, OK, &[], UntilClose, false),
        (GET, OK, &["Connection: keep-alive"], UntilClose, false),
        // HEAD, and statuses without a body.
        (HEAD, OK, &["Content-Length: 5"], Exactly(0), true),
        (HEAD, OK, &[CHUNKED], Exactly(0), true),
        (HEAD, OK, &[], Exactly(0), true),
        (
            GET,
            "HTTP/1.1 304 N",
            &["Content-Length: 5"],
            Exactly(0),
            true,
        ),
        (GET, "HTTP/1.1 204 N", &[], Exactly(0), true),
        (
            GET,
            "HTTP/1.1 204 N",
            &["Content-Length: 0"],
            Exactly(0),
            true,
        ),
        (
            GET,
            "HTTP/1.1 204 N",
            &["Content-Length: 5"],
            Exactly(0),
            false,
        ),
        (GET, "HTTP/1.1 204 N", &[CHUNKED], Exactly(0), false),
        (HEAD, "HTTP/1.1 204 N", &[CHUNKED], Exactly(0), false),
        (GET, "HTTP/1.1 103 E", &[], Exactly(0), true),
        (
            HEAD,
            "HTTP/1.1 103 E",
            &["Content-Length: 5"],
            Exactly(0),
            false,
        ),
    ] {
        let text = head(status_line, fields);
        let (framing, _) = framed(asked, &text).expect(&text);
        assert_eq!(framing, Framing { length, persists }, "{text:?}");
    }
}

#[test]
fn a_connection_ends_with_its_answer_if_that_says_so_or_is_old() {
    use Length::{Chunked, Exactly, UntilClose};
    for (status_line, fields, length, persists) in [
        (
            OK,
            &["Content-Length: 5", "Connection: close"][..],
            Exactly(5),
            false,
        ),
        (OK, &[CHUNKED, "Connection: x, Close"], Chunked, false),
        (
            OK,
            &["Content-Length: 5", "Connection: x", "Connection: close"],
            Exactly(5),
            false,
        ),
        (
            OK,
            &["Content-Length: 5", "Connection: closed"],
            Exactly(5),
            true,
        ),
        ("HTTP/1.0 200 OK", &["Content-Length: 5"], Exactly(5), false),
        (
            "HTTP/1.0 200 OK",
            &["Content-Length: 5", "Connection: keep-alive"],
            Exactly(5),
            false,
        ),
        ("HTTP/1.0 200 OK", &[], UntilClose, false),
    ] {
        let text = head(status_line, fields);
        let (framing, _) = framed(GET, &text).expect(&text);
        assert_eq!(framing, Framing { length, persists }, "{text:?}");
    }
}

#[test]
fn fields_that_do_not_say_one_thing_are_refused_whatever_was_asked() {
    for fields in [
        &["Content-Length: 5", CHUNKED][..],
        &["Content-Length: 5, 6"],
        &["Content-Length: 5", "Content-Length: 6"],
        &["Content-Length:"],
        &["Content-Length: +5"],
        &["Content-Length: 0x5"],
        &["Content-Length: 18446744073709551616"],
        &["Transfer-Encoding: gzip, chunked"],
        &["Transfer-Encoding: gzip"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding:"],
        &[CHUNKED, CHUNKED],
    ] {
        for (asked, status_line) in [
            (GET, OK),
            (HEAD, OK),
            (GET, "HTTP/1.1 204 N"),
            (GET, "HTTP/1.1 304 N"),
        ] {
            let text = head(status_line, fields);
            framed(asked, &text).expect_err(&text);
        }
    }
    framed(GET, &head("HTTP/1.0 200 OK", &[CHUNKED])).expect_err("chunks in HTTP/1.0");
}

#[test]
fn a_length_is_passed_on_once_and_plain() {
    for fields in [
        &["Content-Length: 5"][..],
        &["Content-Length: 5, 05"],
        &["Content-Length: 005"],
        &["Content-Length: 5", "Content-Length: 5"],
    ] {
        let (_, fields) = framed(GET, &head(OK, fields)).expect("framing");
        let lines: Vec<&HeaderValue> = fields.get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(lines, ["5"]);
    }
}

#[test]
fn what_a_connection_says_of_itself_goes_no_further() {
    let text = head(
        OK,
        &[
            "Connection: Keep-Alive",
            "Connection: close, x-one",
            "X-One: 1",
        ],
    );
    let (framing, fields) = framed(GET, &text).expect("framing");
    assert!(!framing.persists);
    let options: Vec<&HeaderValue> = fields.get_all(CONNECTION).iter().collect();
    assert_eq!(
        options,
        ["close, x-one"],
        "what names fields is needed to remove them"
    );
}
