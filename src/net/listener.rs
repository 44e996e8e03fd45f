//! Listening sockets: probed once, then one for each worker with `SO_REUSEPORT`.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Why an address cannot be listened on: exit 69.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Binds without `SO_REUSEPORT`, so that a taken port is found even if its owner would share it, and returns the address
/// with its real port.
///
/// The returned socket never listens. It keeps the port until the workers' sockets are bound (see [`bind_worker`]) and
/// is dropped then: it gets `SO_REUSEPORT` after its own bind, so it stands in the way of strangers but not of those.
///
/// # Errors
/// [`ListenError`].
pub fn bind_probe(address: SocketAddr) -> Result<(Socket, SocketAddr), ListenError> {
    let bind = || {
        let socket = new_socket(address)?;
        socket.bind(&address.into())?;
        let bound = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.set_reuse_port(true)?;
        Ok((socket, bound))
    };
    bind().map_err(|source| ListenError { address, source })
}

/// A listening, non-blocking socket of one worker on `address`: `SO_REUSEPORT`, IPv6-only for IPv6, backlog 1024,
/// `TCP_NODELAY` for all that it accepts.
///
/// # Errors
/// [`ListenError`].
pub fn bind_worker(address: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
    let bind = || {
        let socket = new_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        // Small responses leave at once (Nagle and delayed acknowledgements: 40 ms otherwise). Accepted sockets have it from
        // here, for no call each.
        socket.set_tcp_nodelay(true)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bind().map_err(|source| ListenError { address, source })
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of a process that has just ended, in TIME_WAIT, do not hold the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners of the configuration, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Connections that may wait for a worker; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn loopback() -> Vec<SocketAddr> {
        let v6: SocketAddr = "[::1]:0".parse().unwrap();
        let mut addresses = vec!["127.0.0.1:0".parse().unwrap()];
        // A machine may be without IPv6.
        addresses.extend(std::net::TcpListener::bind(v6).is_ok().then_some(v6));
        addresses
    }

    #[test]
    fn workers_share_the_port_that_the_probe_found() {
        for address in loopback() {
            let (probe, bound) = bind_probe(address).unwrap();
            assert_ne!(bound.port(), 0);
            let workers: Vec<_> = (0..3).map(|_| bind_worker(bound).unwrap()).collect();
            drop(probe);
            assert!(
                workers
                    .iter()
                    .all(|worker| worker.local_addr().unwrap() == bound)
            );
            let mut client = TcpStream::connect(bound).unwrap();
            client.write_all(b"x").unwrap();
            let mut accepted = loop {
                if let Some((accepted, _)) = workers.iter().find_map(|worker| worker.accept().ok())
                {
                    break accepted;
                }
                std::thread::yield_now();
            };
            assert!(accepted.nodelay().unwrap(), "answers leave at once");
            accepted.set_nonblocking(false).unwrap();
            let mut byte = [0];
            accepted.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"x");
        }
    }

    #[test]
    fn a_taken_port_is_found_even_if_it_is_shared() {
        for address in loopback() {
            let (probe, bound) = bind_probe(address).unwrap();
            let _worker = bind_worker(bound).unwrap();
            drop(probe);
            let error = bind_probe(bound).unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("cannot listen on {bound}: "))
            );
        }
    }

    #[test]
    fn a_probed_port_is_kept_from_strangers() {
        let (_probe, bound) = bind_probe("127.0.0.1:0".parse().unwrap()).unwrap();
        let stranger = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert!(stranger.bind(&bound.into()).is_err());
    }

    #[test]
    fn a_foreign_address_is_an_error_that_names_it() {
        let error = bind_worker("192.0.2.1:80".parse().unwrap()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot listen on 192.0.2.1:80: ")
        );
    }
}
