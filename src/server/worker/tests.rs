use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use super::*;
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::gate::Reason;
use crate::issuer::IssuerHandle;
use crate::proxy::{AccessLogSink, access_log};
use crate::revocation::RevocationSet;
use crate::server::DrainHandle;
use crate::snapshot::{Fixtures, Snapshot};

/// Workers as the process runs them, and what the test steers them by.
struct Running {
    workers: Workers,
    addresses: Vec<SocketAddr>,
    drain: DrainHandle,
    shared: Arc<SharedState>,
    metrics: Arc<Metrics>,
    directory: tempfile::TempDir,
    fixtures: Fixtures,
}

/// `server` is the inside of `[server]`, with its limits.
fn start(workers: usize, server: &str) -> Running {
    start_with(workers, server, access_log(None, true, Arc::new(|_| {})))
}

/// Workers with a log that ends at its first line: the first worker that finds a line lost, has the fault. It is found
/// outside of all tasks.
fn start_faulty(workers: usize, fault: fn()) -> Running {
    struct Broken;
    impl AccessLogSink for Broken {
        fn write(&mut self, _lines: &[u8]) -> std::io::Result<()> {
            panic!("the log ends (this is a test)");
        }
    }
    let had = AtomicBool::new(false);
    let lost = move |_| {
        let thread = std::thread::current();
        let on_worker = thread
            .name()
            .is_some_and(|name| name.starts_with("worker-"));
        if on_worker && !had.swap(true, Relaxed) {
            fault();
        }
    };
    start_with(
        workers,
        "",
        access_log(Some(Box::new(Broken)), true, Arc::new(lost)),
    )
}

fn start_with(workers: usize, server: &str, access_log: AccessLog) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new(workers, Reason::NAMES);
    let fixtures = Fixtures {
        metrics: Arc::clone(&metrics),
        tickets: rustls::crypto::aws_lc_rs::Ticketer::new().unwrap(),
        clock: Clock::System,
        keys: Arc::default(),
    };
    let snapshot = snapshot(server, &directory, &fixtures);
    let shared = Arc::new(SharedState {
        revocations: Arc::new(ArcSwap::from_pointee(RevocationSet::empty())),
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        issuer: IssuerHandle::channel().0,
        clock: Clock::System,
        draining: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
    });
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()], workers).unwrap();
    let addresses = listeners.addresses().to_vec();
    let (drain, drained) = DrainHandle::new();
    let parts = WorkerParts {
        listeners,
        shared: Arc::clone(&shared),
        metrics: Arc::clone(&metrics),
        access_log,
        drain: drained,
    };
    Running {
        workers: Workers::start(parts).unwrap(),
        addresses,
        drain,
        shared,
        metrics,
        directory,
        fixtures,
    }
}

fn snapshot(server: &str, directory: &tempfile::TempDir, fixtures: &Fixtures) -> Snapshot {
    let text = format!(
        "[server]\n{server}\n[[routes]]\nname = \"r\"\npath = \"/r\"\nauth = \"none\"\nupstream = \"http://127.0.0.1:9\"\n"
    );
    let state = directory.path().display().to_string();
    let environment = Environment([("STATE_DIRECTORY".to_owned(), state)].into());
    let config = config::parse(&text, Path::new("t.toml"), directory.path(), &environment);
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    Snapshot::build(config, None, fixtures).unwrap_or_else(|errors| panic!("{errors}"))
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn stop(self) {
        self.drain.start();
        let pulse = self.workers.pulse();
        self.workers.join().unwrap();
        assert_eq!(pulse.silence(), Duration::ZERO);
        assert_eq!(self.shared.connections.load(Relaxed), 0);
        assert!(self.shared.draining.load(Relaxed));
        assert!(TcpStream::connect(self.addresses[0]).is_err(), "closed");
    }

    /// Until that holds; a failure says what did not.
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What comes until the server closes.
fn to_end(mut stream: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

const PATIENCE: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn workers_serve_until_they_are_drained() {
    let running = start(2, "");
    for _ in 0..8 {
        let mut client = running.connect();
        client.write_all(GET).unwrap();
        let text = to_end(&client);
        assert!(text.starts_with("HTTP/1.1 404 "), "{text}");
    }
    running.until("a beat of each worker", |running| {
        running.workers.pulse().silence() < Duration::from_secs(2)
    });
    running.until("all closed", |running| {
        running.shared.connections.load(Relaxed) == 0
    });
    running.stop();
}

#[test]
fn a_framing_error_is_answered_400_and_counted() {
    let running = start(1, "");
    let mut client = running.connect();
    client
        .write_all(b"GET /r HTTP/1.1\nHost: a\r\n\r\n")
        .unwrap();
    let text = to_end(&client);
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    running.until("counted", |running| {
        running.metrics.encode().lines().any(|line| {
            line.starts_with("portcullis_connection_errors_total")
                && line.contains("malformed")
                && line.ends_with(" 1")
        })
    });
    running.stop();
}

#[test]
fn over_the_limit_connections_are_answered_503() {
    let running = start(1, "limits = { connections = 1 }");
    let first = running.connect();
    running.until("accepted", |running| {
        running.shared.connections.load(Relaxed) == 1
    });
    let mut second = running.connect();
    second.write_all(GET).unwrap();
    let text = to_end(&second);
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    drop(first);
    running.until("left", |running| {
        running.shared.connections.load(Relaxed) == 0
    });
    let mut third = running.connect();
    third.write_all(GET).unwrap();
    assert!(to_end(&third).starts_with("HTTP/1.1 404 "));
    running.stop();
}

#[test]
fn tls_is_served_with_the_certificate_in_force() {
    let tls = "tls = { self_signed = [\"localhost\"] }";
    let running = start(1, tls);
    let trust = |snapshot: &Snapshot| {
        let file = &snapshot.tls.as_ref().unwrap().certificates[0].file;
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(file).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    };
    let get = |config: Arc<rustls::ClientConfig>| {
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(config, name).unwrap();
        let mut stream = rustls::StreamOwned::new(session, running.connect());
        stream.write_all(GET)?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        assert_eq!(&head, b"HTTP/1.1 404");
        Ok::<_, std::io::Error>(())
    };
    let old = trust(&running.shared.snapshot.load());
    get(Arc::clone(&old)).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let new = snapshot(tls, &directory, &running.fixtures);
    let trusted = trust(&new);
    running.shared.snapshot.store(Arc::new(new));
    get(trusted).unwrap();
    let mut fresh = (*old).clone();
    fresh.resumption = rustls::client::Resumption::disabled();
    assert!(
        get(Arc::new(fresh)).is_err(),
        "a full handshake shows the new one"
    );
    running.stop();
}

#[test]
fn an_idle_worker_drops_an_old_snapshot_that_an_open_connection_has_used() {
    let running = start(1, "");
    let mut client = running.connect();
    client
        .write_all(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    client.read_exact(&mut [0; 12]).unwrap();
    let before = Arc::downgrade(&running.shared.snapshot.load_full());
    let new = snapshot("", &running.directory, &running.fixtures);
    running.shared.snapshot.store(Arc::new(new));
    running.until("the old snapshot is dropped", |_| {
        before.upgrade().is_none()
    });
    running.stop();
}

#[test]
fn a_slow_head_ends_by_the_clock_of_the_worker() {
    let running = start(1, "limits = { header_timeout = \"1s\" }");
    let mut client = running.connect();
    client.write_all(b"GET / HT").unwrap();
    let text = to_end(&client);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    running.stop();
}

#[test]
fn what_is_open_at_the_end_is_cut_and_told() {
    let running = start(1, "");
    let mut client = running.connect();
    client.write_all(b"GET / HT").unwrap();
    running.until("accepted", |running| {
        running.shared.connections.load(Relaxed) == 1
    });
    let pulse = running.workers.pulse();
    running.drain.start();
    running.drain.cut();
    running.workers.join().unwrap();
    assert_eq!(pulse.cut_off(), 1);
    assert_eq!(to_end(&client), "");
}

#[test]
fn a_worker_that_dies_is_told_at_once() {
    let (sender, exits) = mpsc::channel();
    sender.send((0, true)).unwrap();
    sender.send((1, false)).unwrap();
    let workers = Workers {
        threads: (0..3)
            .map(|_| std::thread::spawn(std::thread::park))
            .collect(),
        exits,
        pulse: Pulse::new(3),
    };
    assert_eq!(workers.join(), Err(1), "and the third is not waited for");
}

#[test]
fn what_was_accepted_is_served_when_the_drain_comes_meanwhile() {
    for _ in 0..20 {
        let running = start(4, "");
        let mut clients: Vec<_> = (0..32).map(|_| running.connect()).collect();
        running.drain.start();
        for client in &mut clients {
            client.write_all(GET).unwrap();
        }
        for client in clients {
            let text = to_end(client);
            assert!(text.starts_with("HTTP/1.1 404 "), "{text:?}");
        }
        running.stop();
    }
}

#[test]
fn the_others_go_on_when_a_worker_has_died() {
    let running = start_faulty(2, || panic!("a worker dies (this is a test)"));
    let (died, as_it_should) = loop {
        let mut client = running.connect();
        let _ = client.write_all(GET);
        to_end(client);
        // Few lines a tick: many would be found lost within a task.
        match running
            .workers
            .exits
            .recv_timeout(Duration::from_millis(50))
        {
            Ok(exit) => break exit,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("both ended"),
        }
    };
    assert!(!as_it_should);
    let left = 1 - died;
    let clients: Vec<_> = (0..8).map(|_| running.connect()).collect();
    running.until("all are with the other", |running| {
        let text = running.metrics.encode();
        text.contains(&format!(
            "portcullis_worker_connections{{worker=\"{left}\"}} 8\n"
        ))
    });
    drop(clients);
}

#[test]
fn a_beat_is_each_second() {
    assert_eq!(
        Deadlines::RESOLUTION * TICKS_PER_BEAT,
        Duration::from_secs(1)
    );
}
