//! The admin listener: few connections, short ones, one request each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::routes::{AdminState, respond};
use super::spare::Spare;

/// Connections at once: a handful of probes, scrapers and operators. More wait in the system's queue.
const CONNECTIONS: usize = 64;

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    /// To the end of the request's head.
    head: Duration,
    /// As a whole.
    connection: Duration,
}

/// Nobody who may ask is slow, and a reload with many keys takes a part of a second.
const TIMEOUTS: Timeouts = Timeouts {
    head: Duration::from_secs(5),
    connection: Duration::from_secs(30),
};

/// Bytes of a head.
const HEAD_BYTES: usize = 16 * 1024;

/// Fields of a head.
const HEAD_FIELDS: usize = 64;

/// Pause after the system refused a connection, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the admin listener on the present runtime until it is dropped.
pub async fn serve(listener: std::net::TcpListener, state: Arc<AdminState>) {
    serve_within(TIMEOUTS, listener, state).await;
}

async fn serve_within(timeouts: Timeouts, listener: std::net::TcpListener, state: Arc<AdminState>) {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin listener cannot be served");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let spare = Arc::new(Spare::default());
    spare.keep();
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        // Invariant: the semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (state, spare) = (Arc::clone(&state), Arc::clone(&spare));
                connections.spawn(async move {
                    connection(timeouts, stream, state).await;
                    // At once, before a client takes the descriptor that is free now.
                    spare.keep();
                    drop(place);
                });
            }
            // Clients have taken all descriptors: this is when an operator wants to look.
            Err(_) if spare.give() => {}
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(timeouts: Timeouts, stream: TcpStream, state: Arc<AdminState>) {
    let Ok(own) = stream.local_addr() else { return };
    let service = service_fn(move |request| answer(Arc::clone(&state), own, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(timeouts.connection, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection broke"),
        Err(_) => tracing::debug!("an admin connection took too long"),
    }
}

async fn answer(
    state: Arc<AdminState>,
    own: SocketAddr,
    request: Request<Incoming>,
) -> Result<super::problem::Answer, Infallible> {
    Ok(respond(&state, own, request).await)
}

#[cfg(test)]
mod tests;
