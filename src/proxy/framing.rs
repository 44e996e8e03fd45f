//! Where bodies end, told once and in one way: to the upstream by us, and by the upstream to the client.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use crate::gate::{Reason, Rejection};

use super::body::Upload;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    NoBody,
    /// By so many bytes, which the client told in `Content-Length`.
    Length(u64),
    /// In chunks, or by the frames of HTTP/2.
    Chunks,
}

impl Framing {
    pub(super) fn of(upload: Option<&Upload>) -> Self {
        match upload.map(Upload::length) {
            None => Self::NoBody,
            Some(Some(length)) => Self::Length(length),
            Some(None) => Self::Chunks,
        }
    }
}

/// Framing for HTTP/1.1: a length stays a length, and what has none is chunked, whatever the method.
///
/// hyper would drop the unframed body of a GET, and a length without a body would make the upstream read the next
/// request as that body. What is written is our own number: over HTTP/2 the client's may be empty, stand there twice, or
/// begin with zeros, and servers differ in what they make of that.
///
/// # Errors
/// A length of a body that is not there.
pub(super) fn set_framing(headers: &mut HeaderMap, framing: Framing) -> Result<(), Rejection> {
    match framing {
        Framing::NoBody => {
            if headers.contains_key(CONTENT_LENGTH) {
                if one_length(headers) != Ok(Some(0)) {
                    let what = "Content-Length without a body";
                    return Err(Rejection::fault(Reason::MalformedField, what));
                }
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        }
        Framing::Length(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::Chunks => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    Ok(())
}

/// Checks what an answer says of its framing, and writes its length in one plain way (RFC 9110 §8.6).
///
/// hyper goes by chunks where an answer has a length too, and would leave the length to cut the body short. It reads
/// through `gzip, chunked` as well, and nobody would know of the `gzip` then (RFC 9112 §6.1).
///
/// # Errors
/// What is wrong: the whole answer is.
pub(super) fn check_answer(headers: &mut HeaderMap) -> Result<(), &'static str> {
    let length = one_length(headers)?;
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("a transfer coding other than chunked");
        }
        if length.is_some() {
            return Err("Content-Length beside Transfer-Encoding");
        }
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

/// The number that all elements of all `Content-Length` lines are.
fn one_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    const WRONG: &str = "Content-Length is not one number";
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut found = None;
    for element in elements {
        let digits = std::str::from_utf8(element.trim_ascii()).map_err(|_| WRONG)?;
        // `parse` alone would take a sign.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let length = digits.parse::<u64>().ok().filter(|_| plain).ok_or(WRONG)?;
        if found.replace(length).is_some_and(|other| other != length) {
            return Err(WRONG);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const LENGTH: &str = "content-length";
    const CODING: &str = "transfer-encoding";

    #[test]
    fn a_length_goes_upstream_once_and_plain() {
        for (framing, lines, left) in [
            (Framing::NoBody, &[][..], &[][..]),
            (Framing::NoBody, &[(LENGTH, "0")], &[(LENGTH, "0")]),
            (
                Framing::NoBody,
                &[(LENGTH, "00"), (LENGTH, "0")],
                &[(LENGTH, "0")],
            ),
            (Framing::Length(5), &[(LENGTH, "5")], &[(LENGTH, "5")]),
            (
                Framing::Length(5),
                &[(LENGTH, "05"), (LENGTH, "5")],
                &[(LENGTH, "5")],
            ),
            (Framing::Chunks, &[(LENGTH, "5")], &[(CODING, "chunked")]),
            (Framing::Chunks, &[], &[(CODING, "chunked")]),
        ] {
            let mut headers = fields(lines);
            set_framing(&mut headers, framing).unwrap();
            assert_eq!(headers, fields(left));
        }
    }

    #[test]
    fn a_length_without_a_body_goes_nowhere() {
        for lines in [
            &[(LENGTH, "5")][..],
            &[(LENGTH, "")],
            &[(LENGTH, "+0")],
            &[(LENGTH, "0"), (LENGTH, "5")],
        ] {
            let refused = set_framing(&mut fields(lines), Framing::NoBody).unwrap_err();
            assert_eq!(refused.reason, Reason::MalformedField, "{lines:?}");
        }
    }

    #[test]
    fn an_answer_says_once_where_it_ends() {
        for (lines, left) in [
            (&[][..], &[][..]),
            (&[(LENGTH, "5")], &[(LENGTH, "5")]),
            (&[(LENGTH, "5, 05")], &[(LENGTH, "5")]),
            (&[(LENGTH, "5"), (LENGTH, "5")], &[(LENGTH, "5")]),
            (&[(CODING, "Chunked")], &[(CODING, "Chunked")]),
        ] {
            let mut headers = fields(lines);
            check_answer(&mut headers).unwrap();
            assert_eq!(headers, fields(left));
        }
        for lines in [
            &[(LENGTH, "5"), (CODING, "chunked")][..],
            &[(LENGTH, "5, 6")],
            &[(LENGTH, "5"), (LENGTH, "6")],
            &[(LENGTH, "")],
            &[(LENGTH, "+5")],
            &[(LENGTH, "0x5")],
            &[(LENGTH, "18446744073709551616")],
            &[(CODING, "gzip, chunked")],
            &[(CODING, "gzip")],
            &[(CODING, "xchunked")],
            &[(CODING, "chunked"), (CODING, "chunked")],
        ] {
            assert!(check_answer(&mut fields(lines)).is_err(), "{lines:?}");
        }
    }
}
