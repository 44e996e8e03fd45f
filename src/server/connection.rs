//! One client connection, from accept to close.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::config::Limits;
use crate::metrics::ConnectionError;
use crate::net::{ClientIo, ConnectionState, Deadline, Deadlines, Phase};

use super::shutdown::{Stage, Stages};

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
    let watch = Watch::new(state, protocol, limits, surroundings);
    let service = service_fn(serve);
    match protocol {
        Protocol::Http1 => {
            let io = TokioIo::new(io.checked_as_http1());
            let connection = http1_builder(limits).serve_connection(io, service);
            serve_http1(Box::new(connection.with_upgrades()), watch).await
        }
        Protocol::Http2 => {
            let connection = http2_builder(limits).serve_connection(TokioIo::new(io), service);
            let mut connection = Box::pin(connection);
            match watch.drive(connection.as_mut()).await {
                Stop::Ended(ended) => ended,
                Stop::TooLong(phase) => too_long(phase, false),
            }
        }
    }
}

/// The connection is boxed, here as over HTTP/2: a future has room for each place that a value is moved to, and this one
/// is a large one that would be in all of them for as long as a client is connected.
async fn serve_http1<S, B>(mut connection: Box<Http1<S>>, watch: Watch<'_>) -> Ended
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let deadlines = watch.deadlines.clone();
    let state = Rc::clone(&watch.state);
    let phase = match watch.drive(Pin::new(&mut *connection)).await {
        Stop::Ended(ended) => {
            // Nothing is left of one that was upgraded.
            if let Some(parts) = connection.into_parts() {
                let mut io = parts.io.into_inner();
                if io.is_within_request() {
                    let _ = deadlines.within(LINGER, io.discard()).await;
                }
            }
            return ended;
        }
        Stop::TooLong(phase) => phase,
    };
    let head_begun = state.is_within_head();
    if phase == Phase::Head
        && head_begun
        && let Some(parts) = connection.into_parts()
    {
        // No response is on its way in this phase, so this one is not mixed into another.
        let mut io = parts.io.into_inner();
        let answer = async {
            io.write_all(TOO_SLOW).await?;
            io.shutdown().await?;
            io.discard().await;
            Ok::<_, std::io::Error>(())
        };
        let _ = deadlines.within(LAST_WORDS, answer).await;
    }
    too_long(phase, head_begun)
}

/// A connection on which nothing was begun is closed without being an error: browsers open some in advance.
fn too_long(phase: Phase, head_begun: bool) -> Ended {
    match phase {
        Phase::Idle => Ok(()),
        Phase::Head if !head_begun => Ok(()),
        Phase::Head | Phase::Serving | Phase::Blocked => Err(ConnectionError::Timeout),
    }
}

type Http1<S> = http1::UpgradeableConnection<TokioIo<ClientIo>, S>;

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // One buffer in one write costs less than a vector of two.
        .writev(false)
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(HYPER_LEAST_BUFFER))
        .max_header_size(limits.header_bytes);
    if limits.header_count != HYPER_HEADER_COUNT {
        builder.max_headers(limits.header_count);
    }
    builder
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

impl<S, B> Graceful for Http1<S>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Graceful for http2::Connection<TokioIo<ClientIo>, S, Local>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Local: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection and ends it when it takes too long, grows too old, or the worker drains.
struct Watch<'a> {
    state: Rc<ConnectionState>,
    stages: &'a Stages,
    limits: &'a Limits,
    deadlines: &'a Deadlines,
    protocol: Protocol,
    /// Of the phase.
    deadline: Deadline,
    /// When it is old; `None` once it was told to end.
    age: Option<Deadline>,
    /// The changes that the deadline was set for, and the phase.
    measured: Option<(u64, Stage)>,
    phase: Phase,
    finishing: bool,
}

/// Why a connection stopped.
enum Stop {
    /// hyper says so.
    Ended(Ended),
    /// It was in this phase for too long.
    TooLong(Phase),
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
            stages: &surroundings.stages,
            limits,
            deadlines,
            protocol,
            deadline: deadlines.arm(None),
            age: limits.connection_age.map(|age| deadlines.arm(Some(age))),
            measured: None,
            phase: Phase::Head,
            finishing: false,
        }
    }

    async fn drive<C: Graceful>(mut self, mut connection: Pin<&mut C>) -> Stop {
        poll_fn(|cx| {
            self.state.set_driver(None);
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Stop::Ended(ended(result)));
                }
                if !self.finishing && self.should_finish(cx) {
                    self.finishing = true;
                    self.age = None;
                    connection.as_mut().finish();
                    continue;
                }
                self.measure();
                if self.deadline.poll_expired(cx).is_pending() {
                    break;
                }
                if self.measured == Some(self.moment()) {
                    return Poll::Ready(Stop::TooLong(self.phase));
                }
            }
            if self.protocol == Protocol::Http2 {
                self.state.set_driver(Some(cx.waker().clone()));
            }
            Poll::Pending
        })
        .await
    }

    /// Whether this is the time to tell the connection to end with what it is doing.
    fn should_finish(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        let used = self.state.requests() > 0;
        let told = match (self.stages.now(), self.protocol) {
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

    /// Sets the deadline anew if something has changed that it is measured from.
    fn measure(&mut self) {
        let moment = self.moment();
        if self.measured != Some(moment) {
            self.measured = Some(moment);
            self.phase = self.state.phase();
            self.deadline.set(self.limit());
        }
    }

    fn moment(&self) -> (u64, Stage) {
        (self.state.changes(), self.stages.now())
    }

    fn limit(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle => Some(self.limits.idle_timeout),
            Phase::Head if self.stages.now() == Stage::Draining && !self.state.is_within_head() => {
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

/// What hyper takes without a list on the heap.
const HYPER_HEADER_COUNT: usize = 100;

/// How many times `header_bytes` h2 may take. Of short fields the memory is a multiple of that, for each stream that a
/// client opens at once, so it is not more.
const H2_HEADER_ROOM: usize = 2;

/// hyper panics below it.
const HYPER_LEAST_BUFFER: usize = 8192;

/// How long a drain waits for the first request of a connection from the accept queue: its bytes are most likely here.
const FRESH: Duration = Duration::from_secs(1);

/// How long a client may go on with a request that was answered before its end.
const LINGER: Duration = Duration::from_secs(1);

/// For an answer that nobody may be reading.
const LAST_WORDS: Duration = Duration::from_millis(250);

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\
    Connection: close\r\n\r\n";

#[cfg(test)]
pub(super) mod tests;
