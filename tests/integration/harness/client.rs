//! An HTTP/1.1 client that sends bytes as they are, and reads answers with a parser of its own.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::check::check;
use super::tls::tls_config;
use super::{Reply, Request};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the gateway.
pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// In plaintext.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: Stream::Tcp(stream),
            buffer: Vec::new(),
        }
    }

    /// In plaintext, from another address.
    pub(crate) fn open_from(local: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
        let socket = socket.expect("a socket");
        let local = SocketAddr::new(local, 0);
        socket.bind(&local.into()).expect("an address of ours");
        socket.connect(&address.into()).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: Stream::Tcp(socket.into()),
            buffer: Vec::new(),
        }
    }

    /// Over TLS, with HTTP/1.1 agreed by ALPN. Any certificate will do.
    pub(crate) fn open_tls(address: SocketAddr) -> Self {
        Self::open_alpn(address, b"http/1.1")
    }

    /// Over TLS, for bytes of that protocol.
    pub(crate) fn open_alpn(address: SocketAddr, alpn: &[u8]) -> Self {
        Self::open_tls_as(address, "localhost", &Arc::new(tls_config(alpn)))
    }

    /// Over TLS to a server of that name.
    pub(crate) fn open_tls_as(
        address: SocketAddr,
        name: &'static str,
        config: &Arc<ClientConfig>,
    ) -> Self {
        let mut connection = Self::open(address);
        let Stream::Tcp(tcp) = connection.stream else {
            unreachable!("just opened");
        };
        let name = ServerName::try_from(name).expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).expect("a session");
        connection.stream = Stream::Tls(Box::new(StreamOwned::new(session, tcp)));
        connection
    }

    /// What was agreed with the gateway.
    pub(crate) fn session(&self) -> &ClientConnection {
        match &self.stream {
            Stream::Tls(stream) => &stream.conn,
            Stream::Tcp(_) => panic!("a plaintext connection"),
        }
    }

    /// Sends bytes. That the gateway has closed meanwhile is for the answer to show.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.write_all(bytes).and_then(|()| self.flush());
    }

    /// Sends a request and reads its answer.
    pub(crate) fn request(&mut self, request: &Request) -> Reply {
        self.send(&request.bytes());
        self.reply(&request.method).expect("an answer")
    }

    /// Sends a request that is not for the gateway's clients: the answer may look as it likes.
    pub(crate) fn unchecked(&mut self, request: &Request) -> Reply {
        self.send(&request.bytes());
        self.read_reply(&request.method).expect("an answer")
    }

    /// Reads the answer to a GET and looks at its status alone: for many answers that are all alike.
    pub(crate) fn status(&mut self) -> u16 {
        self.read_reply("GET").expect("an answer").status
    }

    /// Reads the answer to a request of that method. `None`: closed without one.
    pub(crate) fn reply(&mut self, method: &str) -> Option<Reply> {
        let reply = self.read_reply(method)?;
        check(&reply);
        Some(reply)
    }

    fn read_reply(&mut self, method: &str) -> Option<Reply> {
        let mut informational = Vec::new();
        loop {
            let head = self.head()?;
            let mut lines = head.split("\r\n");
            let status = lines.next().and_then(|line| line.split(' ').nth(1));
            let status: u16 = status.and_then(|text| text.parse().ok()).expect("a status");
            let fields: Vec<(String, String)> = lines.filter_map(split_field).collect();
            if status < 200 && status != 101 {
                informational.push(status);
                continue;
            }
            let mut reply = Reply {
                status,
                fields,
                informational,
                is_head: method == "HEAD",
                ..Reply::default()
            };
            reply.complete = self.body(&mut reply);
            return Some(reply);
        }
    }

    /// Reads an informational answer alone: its status.
    pub(crate) fn informational(&mut self) -> u16 {
        let head = self.head().expect("an answer");
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        status.filter(|status| *status < 200).expect("a 1xx status")
    }

    /// Reads on until `what` has come, and keeps all of it for the answer.
    pub(crate) fn wait_for(&mut self, what: &str) {
        while find(&self.buffer, what.as_bytes()).is_none() {
            assert!(self.fill(), "closed before {what:?}");
        }
    }

    /// Whether the gateway has closed, or does so now, and nothing more was sent.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    /// Whether something comes within that time, be it the end.
    pub(crate) fn hears(&mut self, within: Duration) -> bool {
        let tcp = match &self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        };
        let tcp = tcp.try_clone().expect("a descriptor");
        tcp.set_read_timeout(Some(within)).expect("a timeout");
        let mut bytes = [0; 1024];
        let heard = match self.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => !is_timeout(&error),
        };
        tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        heard
    }

    /// Bytes that have been read and belong to no answer.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    fn head(&mut self) -> Option<String> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.fill() {
                assert!(self.buffer.is_empty(), "half a head: {:?}", self.buffer);
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        Some(String::from_utf8_lossy(&head[..end]).into_owned())
    }

    /// Reads a body into `reply`; false if it was cut short.
    fn body(&mut self, reply: &mut Reply) -> bool {
        if reply.is_head || reply.status == 101 || matches!(reply.status, 204 | 304) {
            return true;
        }
        if reply.field("transfer-encoding").is_some() {
            return self.chunks(reply).is_some();
        }
        let Some(length) = reply.field("content-length") else {
            while self.fill() {}
            reply.body = self.rest();
            return true;
        };
        let length = length.parse().expect("a length");
        while self.buffer.len() < length && self.fill() {}
        let complete = self.buffer.len() >= length;
        reply.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        complete
    }

    fn chunks(&mut self, reply: &mut Reply) -> Option<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                break;
            }
            while self.buffer.len() < size + 2 {
                self.fill().then_some(())?;
            }
            reply.body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(());
            }
            reply.trailers.extend(split_field(&line));
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.fill().then_some(())?;
        }
    }

    /// Reads more; false when the gateway has closed. A broken connection counts as closed.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if is_timeout(&error) => {
                let seen = String::from_utf8_lossy(&self.buffer);
                panic!("no answer in time, after {seen:?}")
            }
            Err(_) => false,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// Whether nothing came in time.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Where `what` begins.
pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn split_field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}
