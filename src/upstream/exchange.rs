//! One request and the head of its answer, on one connection, in the task of the request.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, StatusCode};
use hyper::body::{Body, Bytes};

use super::BrokenAnswer;
use super::connection::Connection;
use super::framing::{Asked, Framing};
use super::head::{Head, MOST_HEAD, may_end, parse_head};
use super::upload::{Pace, Upload};

/// A request on its way, and its answer as far as it has come.
pub(super) struct Exchange<B> {
    pub(super) upload: Upload<B>,
    pub(super) sending: Sending,
    pub(super) reader: Reader,
    pub(super) pace: Pace,
}

/// How far a request is.
#[derive(Debug)]
pub(super) enum Sending {
    /// More is to be written.
    Going,
    /// All of it is written.
    Done,
    /// The upstream takes no more of it.
    Refused(BrokenAnswer),
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    Timeout,
    Broken(BrokenAnswer),
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Ready with the head of the answer, whether or not all of the request has been sent.
    pub(super) fn poll(
        &mut self,
        connection: &Connection,
        scratch: &RefCell<Box<[u8]>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, NoAnswer>> {
        if let Sending::Going = self.sending
            && let Poll::Ready(sent) = self.upload.poll(connection, &self.pace, cx)
        {
            self.sending = match sent {
                Ok(()) => Sending::Done,
                // It may have been answered before (RFC 9112 §9.5): that is worth reading.
                Err(error @ BrokenAnswer::Io(_)) if self.upload.is_written() => {
                    self.pace.deadline.set(Some(self.pace.limit));
                    Sending::Refused(error)
                }
                Err(error) => return Poll::Ready(Err(NoAnswer::Broken(error))),
            };
        }
        // What comes before anything was asked is no answer.
        if self.upload.is_written()
            && let Poll::Ready(answer) = self.reader.poll(connection, scratch, cx)
        {
            return Poll::Ready(answer.map_err(NoAnswer::Broken));
        }
        ready!(self.pace.deadline.poll_expired(cx));
        Poll::Ready(Err(NoAnswer::Timeout))
    }

    /// Whether the request can be sent once more after `error`: nothing of it was written; or it is bodiless and may be
    /// repeated, and the connection ended without a byte of an answer.
    pub(super) fn may_repeat(&self, error: &BrokenAnswer, repeatable: bool) -> bool {
        match error {
            BrokenAnswer::Io(_) | BrokenAnswer::NoAnswer => {
                !self.upload.is_written()
                    || (repeatable && self.upload.is_bodiless() && !self.reader.heard)
            }
            BrokenAnswer::CutHead
            | BrokenAnswer::CutBody
            | BrokenAnswer::StatusLine
            | BrokenAnswer::FieldLine
            | BrokenAnswer::BareLineFeed
            | BrokenAnswer::TooManyFields
            | BrokenAnswer::HeadTooLong
            | BrokenAnswer::TooManyInterim
            | BrokenAnswer::UnaskedUpgrade
            | BrokenAnswer::Length
            | BrokenAnswer::LengthAndCoding
            | BrokenAnswer::Coding
            | BrokenAnswer::CodingInHttp10
            | BrokenAnswer::ChunkSize
            | BrokenAnswer::ChunkExtension
            | BrokenAnswer::ChunkEnd
            | BrokenAnswer::TrailersTooLong
            | BrokenAnswer::RequestBody(_)
            | BrokenAnswer::RequestLength => false,
        }
    }

    /// Makes it ready for another connection.
    pub(super) fn rewind(&mut self) {
        self.upload.rewind();
        self.sending = Sending::Going;
        self.pace.deadline.set(Some(self.pace.limit));
    }
}

/// The head of an answer, and what came after it in the same read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) fields: HeaderMap,
    pub(super) framing: Framing,
    pub(super) rest: Bytes,
}

/// Reads the head of an answer.
pub(super) struct Reader {
    asked: Asked,
    /// Empty, with the room that the request's fields had.
    fields: HeaderMap,
    /// A head that is not whole yet.
    partial: Vec<u8>,
    /// 1xx that came before the answer.
    interim: u8,
    /// Whether a byte has come.
    heard: bool,
    /// Whether the interim answers leave the connection good for another request.
    persists: bool,
}

impl Reader {
    /// `room` is emptied and used again.
    pub(super) fn new(asked: Asked, mut room: HeaderMap) -> Self {
        room.clear();
        Self {
            asked,
            fields: room,
            partial: Vec::new(),
            interim: 0,
            heard: false,
            persists: true,
        }
    }

    fn poll(
        &mut self,
        connection: &Connection,
        scratch: &RefCell<Box<[u8]>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, BrokenAnswer>> {
        let mut scratch = scratch.borrow_mut();
        loop {
            let bytes = ready!(connection.poll_read(cx, &mut scratch))?;
            if bytes == 0 {
                return Poll::Ready(Err(if self.heard {
                    BrokenAnswer::CutHead
                } else {
                    BrokenAnswer::NoAnswer
                }));
            }
            self.heard = true;
            if let Some(answer) = self.feed(&scratch[..bytes])? {
                return Poll::Ready(Ok(answer));
            }
        }
    }

    /// Takes bytes as they came; the answer when its head is whole.
    pub(super) fn feed(&mut self, new: &[u8]) -> Result<Option<Answer>, BrokenAnswer> {
        let mut bytes = if self.partial.is_empty() {
            // Head and beginning of the body in one piece of memory: of most answers that is all.
            Bytes::copy_from_slice(new)
        } else {
            let from = self.partial.len().saturating_sub(2);
            self.partial.extend_from_slice(new);
            if !may_end(&self.partial, from) {
                return self.is_not_too_long().map(|()| None);
            }
            Bytes::from(std::mem::take(&mut self.partial))
        };
        while let Some(head) = parse_head(&bytes, &mut self.fields)? {
            let rest = bytes.split_off(head.length);
            let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
            if switches && !self.asked.upgrade {
                return Err(BrokenAnswer::UnaskedUpgrade);
            }
            let mut framing = Framing::of(self.asked, &head, &mut self.fields)?;
            // An interim answer may end the connection too, or have a body that it must not have.
            framing.persists &= self.persists;
            self.persists = framing.persists;
            if switches || !head.status.is_informational() {
                let fields = std::mem::take(&mut self.fields);
                return Ok(Some(Answer {
                    head,
                    fields,
                    framing,
                    rest,
                }));
            }
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(BrokenAnswer::TooManyInterim);
            }
            self.fields.clear();
            bytes = rest;
        }
        self.partial = Vec::from(bytes);
        self.is_not_too_long().map(|()| None)
    }

    fn is_not_too_long(&self) -> Result<(), BrokenAnswer> {
        if self.partial.len() > MOST_HEAD {
            return Err(BrokenAnswer::HeadTooLong);
        }
        Ok(())
    }
}

/// The rest of an upload whose answer has begun, until its connection is to be closed.
pub(super) async fn send_rest<B>(
    mut upload: Upload<B>,
    connection: Rc<Connection>,
    mut pace: Pace,
) -> Result<(), BrokenAnswer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    std::future::poll_fn(|cx| match upload.poll(&connection, &pace, cx) {
        Poll::Ready(sent) => Poll::Ready(sent),
        Poll::Pending => {
            ready!(pace.deadline.poll_expired(cx));
            Poll::Ready(Err(BrokenAnswer::Io(std::io::ErrorKind::TimedOut.into())))
        }
    })
    .await
}

/// 1xx before an answer.
const MOST_INTERIM: u8 = 16;

#[cfg(test)]
mod tests;
