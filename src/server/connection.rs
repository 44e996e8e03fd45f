//! One client connection, from accept to close.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;

use crate::config::Limits;
use crate::metrics::ConnectionError;
use crate::net::{ClientIo, ConnectionState, Deadline, Deadlines, Http2Io, Phase};

use super::shutdown::{Stage, Stages};

mod http1;

use http1::serve_http1;

/// What a connection needs of its worker.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) deadlines: Deadlines,
    pub(super) stages: Rc<Stages>,
}

/// Which HTTP was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// How a connection ended that was not ended by its client or by the drain.
pub(super) type Ended = Result<(), ConnectionError>;

/// Serves HTTP until the connection ends or is upgraded. `serve` tells `state` of its requests, and says
/// `Connection: close` in HTTP/1.1 while the process drains.
///
/// # Errors
/// The cause to count, when we ended it.
pub(super) async fn serve_connection<S, F, B>(
    io: ClientIo,
    protocol: Protocol,
    state: Rc<ConnectionState>,
    limits: &Limits,
    surroundings: &Surroundings,
    serve: S,
) -> Ended
where
    S: Fn(Request<Incoming>) -> F + Unpin + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut watch = Watch::new(state, protocol, limits, surroundings);
    let service = service_fn(serve);
    match protocol {
        Protocol::Http1 => serve_http1(io, service, limits, watch).await,
        Protocol::Http2 => {
            let io = Http2Io::new(io);
            let connection =
                http2_builder(limits).serve_connection(TokioIo::new(io.clone()), service);
            let mut connection = Box::pin(Http2 { connection, io });
            match watch.drive(connection.as_mut()).await {
                Stop::Ended(ended) => ended,
                Stop::TooLong(phase) => too_long(phase, false),
                // Not over HTTP/2, which has a state that both ends share.
                Stop::Resting => Ok(()),
            }
        }
    }
}

/// A connection on which nothing was begun is closed without being an error: browsers open some in advance.
fn too_long(phase: Phase, head_begun: bool) -> Ended {
    match phase {
        Phase::Idle => Ok(()),
        Phase::Head if !head_begun => Ok(()),
        Phase::Head | Phase::Serving | Phase::Blocked => Err(ConnectionError::Timeout),
    }
}

fn http2_builder(limits: &Limits) -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(h2_header_bytes(limits))
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        // Rapid reset (CVE-2023-44487), and resets that a client makes us send (CVE-2025-8671).
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128);
    builder
}

/// What h2 takes of a head, and announces. Up to there the gate refuses what is over `header_bytes`: h2's own answer is
/// counted nowhere, and its connection stays. h2 ends a connection over four times its limit.
fn h2_header_bytes(limits: &Limits) -> u32 {
    u32::try_from(limits.header_bytes.saturating_mul(H2_HEADER_ROOM)).unwrap_or(u32::MAX)
}

/// Streams are tasks of the worker.
#[derive(Clone, Copy)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A connection that can be told to end with what it is doing.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

/// A connection of HTTP/2, and its bytes, which leave when all that it had to do was done.
struct Http2<S: HttpService<Incoming>> {
    connection: http2::Connection<TokioIo<Http2Io>, S, Local>,
    io: Http2Io,
}

impl<S, B> Future for Http2<S>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Local: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(result);
            }
            // What cannot be sent now wakes us when it can. A failure is told to the connection, which then ends.
            let Poll::Ready(Err(_)) = self.io.poll_send(cx) else {
                return Poll::Pending;
            };
        }
    }
}

impl<S, B> Graceful for Http2<S>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Local: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(mut self: Pin<&mut Self>) {
        Pin::new(&mut self.connection).graceful_shutdown();
    }
}

/// Runs a connection, or waits while it rests, and ends it when it takes too long, grows too old, or the worker drains.
struct Watch<'a> {
    state: Rc<ConnectionState>,
    limits: &'a Limits,
    surroundings: &'a Surroundings,
    protocol: Protocol,
    /// Of the phase, or of the time until an idle connection rests.
    deadline: Deadline,
    /// When it is old; `None` once it was told to end.
    age: Option<Deadline>,
    /// The changes that the deadline was set for, and the phase.
    measured: Option<(u64, Stage)>,
    /// When the phase began, as coarsely as deadlines are.
    since: Instant,
    phase: Phase,
    /// On the heap, since few connections have one.
    told: Option<Box<Told>>,
}

/// That a connection was told to end.
struct Told {
    at: Instant,
    /// Its requests until [`FAREWELL`] had passed.
    requests: u64,
}

/// Why a connection stopped.
enum Stop {
    /// hyper says so.
    Ended(Ended),
    /// It was in this phase for too long.
    TooLong(Phase),
    /// It has been idle for a while, and [`Watch::rest`] can go on without hyper.
    Resting,
}

impl<'a> Watch<'a> {
    fn new(
        state: Rc<ConnectionState>,
        protocol: Protocol,
        limits: &'a Limits,
        surroundings: &'a Surroundings,
    ) -> Self {
        let deadlines = &surroundings.deadlines;
        Self {
            state,
            limits,
            surroundings,
            protocol,
            deadline: deadlines.arm(None),
            age: limits.connection_age.map(|age| deadlines.arm(Some(age))),
            measured: None,
            since: deadlines.now(),
            phase: Phase::Head,
            told: None,
        }
    }

    /// The coarse present.
    fn now(&self) -> Instant {
        self.surroundings.deadlines.now()
    }

    async fn drive<C: Graceful>(&mut self, mut connection: Pin<&mut C>) -> Stop {
        poll_fn(|cx| {
            self.state.set_driver(None);
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Stop::Ended(ended(result)));
                }
                if self.told.is_none() && self.should_finish(cx) {
                    self.told = Some(Box::new(Told {
                        at: self.now(),
                        requests: self.state.requests(),
                    }));
                    self.age = None;
                    // From now on another limit holds, even if it has been idle for long.
                    self.measured = None;
                    connection.as_mut().finish();
                    continue;
                }
                if self.is_deaf() {
                    return Poll::Ready(Stop::TooLong(Phase::Serving));
                }
                self.measure();
                if self.deadline.poll_expired(cx).is_pending() {
                    break;
                }
                if self.is_over() {
                    return Poll::Ready(Stop::TooLong(self.phase));
                }
                // hyper was just polled, and all that it has to do has been done.
                if self.state.is_resting() && self.told.is_none() {
                    return Poll::Ready(Stop::Resting);
                }
                // It waits for something else than a request.
                self.deadline.set(self.until_rest(self.left()));
            }
            if self.protocol == Protocol::Http2 {
                self.state.set_driver(Some(cx.waker().clone()));
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until the client sends or closes, the deadline has passed, or it is time to finish. What then happens is
    /// for [`Self::drive`] to find out: bytes that came in the same moment are not overlooked.
    async fn rest(&mut self, io: &mut ClientIo) {
        self.deadline.set(self.left());
        poll_fn(|cx| {
            if self.should_finish(cx) || self.deadline.poll_expired(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(io.poll_readable(cx));
            // The bytes may turn out to be of TLS alone; then it rests again.
            self.deadline.set(self.until_rest(self.left()));
            Poll::Ready(())
        })
        .await;
    }

    /// Whether this is the time to tell the connection to end with what it is doing.
    fn should_finish(&mut self, cx: &mut Context<'_>) -> bool {
        let used = self.state.requests() > 0;
        let told = match (self.surroundings.stages.now(), self.protocol) {
            _ if self.state.is_ending() => true,
            // GOAWAY lets requests pass that are on their way; a fresh connection gets its first answer before it.
            (Stage::Delay | Stage::Draining, Protocol::Http2) => used,
            // Each response says `Connection: close`: closing between requests could lose one that is on its way.
            (Stage::Serving, _) | (Stage::Delay, Protocol::Http1) => false,
            (Stage::Draining, Protocol::Http1) => used && !self.state.is_within_head(),
        };
        let old = match &mut self.age {
            Some(age) => age.poll_expired(cx).is_ready(),
            None => false,
        };
        // hyper closes a connection that waits between requests at once, even in the middle of a head.
        told || (old && used && !self.state.is_within_head())
    }

    /// Whether the client goes on sending requests long after it was told that there is an end. Over HTTP/2 that is its to
    /// hear: until it has answered a PING behind the first GOAWAY, h2 takes new streams (RFC 9113 §6.8).
    fn is_deaf(&mut self) -> bool {
        let (now, requests) = (self.now(), self.state.requests());
        let Some(told) = &mut self.told else {
            return false;
        };
        if now.saturating_duration_since(told.at) <= FAREWELL {
            told.requests = requests;
        }
        requests > told.requests
    }

    /// Sets the deadline anew if something has changed that it is measured from.
    fn measure(&mut self) {
        let moment = self.moment();
        if self.measured != Some(moment) {
            self.measured = Some(moment);
            self.since = self.now();
            self.phase = self.state.phase();
            // The phase begins, so that all of its limit is left.
            self.deadline.set(self.until_rest(self.limit()));
        }
    }

    /// How long the deadline may be away that comes first: the phase's end, of which so much is left, or rest.
    fn until_rest(&self, left: Option<Duration>) -> Option<Duration> {
        let rests = self.phase == Phase::Idle && self.protocol == Protocol::Http1;
        if rests {
            left.map(|left| left.min(REST_AFTER))
        } else {
            left
        }
    }

    /// What is left of the phase's limit.
    fn left(&self) -> Option<Duration> {
        let spent = self.now().saturating_duration_since(self.since);
        self.limit().map(|limit| limit.saturating_sub(spent))
    }

    /// Whether the phase's limit has passed, by as much as a deadline needs so that it is never early.
    fn is_over(&self) -> bool {
        let spent = self.now().saturating_duration_since(self.since);
        self.limit()
            .is_some_and(|limit| spent >= limit.saturating_add(Deadlines::RESOLUTION))
    }

    fn moment(&self) -> (u64, Stage) {
        (self.state.changes(), self.surroundings.stages.now())
    }

    fn limit(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle if self.told.is_some() => Some(PARTING.min(self.limits.idle_timeout)),
            Phase::Idle => Some(self.limits.idle_timeout),
            Phase::Head
                if self.surroundings.stages.now() == Stage::Draining
                    && !self.state.is_within_head() =>
            {
                Some(FRESH.min(self.limits.header_timeout))
            }
            Phase::Head => Some(self.limits.header_timeout),
            Phase::Serving => None,
            Phase::Blocked => Some(self.limits.write_timeout),
        }
    }
}

fn ended(result: hyper::Result<()>) -> Ended {
    let Err(error) = result else {
        return Ok(());
    };
    tracing::debug!(%error, "connection ended");
    let wrong_http2 = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_library);
    if error.is_parse() || wrong_http2 {
        Err(ConnectionError::Malformed)
    } else {
        // The client has gone, or the upstream broke a response.
        Ok(())
    }
}

/// How many times `header_bytes` h2 may take. Of short fields the memory is a multiple of that, for each stream that a
/// client opens at once, so it is not more.
const H2_HEADER_ROOM: usize = 2;

/// How long an idle HTTP/1.1 connection keeps what it needs for a request. Clients that send several in a row seldom
/// pause for longer, and a worker's thousands of others cost nothing but their sockets.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How long an HTTP/2 connection that was told to end may stay without a request: the client answers a PING first, in one
/// round trip.
const PARTING: Duration = Duration::from_secs(5);

/// How long after it was told an HTTP/2 connection may begin requests. They may be on their way for as long as what was
/// sent before the GOAWAY takes to reach the client.
const FAREWELL: Duration = Duration::from_secs(30);

/// How long a drain waits for the first request of a connection from the accept queue: its bytes are most likely here.
const FRESH: Duration = Duration::from_secs(1);

#[cfg(test)]
pub(super) mod tests;
