//! One connection of a provider.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};
use socket2::SockRef;

use super::super::client::{find, is_timeout};
use super::{Asked, Part, Shared, status};

/// How often a connection that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Wire<'s> {
    stream: Stream,
    shared: &'s Shared,
    buffer: Vec<u8>,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl<'s> Wire<'s> {
    pub(super) fn new(tcp: TcpStream, shared: &'s Shared) -> Self {
        let _ = tcp.set_nodelay(true);
        let _ = tcp.set_read_timeout(Some(LOOK));
        let tls = shared.lock().tls.clone();
        let stream = match tls {
            None => Stream::Tcp(tcp),
            Some(config) => {
                let session = ServerConnection::new(config).expect("a session");
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
        };
        Self {
            stream,
            shared,
            buffer: Vec::new(),
        }
    }

    /// Serves until one side ends it.
    pub(super) fn serve(mut self) {
        while let Ok(Some(asked)) = self.asked() {
            let script = self.shared.lock().scripts.get(&asked.path).cloned();
            let parts = match script {
                Some(script) => script(&asked),
                None => vec![status("404 Not Found", "", "{}")],
            };
            if self.play(parts).is_err() {
                return;
            }
        }
    }

    /// The next request; `None`: closed.
    fn asked(&mut self) -> io::Result<Option<Asked>> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head[..end]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut state = self.shared.lock();
        let before = state.asked.iter().filter(|asked| asked.path == path);
        let asked = Asked {
            before: before.count(),
            path,
            head,
            at: Instant::now(),
        };
        state.asked.push(asked.clone());
        Ok(Some(asked))
    }

    /// Does what a script says; an error when the connection is over.
    fn play(&mut self, parts: Vec<Part>) -> io::Result<()> {
        for part in parts {
            match part {
                Part::Send(bytes) => self.stream().write_all(&bytes)?,
                Part::Drip(bytes) => {
                    for byte in bytes {
                        self.stream().write_all(&[byte])?;
                        self.stream().flush()?;
                        self.wait(Duration::from_secs(1))?;
                    }
                }
                Part::Fill(count) => {
                    io::copy(&mut io::repeat(b' ').take(count), self.stream())?;
                }
                Part::Hold => self.hold()?,
                Part::Reset => {
                    let linger = SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
                    linger?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Part::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            self.stream().flush()?;
        }
        Ok(())
    }

    /// Waits until the test lets go, or the other side does.
    fn hold(&mut self) -> io::Result<()> {
        let released = {
            let mut state = self.shared.lock();
            state.held += 1;
            state.released
        };
        let mut outcome = Ok(());
        while outcome.is_ok() && self.shared.lock().released == released {
            outcome = self.wait(LOOK);
        }
        self.shared.lock().held -= 1;
        outcome
    }

    /// Lets time pass; an error when the connection ends meanwhile.
    fn wait(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if !self.fill_once()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Reads more, however long it takes; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let length = self.buffer.len();
        while self.buffer.len() == length {
            if !self.fill_once()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads what comes soon; false at the end.
    fn fill_once(&mut self) -> io::Result<bool> {
        if self.shared.down.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        match self.stream().read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(count > 0)
            }
            Err(error) if is_timeout(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn stream(&mut self) -> &mut dyn ReadWrite {
        match &mut self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => tls.as_mut(),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}
