//! An identity provider that fails as it is told to: it counts who asks for what and when, and what it answers can be
//! changed while it runs.

mod answers;
mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use portcullis::jwt::SigningKey;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};

pub(crate) use answers::{Part, metadata, ok, set_of, status};

use super::process::wait_until;
use wire::Wire;

/// Where a key set is published.
pub(crate) const JWKS: &str = "/jwks";

/// Where the metadata of an issuer without a path is published (`OpenID` Connect Discovery 1.0 §4).
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";

/// The same for an authorization server (RFC 8414 §3).
pub(crate) const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// A request to the provider.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The head as it came.
    pub(crate) head: String,
    pub(crate) at: Instant,
    /// How often that path was asked for before.
    pub(crate) before: usize,
}

impl Asked {
    /// The first value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        let field = fields.find(|field| field.0.eq_ignore_ascii_case(name))?;
        Some(field.1.trim())
    }
}

/// What is done with a request to a path.
type Script = Arc<dyn Fn(&Asked) -> Vec<Part> + Send + Sync>;

/// A provider on a port that stays its own, also while nobody listens there. Dropping it ends it.
pub(crate) struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Bound and never listening: nobody else gets the port while the provider is down.
    _port: Socket,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    down: AtomicBool,
}

#[derive(Default)]
struct State {
    tls: Option<Arc<ServerConfig>>,
    scripts: BTreeMap<String, Script>,
    asked: Vec<Asked>,
    /// Every connection that may still be open, by its number.
    open: BTreeMap<usize, TcpStream>,
    connections: usize,
    /// Answers that are held back, and how often the test has let them go.
    held: usize,
    released: usize,
}

impl Provider {
    /// Serves a key set of these at `/jwks`, over plain http.
    pub(crate) fn start(keys: &[&SigningKey]) -> Self {
        Self::start_with(None, keys)
    }

    /// The same over TLS.
    pub(crate) fn start_tls(config: Arc<ServerConfig>, keys: &[&SigningKey]) -> Self {
        Self::start_with(Some(config), keys)
    }

    fn start_with(tls: Option<Arc<ServerConfig>>, keys: &[&SigningKey]) -> Self {
        let port = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = port.local_addr().expect("an address").as_socket();
        let provider = Self {
            address: address.expect("an IP address"),
            shared: Arc::default(),
            accepting: Mutex::default(),
            _port: port,
        };
        provider.lock().tls = tls;
        provider.publish(keys);
        provider.listen();
        provider
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.lock().tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Publishes a key set of these at `/jwks`: well, and without a validator.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.serve(JWKS, vec![ok("", &set_of(keys))]);
    }

    /// Publishes a key set with an entity tag, and answers 304 to who has it.
    pub(crate) fn publish_tagged(&self, keys: &[&SigningKey], etag: &'static str) {
        let set = set_of(keys);
        self.script(JWKS, move |asked| {
            if asked.field("if-none-match") == Some(etag) {
                vec![status("304 Not Modified", &format!("ETag: {etag}\r\n"), "")]
            } else {
                vec![ok(&format!("ETag: {etag}\r\n"), &set)]
            }
        });
    }

    /// Answers a path always in the same way.
    pub(crate) fn serve(&self, path: &str, parts: Vec<Part>) {
        self.script(path, move |_| parts.clone());
    }

    /// Answers a path as `script` says.
    pub(crate) fn script(
        &self,
        path: &str,
        script: impl Fn(&Asked) -> Vec<Part> + Send + Sync + 'static,
    ) {
        let script = Arc::new(script);
        self.lock().scripts.insert(path.to_owned(), script);
    }

    /// Shows another certificate from now on: open connections end.
    pub(crate) fn change_certificate(&self, config: Arc<ServerConfig>) {
        self.lock().tls = Some(config);
        self.end_connections();
    }

    /// How often a path was asked for.
    pub(crate) fn fetches(&self, path: &str) -> usize {
        self.asked(path).len()
    }

    /// Every request for a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let state = self.lock();
        let asked = state.asked.iter().filter(|asked| asked.path == path);
        asked.cloned().collect()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.lock().connections
    }

    /// How many answers are held back now.
    pub(crate) fn held(&self) -> usize {
        self.lock().held
    }

    /// Lets every answer go that is held back.
    pub(crate) fn release(&self) {
        self.lock().released += 1;
    }

    /// Dies: open connections end, new ones are refused.
    pub(crate) fn kill(&self) {
        let accepting = self.accepting().take();
        let Some(accepting) = accepting else { return };
        self.shared.down.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        accepting.join().expect("it accepts, and nothing else");
        self.end_connections();
        wait_until("its connections end", || self.lock().open.is_empty());
    }

    fn end_connections(&self) {
        for stream in self.lock().open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens where it listened before, if it does not.
    pub(crate) fn revive(&self) {
        if self.accepting().is_none() {
            self.shared.down.store(false, Ordering::SeqCst);
            self.listen();
        }
    }

    fn accepting(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) {
        let socket = bound(self.address);
        socket.listen(128).expect("nobody else listens there");
        let listener = TcpListener::from(socket);
        let shared = Arc::clone(&self.shared);
        let accepting = thread::spawn(move || accept(&listener, &shared));
        *self.accepting() = Some(accepting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.down.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.end_connections();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket of that address, which others of this process may have too as long as they do not listen.
fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.bind(&address.into()).expect("a port");
    socket
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.down.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = {
            let mut state = shared.lock();
            state.connections += 1;
            let number = state.connections;
            let copy = stream.try_clone().expect("a descriptor");
            state.open.insert(number, copy);
            number
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let wire = Wire::new(stream, &shared);
            wire.serve();
            shared.lock().open.remove(&number);
        });
    }
}
