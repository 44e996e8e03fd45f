//! HTTP/1.1 on a client connection: hyper serves it, and gives it back while nothing happens.

use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::config::Limits;
use crate::net::{ClientIo, Phase};

use super::{Ended, Graceful, Stop, Watch, too_long};

type Http1<S> = http1::UpgradeableConnection<TokioIo<ClientIo>, S>;

/// Serves until the connection ends or is upgraded.
///
/// hyper holds some 20 KB for a connection. While one rests they are given back, and it is a socket with a few notes;
/// with its next byte hyper begins anew. The client cannot tell.
///
/// hyper's part is boxed: a future has room for each place that a value is moved to, and this one is a large one that
/// would be in all of them for as long as a client is connected.
pub(super) async fn serve_http1<S, B>(
    io: ClientIo,
    service: S,
    limits: &Limits,
    mut watch: Watch<'_>,
) -> Ended
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = begin(io.checked_as_http1(), service, limits);
    loop {
        match watch.drive(Pin::new(&mut *connection)).await {
            Stop::Resting => {}
            Stop::Ended(ended) => {
                linger(connection, &watch).await;
                return ended;
            }
            Stop::TooLong(phase) => return say_too_slow(connection, &watch, phase).await,
        }
        let Some((mut io, service)) = take_back(connection) else {
            return Ok(());
        };
        watch.rest(&mut io).await;
        connection = begin(io, service, limits);
    }
}

fn begin<S, B>(io: ClientIo, service: S, limits: &Limits) -> Box<Http1<S>>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = builder(limits);
    // What hyper then leaves to us is to look whether the client is still there.
    builder.half_close(io.misses_its_client());
    let connection = builder.serve_connection(TokioIo::new(io), service);
    Box::new(connection.with_upgrades())
}

/// What a resting connection is served with.
#[expect(
    clippy::boxed_local,
    reason = "taken out of its box by the caller it would have room in the caller's future"
)]
fn take_back<S, B>(connection: Box<Http1<S>>) -> Option<(ClientIo, S)>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // One that was upgraded has ended, and does not rest.
    let parts = connection.into_parts()?;
    if !parts.read_buf.is_empty() {
        // It would be the begin of a request, and none has begun in a connection that rests.
        tracing::error!("a resting connection is closed: it had read more than was checked");
        return None;
    }
    Some((parts.io.into_inner(), parts.service))
}

/// Lets a client that was answered early get to see the answer while it still sends.
async fn linger<S, B>(connection: Box<Http1<S>>, watch: &Watch<'_>)
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Nothing is left of one that was upgraded.
    if let Some(parts) = connection.into_parts() {
        let mut io = parts.io.into_inner();
        if io.is_within_request() {
            let _ = watch
                .surroundings
                .deadlines
                .within(LINGER, io.discard())
                .await;
        }
    }
}

/// Ends a connection that took too long for `phase`, with an answer where there can be one.
async fn say_too_slow<S, B>(connection: Box<Http1<S>>, watch: &Watch<'_>, phase: Phase) -> Ended
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let head_begun = watch.state.is_within_head();
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
        let _ = watch
            .surroundings
            .deadlines
            .within(LAST_WORDS, answer)
            .await;
    }
    too_long(phase, head_begun)
}

fn builder(limits: &Limits) -> http1::Builder {
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

/// What hyper takes without a list on the heap.
const HYPER_HEADER_COUNT: usize = 100;

/// hyper panics below it.
const HYPER_LEAST_BUFFER: usize = 8192;

/// How long a client may go on with a request that was answered before its end.
const LINGER: Duration = Duration::from_secs(1);

/// For an answer that nobody may be reading.
const LAST_WORDS: Duration = Duration::from_millis(250);

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\
    Connection: close\r\n\r\n";
