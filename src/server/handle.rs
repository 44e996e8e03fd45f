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

use super::connection::{Ended, Protocol, Surroundings, serve_connection};
use super::slots::{Slot, Slots};

/// What all connections of a worker share.
pub(super) struct Handler {
    pub(super) context: Rc<WorkerContext>,
    pub(super) surroundings: Surroundings,
    pub(super) slots: Slots,
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
    /// Starts the task of an accepted connection. It keeps the limits and certificates of this moment.
    pub(super) fn accepted(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let this = Rc::clone(self);
        let (accepted, slot) = {
            let snapshot = self.context.current_snapshot();
            let accepted = Accepted {
                limits: snapshot.limits.clone(),
                tls: snapshot.tls.as_ref().map(|tls| Arc::clone(&tls.config)),
            };
            (accepted, self.slots.take(peer.ip(), &snapshot.limits))
        };
        self.context.metrics.accepted();
        // Small responses leave at once (Nagle and delayed acknowledgements: 40 ms otherwise).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let Some(slot) = slot else {
            let context = &self.context;
            context
                .metrics
                .connection_error(ConnectionError::Overloaded);
            context
                .no_route
                .rejected(context.id, Reason::Overloaded.index());
            let turned_away = self.turned_away.get();
            // TLS would cost more than it is worth here; it is closed.
            if accepted.tls.is_none() && turned_away < TURNED_AWAY {
                self.turned_away.set(turned_away + 1);
                tokio::task::spawn_local(async move {
                    turn_away(stream, &this.surroundings.deadlines).await;
                    this.turned_away.set(this.turned_away.get() - 1);
                });
            }
            return;
        };
        tokio::task::spawn_local(async move {
            if let Err(cause) = this.connection(stream, peer, slot, accepted).await {
                this.context.metrics.connection_error(cause);
            }
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
