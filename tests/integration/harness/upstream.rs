//! A server behind the gateway that keeps every byte it got, and answers as a test says.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use super::client::find;

/// The field that marks the upstream's own answers.
pub(crate) const MARK: &str = "X-Up";

/// What the upstream does with a request, step by step. A request whose body was not read ends the connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the request body.
    Body,
    /// Sends bytes as they are.
    Send(Vec<u8>),
    /// Answers 200 with the request body.
    Echo,
    /// Reads a request body of known length and keeps none of it.
    Swallow,
    /// Answers 200 with a body of that many bytes.
    Generate(u64),
    /// Waits until the test comes to the same barrier.
    Wait(Arc<Barrier>),
    /// Waits until the gateway closes the connection.
    UntilClosed,
    /// Answers a WebSocket handshake, and sends every message back.
    WebSocket,
    /// Closes the connection.
    Close,
}

/// An answer with a body of known length, marked as the upstream's.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> Step {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\n{MARK}: 1\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
    Step::Send(text.into_bytes())
}

/// A request as it came.
#[derive(Clone, Default)]
pub(crate) struct Received {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    /// The head without its last empty line.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Whether head and body have come to their end.
    pub(crate) complete: bool,
}

impl fmt::Debug for Received {
    /// As a test that fails wants to show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = String::from_utf8_lossy(&self.head);
        write!(f, "#{} {head:?} {:?}", self.connection, self.text())?;
        f.write_str(if self.complete { "" } else { " (not complete)" })
    }
}

impl Received {
    fn line(&self) -> &[u8] {
        self.head
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default()
            .trim_ascii()
    }

    pub(crate) fn request_line(&self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    pub(crate) fn method(&self) -> String {
        self.request_line()
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn target(&self) -> String {
        self.request_line()
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }

    /// All fields, names as they were written.
    pub(crate) fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(split_field).collect()
    }

    /// All values of a field of that name, without case.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let fields = self.fields().into_iter();
        let same = fields.filter(|field| field.0.eq_ignore_ascii_case(name));
        same.map(|field| String::from_utf8_lossy(&field.1).into_owned())
            .collect()
    }

    /// All values of fields whose name an upstream may take for `name`: without case, `_`, `.` and space as `-`.
    pub(crate) fn like(&self, name: &str) -> Vec<Vec<u8>> {
        let name = normal(name);
        let fields = self.fields().into_iter();
        fields
            .filter(|field| normal(&field.0) == name)
            .map(|field| field.1)
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A field name as the laxest upstream reads it.
pub(crate) fn normal(name: &str) -> String {
    name.trim()
        .to_ascii_lowercase()
        .replace(['_', '.', ' '], "-")
}

fn split_field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8_lossy(&line[..colon]).into_owned();
    Some((name, line[colon + 1..].trim_ascii().to_vec()))
}

/// A recording upstream on port 0.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Script = dyn Fn(&Received) -> Vec<Step> + Send + Sync;

struct Shared {
    script: Box<Script>,
    recorded: Mutex<Recorded>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct Recorded {
    requests: Vec<Received>,
    /// What came on each connection, byte for byte.
    raw: Vec<Vec<u8>>,
}

impl Upstream {
    /// Answers `ok`, and what ends in `/echo` with the body it got.
    pub(crate) fn start() -> Self {
        Self::scripted(|request| {
            let path = request.target();
            let path = path.split('?').next().unwrap_or_default();
            if path.ends_with("/echo") {
                vec![Step::Body, Step::Echo]
            } else if request.method() == "HEAD" {
                let head = format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nContent-Length: 2\r\n\r\n");
                vec![Step::Body, Step::Send(head.into_bytes())]
            } else {
                vec![Step::Body, answer("200 OK", "", "ok")]
            }
        })
    }

    /// Answers as `script` says, which sees the head of the request.
    pub(crate) fn scripted(
        script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            recorded: Mutex::default(),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                serving.lock().raw.push(Vec::new());
                let shared = Arc::clone(&serving);
                thread::spawn(move || Wire::new(stream, number, shared).serve());
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.lock().requests.clone()
    }

    /// The one request so far.
    pub(crate) fn only(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "requests at the upstream: {requests:?}");
        requests.into_iter().next().expect("counted")
    }

    /// The last request so far.
    pub(crate) fn last(&self) -> Received {
        self.requests().pop().expect("a request at the upstream")
    }

    /// What came on each connection, byte for byte.
    pub(crate) fn raw(&self) -> Vec<Vec<u8>> {
        self.shared.lock().raw.clone()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        self.shared.lock().requests.clear();
    }

    /// Waits until `is` holds of the requests so far.
    pub(crate) fn wait(&self, is: impl Fn(&[Received]) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        let mut recorded = self.shared.lock();
        while !is(&recorded.requests) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "never at the upstream: {:?}",
                recorded.requests
            );
            recorded = match self.shared.changed.wait_timeout(recorded, left) {
                Ok((recorded, _)) => recorded,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection of the upstream.
struct Wire {
    stream: TcpStream,
    number: usize,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

impl Wire {
    fn new(stream: TcpStream, number: usize, shared: Arc<Shared>) -> Self {
        let _ = stream.set_read_timeout(Some(Duration::from_mins(1)));
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            number,
            shared,
            buffer: Vec::new(),
        }
    }

    fn serve(mut self) {
        while let Ok(true) = self.request() {}
    }

    /// Serves one request; false when the connection is over.
    fn request(&mut self) -> io::Result<bool> {
        let Some(head) = self.head()? else {
            return Ok(false);
        };
        let place = {
            let mut recorded = self.shared.lock();
            recorded.requests.push(Received {
                connection: self.number,
                head,
                ..Received::default()
            });
            recorded.requests.len() - 1
        };
        self.shared.changed.notify_all();
        let request = self.received(place);
        let steps = (self.shared.script)(&request);
        let mut body_read = false;
        for step in steps {
            match step {
                Step::Body => {
                    self.body(place)?;
                    body_read = true;
                }
                Step::Send(bytes) => self.stream.write_all(&bytes)?,
                Step::Echo => self.echo(place)?,
                Step::Swallow => {
                    self.swallow(&request)?;
                    body_read = true;
                }
                Step::Generate(length) => self.generate(length)?,
                Step::Wait(barrier) => drop(barrier.wait()),
                Step::UntilClosed => while self.fill()? {},
                Step::WebSocket => return self.web_socket(&request).map(|()| false),
                Step::Close => return Ok(false),
            }
        }
        Ok(body_read)
    }

    fn swallow(&mut self, request: &Received) -> io::Result<()> {
        let length = request.all("content-length").join("");
        let length: u64 = length.parse().map_err(io::Error::other)?;
        let there = std::mem::take(&mut self.buffer);
        let left = length.saturating_sub(u64::try_from(there.len()).map_err(io::Error::other)?);
        let read = io::copy(&mut (&self.stream).take(left), &mut io::sink())?;
        if read == left {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn generate(&mut self, length: u64) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\n{MARK}: 1\r\nContent-Length: {length}\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        io::copy(&mut io::repeat(b'x').take(length), &mut self.stream)?;
        Ok(())
    }

    fn received(&self, place: usize) -> Received {
        self.shared
            .lock()
            .requests
            .get(place)
            .cloned()
            .unwrap_or_default()
    }

    /// Changes what is recorded of a request, unless the test has forgotten it.
    fn record(&self, place: usize, change: impl FnOnce(&mut Received)) {
        if let Some(request) = self.shared.lock().requests.get_mut(place) {
            change(request);
        }
        self.shared.changed.notify_all();
    }

    fn echo(&mut self, place: usize) -> io::Result<()> {
        let body = self.received(place).body;
        let head = format!(
            "HTTP/1.1 200 OK\r\n{MARK}: 1\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(&body)
    }

    /// `None`: closed between requests. Ends of lines are read as leniently as the laxest server does.
    fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let strict = find(&self.buffer, b"\r\n\r\n").map(|at| (at, 4));
            let lax = find(&self.buffer, b"\n\n").map(|at| (at, 2));
            let end = [strict, lax].into_iter().flatten().min();
            if let Some((at, length)) = end {
                let head = self.buffer[..at].to_vec();
                self.buffer.drain(..at + length);
                return Ok(Some(head));
            }
            if !self.fill()? {
                if !self.buffer.is_empty() {
                    let head = std::mem::take(&mut self.buffer);
                    let connection = self.number;
                    self.shared.lock().requests.push(Received {
                        connection,
                        head,
                        ..Received::default()
                    });
                }
                return Ok(None);
            }
        }
    }

    fn body(&mut self, place: usize) -> io::Result<()> {
        let request = self.received(place);
        if !request.like("transfer-encoding").is_empty() {
            self.chunks(place)?;
        } else if let Some(length) = request.like("content-length").first() {
            let length = String::from_utf8_lossy(length).into_owned();
            let length = length.parse().map_err(io::Error::other)?;
            self.need(length)?;
            let body: Vec<u8> = self.buffer.drain(..length).collect();
            self.record(place, |request| request.body = body);
        }
        self.record(place, |request| request.complete = true);
        Ok(())
    }

    fn chunks(&mut self, place: usize) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = String::from_utf8_lossy(size.trim_ascii()).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            self.need(size + 2)?;
            let chunk: Vec<u8> = self.buffer.drain(..size).collect();
            self.buffer.drain(..2);
            self.record(place, |request| request.body.extend_from_slice(&chunk));
        }
        loop {
            let line = self.line()?;
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            self.record(place, |request| request.trailers.extend(split_field(&line)));
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\n") {
                return Ok(self.buffer.drain(..=end).collect());
            }
            let more = self.buffer.len() + 1;
            self.need(more)?;
        }
    }

    fn need(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        if let Some(raw) = self.shared.lock().raw.get_mut(self.number) {
            raw.extend_from_slice(&bytes[..count]);
        }
        Ok(count > 0)
    }

    fn web_socket(&mut self, request: &Received) -> io::Result<()> {
        let key = request.all("sec-websocket-key");
        let accept = derive_accept_key(key.first().map_or(&b""[..], |key| key.as_bytes()));
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             {MARK}: 1\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())?;
        let mut socket = WebSocket::from_raw_socket(&self.stream, Role::Server, None);
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                let _ = socket.send(message);
            }
        }
        Ok(())
    }
}
