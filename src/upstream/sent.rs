//! An answer, and what goes on until its body has ended: the connection's return to its pool, and the count.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::body::Reading;
use super::connection::Connection;
use super::exchange::Answer;
use super::{BrokenAnswer, InFlight, Upgraded};

/// An answer's head, and its body.
pub struct Sent {
    /// The response.
    pub response: Response<SentBody>,
    /// How long it took until the response began.
    pub after: Duration,
}

/// A response body. When it has ended, its connection goes back to the pool; dropped before, the connection is closed.
pub struct SentBody {
    reading: Reading,
    /// `None` when it has ended.
    live: Option<Live>,
    /// What it ended with, until that is told.
    broken: Option<BrokenAnswer>,
}

/// What lasts as long as an answer does.
struct Live {
    connection: Rc<Connection>,
    in_flight: InFlight,
    /// Whether the connection is good for another request.
    persists: bool,
    upload: RestOfUpload,
}

/// What of the request was not sent when the answer began.
pub(super) enum RestOfUpload {
    /// Nothing.
    Done,
    /// It will not be.
    Refused,
    /// It is being sent, in a task of its own: an answer that nobody reads on must not hold it up.
    Going(JoinHandle<Result<(), BrokenAnswer>>),
}

impl RestOfUpload {
    fn is_done(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Refused | Self::Going(_) => false,
        }
    }
}

impl SentBody {
    /// The response that an answer is.
    pub(super) fn attach(
        answer: Answer,
        connection: Rc<Connection>,
        in_flight: InFlight,
        upload: RestOfUpload,
    ) -> Response<Self> {
        let upgrades = answer.head.status == StatusCode::SWITCHING_PROTOCOLS;
        let mut body = Self {
            reading: Reading::new(answer.framing.length, answer.rest),
            live: Some(Live {
                connection,
                in_flight,
                persists: answer.framing.persists,
                upload,
            }),
            broken: None,
        };
        if !upgrades && body.reading.is_over() {
            body.end();
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.head.status;
        *response.version_mut() = answer.head.version;
        *response.headers_mut() = answer.fields;
        response
    }

    /// After a 101, the connection, which speaks another protocol now. `None` if the upstream switched before it had the
    /// whole request: what is left of that would come between the bytes of the other protocol.
    #[must_use]
    pub fn into_upgraded(mut self) -> Option<Upgraded> {
        let live = self.live.take_if(|live| live.upload.is_done())?;
        let rest = self.reading.take_rest();
        Some(Upgraded::new(live.connection, rest, live.in_flight))
    }

    fn end(&mut self) {
        let Some(live) = self.live.take() else {
            return;
        };
        match live.upload {
            RestOfUpload::Done if live.persists && self.reading.is_clean() => {
                live.connection.give_back();
            }
            // The upstream reads on, though it has answered: the client, which still sends, gets to read the answer.
            // The connection is closed after that.
            RestOfUpload::Going(_) if live.persists => {}
            RestOfUpload::Going(task) => task.abort(),
            RestOfUpload::Done | RestOfUpload::Refused => {}
        }
    }
}

impl Live {
    /// Looks at the upload: only what is wrong with the request's body concerns the answer.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), BrokenAnswer> {
        let RestOfUpload::Going(task) = &mut self.upload else {
            return Ok(());
        };
        let Poll::Ready(sent) = Pin::new(task).poll(cx) else {
            return Ok(());
        };
        self.upload = match sent {
            Ok(Ok(())) => RestOfUpload::Done,
            Ok(Err(BrokenAnswer::Io(_))) => RestOfUpload::Refused,
            Ok(Err(error)) => return Err(error),
            Err(panicked) => return Err(BrokenAnswer::RequestBody(panicked.into())),
        };
        Ok(())
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = BrokenAnswer;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(live) = &mut this.live else {
            return Poll::Ready(this.broken.take().map(Err));
        };
        let poll = match live.poll_upload(cx) {
            Ok(()) => this.reading.poll_frame(&live.connection, cx),
            Err(error) => Poll::Ready(Some(Err(error))),
        };
        match poll {
            Poll::Ready(Some(Err(error))) => {
                this.abandon();
                // What came before goes to the client first: an error at once would make its connection forget that.
                this.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            // After its last part a body is over: the server side asks `is_end_stream` then, and does not poll again.
            Poll::Ready(None | Some(Ok(_))) if this.reading.is_over() => {
                this.end();
                poll
            }
            Poll::Ready(None | Some(Ok(_))) | Poll::Pending => poll,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.reading.size_hint()
    }
}

impl SentBody {
    /// Closes the connection, and leaves the rest of the request unsent.
    fn abandon(&mut self) {
        if let Some(Live {
            upload: RestOfUpload::Going(task),
            ..
        }) = self.live.take()
        {
            task.abort();
        }
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        self.abandon();
    }
}
