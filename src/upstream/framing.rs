//! Where an answer ends (RFC 9112 §6.3), and whether its connection can be used again (§9.3).

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use crate::headers::add_content_length;

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

/// What the fields of an answer say of its framing, noted line by line as they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    length: Option<u64>,
    /// Whether `Content-Length` was not written once and plainly.
    odd: bool,
    chunked: bool,
    closes: bool,
}

impl Told {
    /// Notes a field line. False: it is about this connection alone, and nobody else needs it.
    ///
    /// # Errors
    /// What makes the whole answer wrong, also where there is no body.
    pub(super) fn note(&mut self, name: &HeaderName, line: &[u8]) -> Result<bool, BrokenAnswer> {
        if *name == CONTENT_LENGTH {
            self.odd |= self.length.is_some() || !is_plain(line);
            add_content_length(&mut self.length, line).map_err(|_| BrokenAnswer::Length)?;
        } else if *name == TRANSFER_ENCODING {
            if self.chunked || !line.eq_ignore_ascii_case(b"chunked") {
                return Err(BrokenAnswer::Coding);
            }
            self.chunked = true;
        } else if *name == CONNECTION {
            if line.eq_ignore_ascii_case(b"keep-alive") {
                return Ok(false);
            }
            let mut options = line.split(|byte| *byte == b',');
            self.closes |= options.any(|one| one.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
        Ok(true)
    }
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
        let Told {
            length: told,
            odd,
            chunked,
            closes,
        } = head.told;
        if chunked && head.version != Version::HTTP_11 {
            return Err(BrokenAnswer::CodingInHttp10);
        }
        if chunked && told.is_some() {
            return Err(BrokenAnswer::LengthAndCoding);
        }
        if let Some(told) = told.filter(|_| odd) {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(told));
        }
        let persists = head.version == Version::HTTP_11 && !closes;
        let status = head.status;
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            // RFC 9112 §6.3 ends these with their head, and RFC 9110 §8.6 forbids the fields. Whoever sends them may send
            // a body too: the next answer on this connection would begin with it.
            let nothing_said = !chunked && told.is_none_or(|told| told == 0);
            return Ok(Self::bodiless(persists && nothing_said));
        }
        if asked.head || status == StatusCode::NOT_MODIFIED {
            return Ok(Self::bodiless(persists));
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

/// Whether a length is as we would write it: digits alone, no zero before others.
fn is_plain(line: &[u8]) -> bool {
    let zeros = line.len() > 1 && line.first() == Some(&b'0');
    !zeros && line.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
