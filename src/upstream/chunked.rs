//! The chunked transfer coding (RFC 9112 §7.1), decoded strictly.

use bytes::Buf as _;
use http::HeaderMap;
use hyper::body::Bytes;

use super::BrokenAnswer;
use super::head::parse_trailers;

/// A decoder of one body.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// Bytes that may still come in chunk extensions and padding.
    extensions_left: u32,
}

/// What the next byte is part of.
#[derive(Debug)]
enum State {
    Size {
        value: u64,
        digits: u8,
    },
    /// White space after a size: forbidden, and written by some.
    Padding {
        value: u64,
    },
    Extension {
        value: u64,
    },
    /// The LF after a size.
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    /// The CR after a chunk's data.
    DataEnd,
    /// And its LF.
    DataEndLf,
    Trailers {
        section: Vec<u8>,
    },
    Over,
}

/// What was decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Not empty.
    Data(Bytes),
    /// The last.
    Trailers(HeaderMap),
    /// There is nothing more.
    End,
}

impl Chunks {
    /// At the beginning of a body.
    pub(super) fn new() -> Self {
        Self {
            state: State::SIZE,
            extensions_left: MOST_EXTENSIONS,
        }
    }

    /// Takes the next piece from `input`; `None`: all of it is taken, and more must come. What is left after the end
    /// is no part of the body.
    ///
    /// # Errors
    /// What is wrong with the coding.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Piece>, BrokenAnswer> {
        loop {
            if let State::Data { left } = &mut self.state {
                let Some(data) = take(input, left) else {
                    return Ok(None);
                };
                if *left == 0 {
                    self.state = State::DataEnd;
                }
                return Ok(Some(Piece::Data(data)));
            }
            if let State::Over = self.state {
                return Ok(Some(Piece::End));
            }
            let Some(byte) = input.first().copied() else {
                return Ok(None);
            };
            input.advance(1);
            if let State::Trailers { section } = &mut self.state {
                if let Some(piece) = in_trailers(section, byte)? {
                    self.state = State::Over;
                    return Ok(Some(piece));
                }
            } else {
                self.state = self.after(byte)?;
            }
        }
    }

    /// The state after a byte that is neither data nor of a trailer.
    fn after(&mut self, byte: u8) -> Result<State, BrokenAnswer> {
        Ok(match (&self.state, byte) {
            (&State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MOST_DIGITS {
                    return Err(BrokenAnswer::ChunkSize);
                }
                State::Size {
                    value: value << 4 | hex_value(byte),
                    digits: digits + 1,
                }
            }
            (State::Size { digits: 0, .. }, _) => return Err(BrokenAnswer::ChunkSize),
            (
                &(State::Size { value, .. }
                | State::Padding { value }
                | State::Extension { value }),
                b'\r',
            ) => State::SizeEnd { value },
            (&(State::Size { value, .. } | State::Padding { value }), b' ' | b'\t') => {
                self.count_extension()?;
                State::Padding { value }
            }
            (&(State::Size { value, .. } | State::Padding { value }), b';') => {
                self.count_extension()?;
                State::Extension { value }
            }
            (&State::Extension { value }, _) => {
                self.count_extension()?;
                if byte.is_ascii_control() && byte != b'\t' {
                    return Err(BrokenAnswer::ChunkExtension);
                }
                State::Extension { value }
            }
            (&State::SizeEnd { value: 0 }, b'\n') => State::Trailers {
                section: Vec::new(),
            },
            (&State::SizeEnd { value }, b'\n') => State::Data { left: value },
            (State::Size { .. } | State::Padding { .. } | State::SizeEnd { .. }, _) => {
                return Err(BrokenAnswer::ChunkSize);
            }
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::SIZE,
            (
                State::DataEnd
                | State::DataEndLf
                | State::Data { .. }
                | State::Trailers { .. }
                | State::Over,
                _,
            ) => return Err(BrokenAnswer::ChunkEnd),
        })
    }

    fn count_extension(&mut self) -> Result<(), BrokenAnswer> {
        let left = self.extensions_left.checked_sub(1);
        self.extensions_left = left.ok_or(BrokenAnswer::ChunkExtension)?;
        Ok(())
    }
}

impl State {
    /// Before the first digit of a size.
    const SIZE: Self = Self::Size {
        value: 0,
        digits: 0,
    };
}

/// Up to `left` bytes, counted off; `None` if there are none.
pub(super) fn take(input: &mut Bytes, left: &mut u64) -> Option<Bytes> {
    let here = u64::try_from(input.len()).unwrap_or(u64::MAX);
    let bytes = here.min(*left);
    if bytes == 0 {
        return None;
    }
    *left -= bytes;
    // Not more than `input.len()`, which is a `usize`.
    Some(input.split_to(usize::try_from(bytes).unwrap_or(input.len())))
}

/// One more byte of a trailer section: what it was, when it has ended.
fn in_trailers(section: &mut Vec<u8>, byte: u8) -> Result<Option<Piece>, BrokenAnswer> {
    if section.len() == MOST_TRAILERS {
        return Err(BrokenAnswer::TrailersTooLong);
    }
    section.push(byte);
    if section == b"\r\n" {
        return Ok(Some(Piece::End));
    }
    if section.ends_with(b"\r\n\r\n") {
        let section = Bytes::from(std::mem::take(section));
        return parse_trailers(&section).map(|fields| Some(Piece::Trailers(fields)));
    }
    Ok(None)
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    })
}

/// Digits of 64 bits.
const MOST_DIGITS: u8 = 16;

/// Bytes of all extensions of a body, which mean nothing to anybody.
const MOST_EXTENSIONS: u32 = 16 * 1024;

/// Bytes of a trailer section.
const MOST_TRAILERS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
