//! An accepted socket becomes a connection: its place under the limits, TLS, HTTP.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Limits;
use crate::gate::{Peer, Reason};
use crate::metrics::ConnectionError;
use crate::net::{ClientIo, ConnectionState, Deadlines};
use crate::proxy::{self, ConnectionContext, WorkerContext};

use super::balance::{Balance, Handed};
use super::connection::{Ended, Protocol, Surroundings, serve_connection};
use super::slots::{Slot, Slots};

/// What all connections of a worker share.
pub(super) struct Handler {
    pub(super) context: Rc<WorkerContext>,
    pub(super) surroundings: Surroundings,
    pub(super) slots: Slots,
    pub(super) balance: Balance,
    /// Connections over the limit that are being answered.
    pub(super) turned_away: Cell<usize>,
}

/// What a connection keeps of the snapshot of its first moment. Not the snapshot: its keys must go when they are
/// replaced, and a connection may last for days.
struct Accepted {
    limits: Limits,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Handler {
    /// Serves an accepted connection here or hands it to a worker that has fewer, if the limits allow for one more.
    pub(super) fn accepted(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let snapshot = self.context.current_snapshot();
        self.context.metrics.accepted();
        let Some(admitted) = self.slots.admit(peer.ip(), &snapshot.limits) else {
            self.refused(stream, snapshot.tls.is_some());
            return;
        };
        let (counted, way) = self.balance.place();
        let slot = Slot::new(admitted, counted);
        let Some(way) = way else {
            self.serve(stream, peer, slot);
            return;
        };
        // Out of this worker's reactor. What comes meanwhile waits in the socket.
        match stream.into_std() {
            Ok(stream) => {
                way.send(Handed { stream, peer, slot });
                self.context.metrics.handed_over();
            }
            Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
        }
    }

    /// Serves a connection that another worker has accepted. It goes no further.
    pub(super) fn arrived(self: &Rc<Self>, handed: Handed) {
        let Handed { stream, peer, slot } = handed;
        match TcpStream::from_std(stream) {
            Ok(stream) => self.serve(stream, peer, slot),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }

    /// Starts the task of a connection. It keeps the limits and certificates of this moment.
    fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        let this = Rc::clone(self);
        let accepted = {
            let snapshot = self.context.current_snapshot();
            Accepted {
                limits: snapshot.limits.clone(),
                tls: snapshot.tls.as_ref().map(|tls| Arc::clone(&tls.config)),
            }
        };
        this.tell_number();
        tokio::task::spawn_local(async move {
            if let Err(cause) = this.connection(stream, peer, slot, accepted).await {
                this.context.metrics.connection_error(cause);
            }
            this.tell_number();
        });
    }

    /// Called when it changes, and each second for what was upgraded and ends elsewhere.
    pub(super) fn tell_number(&self) {
        self.context.metrics.connections(self.slots.open());
    }

    /// A limit is reached.
    fn refused(self: &Rc<Self>, stream: TcpStream, secure: bool) {
        let context = &self.context;
        context
            .metrics
            .connection_error(ConnectionError::Overloaded);
        context
            .no_route
            .rejected(context.id, Reason::Overloaded.index());
        let turned_away = self.turned_away.get();
        // TLS would cost more than it is worth here; it is closed.
        if secure || turned_away >= TURNED_AWAY {
            return;
        }
        self.turned_away.set(turned_away + 1);
        let this = Rc::clone(self);
        tokio::task::spawn_local(async move {
            turn_away(stream, &this.surroundings.deadlines).await;
            this.turned_away.set(this.turned_away.get() - 1);
        });
    }

    async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Slot,
        accepted: Accepted,
    ) -> Ended {
        let Accepted { limits, tls } = accepted;
        let state = ConnectionState::new();
        let slot = Box::new(slot);
        let secure = tls.is_some();
        let (io, protocol) = match tls {
            None => (ClientIo::plain(stream, &state, slot), Protocol::Http1),
            Some(config) => {
                // Boxed, so that its room is given back when it is over.
                let handshake = handshake(stream, config, &limits, &self.surroundings.deadlines);
                let stream = Box::pin(handshake).await?;
                let protocol = agreed(&stream);
                (ClientIo::tls(stream, &state, slot), protocol)
            }
        };
        let connection = Rc::new(ConnectionContext {
            worker: Rc::clone(&self.context),
            peer: Peer {
                address: peer,
                secure,
            },
            state: Rc::clone(&state),
        });
        let serve = move |request| proxy::serve(Rc::clone(&connection), request);
        serve_connection(io, protocol, state, &limits, &self.surroundings, serve).await
    }
}

async fn handshake(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    limits: &Limits,
    deadlines: &Deadlines,
) -> Result<TlsStream<TcpStream>, ConnectionError> {
    let accept = TlsAcceptor::from(config).accept(stream);
    match deadlines.within(limits.handshake_timeout, accept).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake");
            Err(ConnectionError::Handshake)
        }
        Err(_) => Err(ConnectionError::Handshake),
    }
}

/// Without ALPN it is HTTP/1.1 (RFC 9113 §3.2: h2 over TLS is agreed on by ALPN alone).
fn agreed(stream: &TlsStream<TcpStream>) -> Protocol {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    }
}

/// Answers 503 over plaintext, whatever the request is, and closes.
pub(super) async fn turn_away(mut stream: TcpStream, deadlines: &Deadlines) {
    let answer = async {
        stream
            .write_all(&proxy::refusal_before_request(Reason::Overloaded))
            .await?;
        stream.shutdown().await?;
        // Closing with unread bytes resets the connection, and the client might lose the answer with it.
        let mut room = [0; 1024];
        while stream.read(&mut room).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = deadlines.within(LINGER, answer).await;
}

/// Most connections over the limit that a worker answers at a time; the others are closed without a word.
const TURNED_AWAY: usize = 64;

const LINGER: std::time::Duration = std::time::Duration::from_millis(250);
