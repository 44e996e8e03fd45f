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
use crate::upstream::InFlight;

use super::record::Record;
use super::{ConnectionContext, OpenGuard};

/// How long both ends get to say goodbye when a tunnel is ended by us: TLS has a last word.
const GOODBYE: Duration = Duration::from_secs(1);

/// An upgrade that the upstream has agreed to.
pub(super) struct Switched {
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    pub(super) in_flight: InFlight,
    /// While nothing passes.
    pub(super) idle: Duration,
    /// Until the token ends that admitted it.
    pub(super) lasts: Option<Duration>,
}

/// Two connections to be joined. The client's has just been told 101.
pub struct Tunnel {
    upstream: OnUpgrade,
    idle: Duration,
    lasts: Option<Duration>,
    deadlines: Deadlines,
    traffic: Rc<Traffic>,
    _record: Record,
    _in_flight: InFlight,
    _open: OpenGuard,
}

/// Time from `now` until `expires`: none if that has passed.
pub(super) fn until(now: UnixTime, expires: UnixTime) -> Duration {
    Duration::from_secs(u64::try_from(expires.since(now)).unwrap_or(0))
}

/// Leaves the tunnel with the connection, and runs it when hyper gives the connection's bytes back.
///
/// Whoever drives the connection by `without_shutdown` takes [`ConnectionContext::tunnel`] right after it has ended,
/// and runs it there; with `with_upgrades` the task started here does.
pub(super) fn begin(connection: &Rc<ConnectionContext>, switched: Switched, mut record: Record) {
    let Switched {
        client,
        upstream,
        in_flight,
        idle,
        lasts,
    } = switched;
    let worker = &connection.worker;
    let traffic = Rc::new(Traffic::default());
    record.upgraded(&traffic);
    *connection.tunnel.borrow_mut() = Some(Tunnel {
        upstream,
        idle,
        lasts,
        deadlines: worker.deadlines.clone(),
        traffic,
        _record: record,
        _in_flight: in_flight,
        _open: OpenGuard::new(&worker.open),
    });
    let connection = Rc::clone(connection);
    tokio::task::spawn_local(async move {
        let client = client.await;
        let tunnel = connection.tunnel.take();
        if let (Ok(client), Some(tunnel)) = (client, tunnel) {
            tunnel.run(TokioIo::new(client)).await;
        }
    });
}

impl Tunnel {
    /// Passes bytes both ways until both ends have closed, one fails, nothing passes for `upgrade_idle_timeout`, or the
    /// token ends.
    pub async fn run<C>(self, client: C)
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(upstream) = self.upstream.await else {
            return;
        };
        let mut upstream = TokioIo::new(upstream);
        let mut client = Metered {
            io: client,
            traffic: Rc::clone(&self.traffic),
        };
        let mut idle = self.deadlines.arm(Some(self.idle));
        let mut end = self.deadlines.arm(self.lasts);
        let over = |cx: &mut Context<'_>, moved: bool| {
            if moved {
                idle.set(Some(self.idle));
            }
            match (idle.poll_expired(cx), end.poll_expired(cx)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                (Poll::Ready(_), _) | (_, Poll::Ready(_)) => Poll::Ready(()),
            }
        };
        if join(&mut client, &mut upstream, over).await == Ended::ByUs {
            let goodbye = async {
                let _ = client.shutdown().await;
                let _ = upstream.shutdown().await;
            };
            let _ = self.deadlines.within(GOODBYE, goodbye).await;
        }
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
#[path = "upgrade_tests.rs"]
mod tests;
