//! The listening sockets of all workers.

use std::net::{SocketAddr, TcpListener};

use crate::net::{ListenError, bind_probe, bind_worker};

/// Every listening socket, made by the main thread before the workers start.
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    /// For each worker one socket of each address.
    workers: Vec<Vec<TcpListener>>,
}

impl Listeners {
    /// Probes and binds each address for each worker.
    ///
    /// # Errors
    /// [`ListenError`]: exit 69.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Self, ListenError> {
        let mut bound = Self {
            addresses: Vec::with_capacity(addresses.len()),
            workers: (0..workers).map(|_| Vec::new()).collect(),
        };
        for address in addresses {
            let (_probe, address) = bind_probe(*address)?;
            for sockets in &mut bound.workers {
                sockets.push(bind_worker(address)?);
            }
            bound.addresses.push(address);
        }
        Ok(bound)
    }

    /// The addresses, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The sockets, worker by worker.
    pub(super) fn into_workers(self) -> Vec<Vec<TcpListener>> {
        self.workers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_listens_on_every_address() {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&[any, any], 3).unwrap();
        let addresses = listeners.addresses().to_vec();
        assert_eq!(addresses.len(), 2);
        assert_ne!(addresses[0], addresses[1]);
        let again = Listeners::bind(&addresses[1..], 1);
        assert_eq!(again.err().unwrap().address, addresses[1], "taken");
        for sockets in listeners.into_workers() {
            let of_worker: Vec<_> = sockets
                .iter()
                .map(|socket| socket.local_addr().unwrap())
                .collect();
            assert_eq!(of_worker, addresses);
        }
    }
}
