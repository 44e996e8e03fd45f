//! Heads of answers (RFC 9112 §4 and §5), strictly: from bytes as they come to a status and fields.

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use hyper::body::Bytes;

use super::BrokenAnswer;
use super::framing::Told;

/// A status line, and how long the head is with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) status: StatusCode,
    /// Bytes, with the empty line at the end.
    pub(super) length: usize,
    /// What the fields say of the framing.
    pub(super) told: Told,
}

/// Parses a head at the beginning of `bytes` and appends its fields to `fields`, whose values are slices of `bytes`.
/// `None`: there are not enough bytes yet.
///
/// # Errors
/// What is wrong. Stricter than `httparse`: no empty lines before the status line, and every line ends in CR LF.
pub(super) fn parse_head(
    bytes: &Bytes,
    fields: &mut HeaderMap,
) -> Result<Option<Head>, BrokenAnswer> {
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(BrokenAnswer::StatusLine);
    }
    let mut lines = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut answer, bytes, &mut lines)
        .map_err(malformed)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    if length > MOST_HEAD {
        return Err(BrokenAnswer::HeadTooLong);
    }
    all_lines_end_in_crlf(&bytes[..length], answer.headers)?;
    let version = match answer.version {
        Some(1) => Version::HTTP_11,
        Some(_) | None => Version::HTTP_10,
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(BrokenAnswer::StatusLine)?;
    let mut told = Told::default();
    append(bytes, answer.headers, fields, &mut told)?;
    Ok(Some(Head {
        version,
        status,
        length,
        told,
    }))
}

/// Parses a whole trailer section, the empty line at its end included (RFC 9112 §7.1.2).
///
/// # Errors
/// As for a head.
pub(super) fn parse_trailers(bytes: &Bytes) -> Result<HeaderMap, BrokenAnswer> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_FIELDS];
    match httparse::parse_headers(bytes, &mut lines).map_err(malformed)? {
        httparse::Status::Complete((length, lines)) if length == bytes.len() => {
            all_lines_end_in_crlf(bytes, lines)?;
            let mut fields = HeaderMap::with_capacity(lines.len());
            // What a trailer says of framing comes too late to mean anything (RFC 9110 §6.5.1).
            append(bytes, lines, &mut fields, &mut Told::default())?;
            Ok(fields)
        }
        httparse::Status::Complete(_) | httparse::Status::Partial => Err(BrokenAnswer::FieldLine),
    }
}

/// Whether the first empty line, the end of a head, begins at or after `from`: then it is worth parsing it once more.
pub(super) fn may_end(bytes: &[u8], from: usize) -> bool {
    let ends = |at: usize| matches!(bytes[from + at..], [_, b'\n', ..] | [_, b'\r', b'\n', ..]);
    memchr::memchr_iter(b'\n', &bytes[from..]).any(ends)
}

fn append(
    bytes: &Bytes,
    lines: &[httparse::Header<'_>],
    fields: &mut HeaderMap,
    told: &mut Told,
) -> Result<(), BrokenAnswer> {
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| BrokenAnswer::FieldLine)?;
        if told.note(&name, line.value)? {
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value));
            fields.append(name, value.map_err(|_| BrokenAnswer::FieldLine)?);
        }
    }
    Ok(())
}

/// RFC 9112 §2.2 lets a recipient take LF alone. Others may not see the end of a line there.
///
/// `section` is what `lines` were parsed from: what stands before each name is the end of the line before.
fn all_lines_end_in_crlf(
    section: &[u8],
    lines: &[httparse::Header<'_>],
) -> Result<(), BrokenAnswer> {
    let follows_crlf = |line: &httparse::Header<'_>| {
        let at = line
            .name
            .as_ptr()
            .addr()
            .wrapping_sub(section.as_ptr().addr());
        let before = section.get(..at);
        before.is_some_and(|before| before.is_empty() || before.ends_with(b"\r\n"))
    };
    if section.ends_with(b"\r\n\r\n") && lines.iter().all(follows_crlf) {
        Ok(())
    } else {
        Err(BrokenAnswer::BareLineFeed)
    }
}

fn malformed(error: httparse::Error) -> BrokenAnswer {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => BrokenAnswer::FieldLine,
        httparse::Error::TooManyHeaders => BrokenAnswer::TooManyFields,
        httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token
        | httparse::Error::Version => BrokenAnswer::StatusLine,
    }
}

/// Bytes of one head. More is sent by nobody who means it.
pub(super) const MOST_HEAD: usize = 64 * 1024;

/// Field lines of one head or trailer section.
const MOST_FIELDS: usize = 100;

#[cfg(test)]
mod tests;
