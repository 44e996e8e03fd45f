//! Where request bodies end, told to the upstream once and in one way.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use crate::gate::{Reason, Rejection};
use crate::headers::content_length;

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
                if content_length(headers) != Ok(Some(0)) {
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
}
