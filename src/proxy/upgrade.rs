//! WebSocket: two byte streams joined after the upstream's 101.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional};

use crate::clock::UnixTime;
use crate::net::Deadlines;
use crate::upstream::Upgraded;

use super::ConnectionContext;
use super::ongoing::Ongoing;
use super::record::Record;

/// How long both ends get to say goodbye when a tunnel is ended by us: TLS has a last word.
const GOODBYE: Duration = Duration::from_secs(1);

/// An upgrade that the upstream has agreed to, and the client is about to be told of.
pub(super) struct Switched {
    pub(super) client: OnUpgrade,
    pub(super) upstream: Upgraded,
    pub(super) limits: TunnelLimits,
}

/// When a tunnel ends, if nobody ends it.
#[derive(Debug)]
pub(super) struct TunnelLimits {
    /// While nothing passes.
    pub(super) idle: Duration,
    /// Until the token ends that admitted it.
    pub(super) lasts: Option<Duration>,
    /// Until that token is revoked.
    pub(super) revoked: Option<Ongoing>,
}

/// Time from `now` until `expires`: none if that has passed.
pub(super) fn until(now: UnixTime, expires: UnixTime) -> Duration {
    Duration::from_secs(u64::try_from(expires.since(now)).unwrap_or(0))
}

/// Joins both connections as soon as hyper gives their bytes back. The client's I/O holds the connection's slot, so a
/// tunnel counts as a connection for limits and drain.
pub(super) fn begin(connection: &ConnectionContext, switched: Switched, mut record: Record) {
    let traffic = Rc::new(Traffic::default());
    record.upgraded(&traffic);
    connection.state.upgraded();
    let deadlines = connection.worker.deadlines.clone();
    tokio::task::spawn_local(async move {
        let Switched {
            client,
            mut upstream,
            limits,
        } = switched;
        // The record ends with the tunnel, also if one of the two is gone already.
        let _record = record;
        if let Ok(client) = client.await {
            let mut client = Metered {
                io: TokioIo::new(client),
                traffic,
            };
            run(&mut client, &mut upstream, limits, &deadlines).await;
        }
    });
}

/// Passes bytes both ways until both ends have closed, one fails, nothing passes for `upgrade_idle_timeout`, or the
/// token ends or is revoked.
async fn run<C, U>(
    client: &mut Metered<C>,
    upstream: &mut U,
    limits: TunnelLimits,
    deadlines: &Deadlines,
) where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut idle = deadlines.arm(Some(limits.idle));
    let mut end = deadlines.arm(limits.lasts);
    let over = |cx: &mut Context<'_>, moved: bool| {
        if moved {
            idle.set(Some(limits.idle));
        }
        let revoked = limits.revoked.as_ref();
        let revoked = revoked.is_some_and(|revoked| revoked.poll_over(cx).is_ready());
        match (idle.poll_expired(cx), end.poll_expired(cx)) {
            (Poll::Pending, Poll::Pending) if !revoked => Poll::Pending,
            _ => Poll::Ready(()),
        }
    };
    if join(client, upstream, over).await == Ended::ByUs {
        let goodbye = async {
            let _ = client.shutdown().await;
            let _ = upstream.shutdown().await;
        };
        let _ = deadlines.within(GOODBYE, goodbye).await;
    }
}

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Both ends have closed, or one failed.
    ByThem,
    /// Its time was over.
    ByUs,
}

/// Copies both ways, with back-pressure; an end that closes its half leaves the other half open. After each step
/// `over` is told whether anything has moved, and says whether the time is over.
async fn join<C, U>(
    client: &mut Metered<C>,
    upstream: &mut U,
    mut over: impl FnMut(&mut Context<'_>, bool) -> Poll<()>,
) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let traffic = Rc::clone(&client.traffic);
    let mut copying = pin!(copy_bidirectional(client, upstream));
    let mut seen = traffic.total();
    std::future::poll_fn(|cx| {
        if copying.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::ByThem);
        }
        let total = traffic.total();
        let moved = std::mem::replace(&mut seen, total) != total;
        over(cx, moved).map(|()| Ended::ByUs)
    })
    .await
}

/// Bytes that passed through a tunnel.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

impl Traffic {
    /// From the client.
    pub(super) fn bytes_in(&self) -> u64 {
        self.bytes_in.get()
    }

    /// To the client.
    pub(super) fn bytes_out(&self) -> u64 {
        self.bytes_out.get()
    }

    fn total(&self) -> u64 {
        self.bytes_in.get().wrapping_add(self.bytes_out.get())
    }
}

/// The client's end: every byte of the tunnel passes here once.
struct Metered<C> {
    io: C,
    traffic: Rc<Traffic>,
}

fn add(counter: &Cell<u64>, bytes: usize) {
    counter.set(
        counter
            .get()
            .wrapping_add(u64::try_from(bytes).unwrap_or(u64::MAX)),
    );
}

impl<C: AsyncRead + Unpin> AsyncRead for Metered<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        add(&this.traffic.bytes_in, buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Metered<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, bytes))?;
        add(&this.traffic.bytes_out, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
