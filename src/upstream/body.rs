//! The body of an answer as it comes (RFC 9112 §6 and §7).

use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use hyper::body::{Bytes, Frame, SizeHint};

use super::BrokenAnswer;
use super::chunked::{Chunks, Piece, take};
use super::connection::Connection;
use super::framing::Length;

/// A body, as far as it has been read.
#[derive(Debug)]
pub(super) struct Reading {
    decoder: Decoder,
    /// Bytes that have come and are not decoded.
    input: Bytes,
    /// How many bytes the next read takes at most.
    room: usize,
}

#[derive(Debug)]
enum Decoder {
    Length { left: u64 },
    Chunks(Chunks),
    UntilClose,
    Over,
}

impl Reading {
    /// A body of which `input` has come.
    pub(super) fn new(length: Length, input: Bytes) -> Self {
        let decoder = match length {
            Length::Exactly(0) => Decoder::Over,
            Length::Exactly(left) => Decoder::Length { left },
            Length::Chunked => Decoder::Chunks(Chunks::new()),
            Length::UntilClose => Decoder::UntilClose,
        };
        Self {
            decoder,
            input,
            room: LEAST_ROOM,
        }
    }

    /// Whether all of it has been given out.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.decoder, Decoder::Over)
    }

    /// Whether nothing has come after what has been given out.
    pub(super) fn is_clean(&self) -> bool {
        self.input.is_empty()
    }

    /// Takes what has come and is not given out.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.input)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self.decoder {
            Decoder::Length { left } => SizeHint::with_exact(left),
            Decoder::Over => SizeHint::with_exact(0),
            Decoder::Chunks(_) | Decoder::UntilClose => SizeHint::default(),
        }
    }

    /// The next part; `None` at the end.
    pub(super) fn poll_frame(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenAnswer>>> {
        loop {
            match self.decode() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.poll_read(connection, cx)) {
                Ok(()) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// A part of what has come.
    fn decode(&mut self) -> Result<Option<Frame<Bytes>>, BrokenAnswer> {
        match &mut self.decoder {
            Decoder::Length { left } => {
                let data = take(&mut self.input, left);
                if *left == 0 {
                    self.decoder = Decoder::Over;
                }
                Ok(data.map(Frame::data))
            }
            Decoder::Chunks(chunks) => Ok(match chunks.decode(&mut self.input)? {
                None => None,
                Some(Piece::Data(data)) => Some(Frame::data(data)),
                Some(Piece::Trailers(fields)) => {
                    self.decoder = Decoder::Over;
                    Some(Frame::trailers(fields))
                }
                Some(Piece::End) => {
                    self.decoder = Decoder::Over;
                    None
                }
            }),
            Decoder::UntilClose => {
                let data = std::mem::take(&mut self.input);
                Ok((!data.is_empty()).then(|| Frame::data(data)))
            }
            Decoder::Over => Ok(None),
        }
    }

    /// The upstream has closed the connection.
    fn end(&mut self) -> Result<(), BrokenAnswer> {
        match self.decoder {
            Decoder::UntilClose => {
                self.decoder = Decoder::Over;
                Ok(())
            }
            Decoder::Length { .. } | Decoder::Chunks(_) | Decoder::Over => {
                Err(BrokenAnswer::CutBody)
            }
        }
    }

    fn poll_read(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenAnswer>> {
        let left = match self.decoder {
            Decoder::Length { left } => usize::try_from(left).unwrap_or(usize::MAX),
            Decoder::Chunks(_) | Decoder::UntilClose | Decoder::Over => usize::MAX,
        };
        // One byte more than is left: a read that fills its room is followed by another one that finds nothing.
        let room = if left < MOST_ROOM {
            left + 1
        } else {
            self.room
        };
        let mut buffer = BytesMut::with_capacity(room);
        let bytes = ready!(connection.poll_fill(cx, &mut buffer))?;
        if bytes == 0 {
            return Poll::Ready(self.end());
        }
        if bytes >= self.room {
            self.room = MOST_ROOM.min(self.room * 2);
        }
        self.input = if bytes < buffer.capacity() / MOST_WASTE {
            // Parts may wait for a slow client in great numbers: each with all of its room would be many times its size.
            Bytes::copy_from_slice(&buffer)
        } else {
            buffer.freeze()
        };
        Poll::Ready(Ok(()))
    }
}

/// Bytes of a read at first: most chunks fit.
const LEAST_ROOM: usize = 16 * 1024;

/// Bytes of a read at most: what one body may take while its client is slow.
const MOST_ROOM: usize = 64 * 1024;

/// How many times its size a part may take in memory.
const MOST_WASTE: usize = 4;

#[cfg(test)]
mod tests;
