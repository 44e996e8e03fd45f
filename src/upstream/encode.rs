//! The head of a request as it is written (RFC 9112 §3 and §5), and how its body is framed.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use hyper::body::Body;

use crate::headers::content_length;

use super::BrokenAnswer;

/// How the body of a request is told from what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFraming {
    /// So many bytes, which may be none.
    Length(u64),
    /// Chunks.
    Chunks,
}

/// Sets the framing that a request lacks, and says which it has. What its fields say is what is done: without one that
/// fits, a body could be taken for the next request.
///
/// # Errors
/// Fields that do not say one thing, or a length without a body.
pub(super) fn frame<B: Body>(request: &mut Request<B>) -> Result<RequestFraming, BrokenAnswer> {
    let empty = request.body().is_end_stream();
    let exact = request.body().size_hint().exact();
    let fields = request.headers_mut();
    let told = content_length(fields).map_err(|_| BrokenAnswer::Length)?;
    let chunked = fields.contains_key(TRANSFER_ENCODING);
    match (told, chunked, exact) {
        (Some(_), true, _) => Err(BrokenAnswer::LengthAndCoding),
        (None, true, _) => Ok(RequestFraming::Chunks),
        (Some(told), false, _) if told > 0 && empty => Err(BrokenAnswer::RequestLength),
        (Some(told), false, _) => Ok(RequestFraming::Length(told)),
        (None, false, _) if empty => Ok(RequestFraming::Length(0)),
        (None, false, Some(exact)) => {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(exact));
            Ok(RequestFraming::Length(exact))
        }
        (None, false, None) => {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            Ok(RequestFraming::Chunks)
        }
    }
}

/// Appends a head to `to`: the target in origin form, field names in small letters. No byte of it can end a line: the
/// types of the parts have none that could.
pub(super) fn write_head(method: &Method, uri: &Uri, fields: &HeaderMap, to: &mut Vec<u8>) {
    to.extend_from_slice(method.as_str().as_bytes());
    to.push(b' ');
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    to.extend_from_slice(target.as_bytes());
    to.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(fields, to);
    to.extend_from_slice(b"\r\n");
}

/// Appends field lines.
pub(super) fn write_fields(fields: &HeaderMap, to: &mut Vec<u8>) {
    for (name, value) in fields {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        to.reserve(name.len() + value.len() + 4);
        to.extend_from_slice(name);
        to.extend_from_slice(b": ");
        to.extend_from_slice(value);
        to.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
    use hyper::body::Bytes;

    use super::*;

    #[test]
    fn a_head_is_written_byte_for_byte() {
        let request = Request::get("/a%2Fb//c?d=%20&e")
            .header("Host", "api.test")
            .header("X-One", "1")
            .header(
                "X-Bytes",
                HeaderValue::from_bytes(b"\xfc\x80").expect("a value"),
            )
            .header("X-One", "2")
            .header("Empty", "")
            .body(())
            .expect("a request");
        let mut head = b"before".to_vec();
        write_head(
            request.method(),
            request.uri(),
            request.headers(),
            &mut head,
        );
        let expected =
            b"beforeGET /a%2Fb//c?d=%20&e HTTP/1.1\r\nhost: api.test\r\nx-one: 1\r\nx-one: 2\r\n\
            x-bytes: \xfc\x80\r\nempty: \r\n\r\n";
        assert_eq!(head, expected);
    }

    #[test]
    fn targets_are_in_origin_or_asterisk_form() {
        for (method, uri, line) in [
            (Method::GET, "/", "GET / HTTP/1.1\r\n\r\n"),
            (Method::GET, "/?", "GET /? HTTP/1.1\r\n\r\n"),
            (Method::OPTIONS, "*", "OPTIONS * HTTP/1.1\r\n\r\n"),
            (
                Method::GET,
                "http://other.test/x?y",
                "GET /x?y HTTP/1.1\r\n\r\n",
            ),
            (Method::GET, "http://other.test", "GET / HTTP/1.1\r\n\r\n"),
        ] {
            let mut head = Vec::new();
            let uri: Uri = uri.parse().expect("a URI");
            write_head(&method, &uri, &HeaderMap::new(), &mut head);
            assert_eq!(String::from_utf8_lossy(&head), line);
        }
    }

    const LENGTH: &str = "content-length";
    const CODING: &str = "transfer-encoding";

    fn framed(
        fields: &[(&'static str, &'static str)],
        body: BoxBody<Bytes, std::convert::Infallible>,
    ) -> (Option<RequestFraming>, String) {
        let mut request = Request::new(body);
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append(*name, value);
        }
        let framing = frame(&mut request).ok();
        let mut text = Vec::new();
        write_fields(request.headers(), &mut text);
        (framing, String::from_utf8(text).expect("text"))
    }

    #[test]
    fn the_framing_is_what_the_fields_say_or_what_the_body_needs() {
        use RequestFraming::{Chunks, Length};
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes())).boxed();
        let stream = || StreamBody::new(futures_util::stream::empty()).boxed();
        for (fields, body, framing, text) in [
            (&[][..], full(""), Some(Length(0)), ""),
            (&[], full("abc"), Some(Length(3)), "content-length: 3\r\n"),
            (
                &[],
                stream(),
                Some(Chunks),
                "transfer-encoding: chunked\r\n",
            ),
            (
                &[(LENGTH, "0")],
                full(""),
                Some(Length(0)),
                "content-length: 0\r\n",
            ),
            (
                &[(LENGTH, "3")],
                stream(),
                Some(Length(3)),
                "content-length: 3\r\n",
            ),
            (
                &[(CODING, "chunked")],
                full("abc"),
                Some(Chunks),
                "transfer-encoding: chunked\r\n",
            ),
            (
                &[(CODING, "chunked")],
                full(""),
                Some(Chunks),
                "transfer-encoding: chunked\r\n",
            ),
        ] {
            assert_eq!(
                framed(fields, body),
                (framing, text.to_owned()),
                "{fields:?}"
            );
        }
        for (fields, body) in [
            (&[(LENGTH, "3"), (CODING, "chunked")][..], full("abc")),
            (&[(LENGTH, "3"), (LENGTH, "4")], full("abc")),
            (&[(LENGTH, "x")], full("abc")),
            (&[(LENGTH, "3")], full("")),
        ] {
            assert_eq!(framed(fields, body).0, None, "{fields:?}");
        }
    }
}
