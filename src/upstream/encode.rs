//! The head of a request as it is written (RFC 9112 §3 and §5), and how its body is framed.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Body;

use crate::headers::add_content_length;

use super::BrokenAnswer;

/// How the body of a request is told from what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFraming {
    /// So many bytes, which may be none.
    Length(u64),
    /// Chunks.
    Chunks,
}

/// What a head that was written says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) framing: RequestFraming,
    /// Whether it asks to upgrade the connection.
    pub(super) upgrade: bool,
}

/// Appends the head of a request to `to`: the target in origin form, field names in small letters, and the framing that
/// the fields lack. No byte of it can end a line: the types of the parts have none that could.
///
/// What its fields say of framing is what is done: without one that fits, a body could be taken for the next request.
///
/// # Errors
/// Fields that do not say one thing, or a length without a body. What was appended is of no use then.
pub(super) fn write_head<B: Body>(
    head: &Parts,
    body: &B,
    to: &mut Vec<u8>,
) -> Result<Written, BrokenAnswer> {
    to.extend_from_slice(head.method.as_str().as_bytes());
    to.push(b' ');
    let target = head.uri.path_and_query();
    to.extend_from_slice(target.map_or("/", |target| target.as_str()).as_bytes());
    to.extend_from_slice(b" HTTP/1.1\r\n");
    let mut told = Told::default();
    for (name, value) in &head.headers {
        told.note(name, value)?;
        write_field(name, value, to);
    }
    let framing = told.framing(body)?;
    if !told.chunked && told.length.is_none() {
        match framing {
            RequestFraming::Length(0) if body.is_end_stream() => {}
            RequestFraming::Length(length) => {
                write_field(&CONTENT_LENGTH, &HeaderValue::from(length), to);
            }
            RequestFraming::Chunks => {
                write_field(&TRANSFER_ENCODING, &HeaderValue::from_static("chunked"), to);
            }
        }
    }
    to.extend_from_slice(b"\r\n");
    Ok(Written {
        framing,
        upgrade: told.upgrade,
    })
}

/// What the fields of a request say of this hop, noted as they are written.
#[derive(Default)]
struct Told {
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Told {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), BrokenAnswer> {
        if *name == CONTENT_LENGTH {
            add_content_length(&mut self.length, value.as_bytes())
                .map_err(|_| BrokenAnswer::Length)?;
        } else if *name == TRANSFER_ENCODING {
            self.chunked = true;
        } else if *name == UPGRADE {
            self.upgrade = true;
        }
        Ok(())
    }

    /// The framing of `body`: what was told, or what it needs.
    fn framing<B: Body>(&self, body: &B) -> Result<RequestFraming, BrokenAnswer> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(BrokenAnswer::LengthAndCoding),
            (None, true) => Ok(RequestFraming::Chunks),
            (Some(length), false) if length > 0 && body.is_end_stream() => {
                Err(BrokenAnswer::RequestLength)
            }
            (Some(length), false) => Ok(RequestFraming::Length(length)),
            (None, false) if body.is_end_stream() => Ok(RequestFraming::Length(0)),
            (None, false) => Ok(match body.size_hint().exact() {
                Some(length) => RequestFraming::Length(length),
                None => RequestFraming::Chunks,
            }),
        }
    }
}

/// Appends field lines.
pub(super) fn write_fields(fields: &HeaderMap, to: &mut Vec<u8>) {
    for (name, value) in fields {
        write_field(name, value, to);
    }
}

fn write_field(name: &HeaderName, value: &HeaderValue, to: &mut Vec<u8>) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    to.reserve(name.len() + value.len() + 4);
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};
    use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::BoxBody};
    use hyper::body::Bytes;

    use super::*;

    fn write(request: Request<()>, to: &mut Vec<u8>) {
        let (parts, ()) = request.into_parts();
        let written = write_head(&parts, &Empty::<Bytes>::new(), to).expect("a head");
        assert_eq!(written.framing, RequestFraming::Length(0));
    }

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
        write(request, &mut head);
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
            let request = Request::builder().method(method).uri(uri);
            write(request.body(()).expect("a request"), &mut head);
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
        let (parts, body) = request.into_parts();
        let mut head = Vec::new();
        let written = write_head(&parts, &body, &mut head).ok();
        let text = String::from_utf8(head).expect("text");
        let fields = text
            .strip_prefix("GET / HTTP/1.1\r\n")
            .map(|text| text.strip_suffix("\r\n").unwrap_or(text));
        (
            written.map(|written| written.framing),
            fields.expect("fields").to_owned(),
        )
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
