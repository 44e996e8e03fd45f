//! Where an answer ends (RFC 9112 §6.3), and whether its connection can be used again (§9.3).

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use crate::headers::content_length;

use super::BrokenAnswer;
use super::head::Head;

/// How long the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Exactly(u64),
    /// In chunks, the last of which says so.
    Chunked,
    /// Until the upstream closes the connection.
    UntilClose,
}

/// What was asked, as far as it says how the answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// By HEAD: the answer has no body, whatever its fields say of one.
    pub(super) head: bool,
    /// To upgrade the connection.
    pub(super) upgrade: bool,
}

/// Where an answer ends, and whether its connection outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) length: Length,
    pub(super) persists: bool,
}

impl Framing {
    /// The framing of an answer, whose `Content-Length` is written in one plain way then (RFC 9110 §8.6).
    ///
    /// # Errors
    /// Fields that do not say one thing: the whole answer is wrong then, also where there is no body.
    pub(super) fn of(
        asked: Asked,
        head: &Head,
        fields: &mut HeaderMap,
    ) -> Result<Self, BrokenAnswer> {
        let told = content_length(fields).map_err(|_| BrokenAnswer::Length)?;
        let chunked = is_chunked(head.version, fields)?;
        if let Some(told) = told {
            if chunked {
                return Err(BrokenAnswer::LengthAndCoding);
            }
            write_plainly(told, fields);
        }
        let persists = head.version == Version::HTTP_11 && !says_close(fields);
        let status = head.status;
        if asked.head || status == StatusCode::NOT_MODIFIED {
            return Ok(Self::bodiless(persists));
        }
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            // RFC 9112 §6.3 ends these with their head, and RFC 9110 §8.6 forbids the fields. Whoever sends them may send
            // a body too: the next answer on this connection would begin with it.
            let nothing_said = !chunked && told.is_none_or(|told| told == 0);
            return Ok(Self::bodiless(persists && nothing_said));
        }
        Ok(match told {
            Some(bytes) => Self {
                length: Length::Exactly(bytes),
                persists,
            },
            None if chunked => Self {
                length: Length::Chunked,
                persists,
            },
            None => Self {
                length: Length::UntilClose,
                persists: false,
            },
        })
    }

    fn bodiless(persists: bool) -> Self {
        Self {
            length: Length::Exactly(0),
            persists,
        }
    }
}

/// Whether `Transfer-Encoding` says `chunked`, and nothing else.
fn is_chunked(version: Version, fields: &HeaderMap) -> Result<bool, BrokenAnswer> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    if version != Version::HTTP_11 {
        return Err(BrokenAnswer::CodingInHttp10);
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(BrokenAnswer::Coding);
    }
    Ok(true)
}

fn says_close(fields: &HeaderMap) -> bool {
    let options = |line: &HeaderValue| {
        let mut options = line.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    fields.get_all(CONNECTION).iter().any(options)
}

fn write_plainly(told: u64, fields: &mut HeaderMap) {
    let mut plain = itoa::Buffer::new();
    let plain = plain.format(told).as_bytes();
    let mut lines = fields.get_all(CONTENT_LENGTH).iter();
    if lines.next().is_some_and(|line| line.as_bytes() == plain) && lines.next().is_none() {
        return;
    }
    fields.insert(CONTENT_LENGTH, HeaderValue::from(told));
}

#[cfg(test)]
mod tests;
