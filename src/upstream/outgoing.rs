//! A request body on its way: moves the deadline of the answer as the upstream takes the body.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::net::{Deadline, Deadlines};

/// The body `B` of a request, and who waits for the answer to it.
pub(super) struct Outgoing<B> {
    body: B,
    pace: Option<Rc<Pace>>,
}

/// When the answer to a request with a body is due: `limit` after the upstream has taken a part of it, or the end.
/// While the client has nothing to give, the upstream has no duty, and the client has limits of its own.
pub(super) struct Pace {
    deadline: RefCell<Deadline>,
    limit: Duration,
}

impl<B: Body> Outgoing<B> {
    /// A body that does not end at once gets a deadline.
    pub(super) fn new(body: B, deadlines: &Deadlines, limit: Duration) -> Self {
        let pace = (!body.is_end_stream()).then(|| {
            Rc::new(Pace {
                deadline: RefCell::new(deadlines.arm(Some(limit))),
                limit,
            })
        });
        Self { body, pace }
    }

    /// The deadline, which goes on when the body has gone. `None`: there is no body.
    pub(super) fn pace(&self) -> Option<Rc<Pace>> {
        self.pace.clone()
    }
}

impl Pace {
    /// Ready when the answer is overdue.
    pub(super) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.borrow_mut().poll_expired(cx).map(|_| ())
    }
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(pace) = &self.pace {
            let after = poll.is_ready().then_some(pace.limit);
            pace.deadline.borrow().set(after);
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
