//! An egress proxy that keeps what it was asked for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::client::find;

/// A proxy on port 0: every request, whatever host it names, goes to one server.
pub(crate) struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    /// Before the server at `target`.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            heads: Arc::default(),
            ended: Arc::default(),
        };
        let (heads, ended) = (Arc::clone(&proxy.heads), Arc::clone(&proxy.ended));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let heads = Arc::clone(&heads);
                thread::spawn(move || serve(stream, target, &heads));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection: a tunnel after CONNECT, one request in absolute form otherwise.
fn serve(mut client: TcpStream, target: SocketAddr, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            break end + 4;
        }
        let mut bytes = [0; 4096];
        let count = client.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&bytes[..count]);
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8_lossy(&buffer).into_owned();
    heads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head.clone());
    let mut server = TcpStream::connect(target)?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        server.write_all(in_origin_form(&head).as_bytes())?;
    }
    server.write_all(&rest)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// `GET http://host/path` as the server wants it: `GET /path`.
fn in_origin_form(head: &str) -> String {
    let (method, rest) = head.split_once(' ').unwrap_or_default();
    let without_scheme = rest.split_once("://").map_or(rest, |parts| parts.1);
    let path = without_scheme.find('/').unwrap_or_default();
    format!("{method} {}", &without_scheme[path..])
}
