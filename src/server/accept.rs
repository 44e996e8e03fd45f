//! Accepting: until the drain, then until the queue is empty; never spinning on an error.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::shutdown::Stages;

/// Accepts connections until the drain, then all that are already in the queue: their clients believe themselves
/// connected. The listener is closed when it returns.
pub(super) async fn accept(
    listener: TcpListener,
    stages: &Stages,
    accepted: &dyn Fn(TcpStream, SocketAddr),
) {
    loop {
        let result = tokio::select! {
            biased;
            () = stages.draining() => break,
            result = listener.accept() => result,
        };
        match result {
            Ok((stream, peer)) => accepted(stream, peer),
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
    if let Err(error) = empty_queue(listener, accepted) {
        tracing::warn!(%error, "connections in the accept queue are lost");
    }
}

/// What the kernel has accepted for us, without waiting for more.
fn empty_queue(listener: TcpListener, accepted: &dyn Fn(TcpStream, SocketAddr)) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                accepted(TcpStream::from_std(stream)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if pause_after(&error).is_none() => {}
            Err(error) => return Err(error),
        }
    }
}

/// How long not to accept after an error. A connection that broke while it waited says nothing about the next (accept(2));
/// without a free descriptor or memory the queue stays ready, and trying again at once would spin.
fn pause_after(error: &io::Error) -> Option<Duration> {
    let of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    );
    (!of_one_connection).then_some(PAUSE)
}

const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::shutdown::Stage;
    use super::*;

    #[test]
    fn a_lack_of_descriptors_pauses_and_a_broken_client_does_not() {
        const ECONNABORTED: i32 = 103;
        const EINTR: i32 = 4;
        const EMFILE: i32 = 24;
        const ENFILE: i32 = 23;
        const ENOBUFS: i32 = 105;
        const ENOMEM: i32 = 12;
        for code in [EMFILE, ENFILE, ENOBUFS, ENOMEM] {
            assert_eq!(
                pause_after(&io::Error::from_raw_os_error(code)),
                Some(PAUSE),
                "{code}"
            );
        }
        for code in [ECONNABORTED, EINTR] {
            assert_eq!(
                pause_after(&io::Error::from_raw_os_error(code)),
                None,
                "{code}"
            );
        }
    }

    #[tokio::test]
    async fn the_queue_is_emptied_before_the_listener_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(std::net::TcpStream::connect(address).unwrap());
        }
        let stages = Stages::new();
        stages.set(Stage::Draining);
        let count = Cell::new(0);
        accept(listener, &stages, &|_, _| count.set(count.get() + 1)).await;
        assert_eq!(count.get(), 5);
        assert!(std::net::TcpStream::connect(address).is_err(), "closed");
    }
}
