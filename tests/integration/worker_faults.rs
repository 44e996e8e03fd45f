//! What the process does when a worker hangs or dies.
//!
//! No request is known that does either, and the binary has no switch for it. So the test binary starts itself once more
//! as the gateway, as `main` does, with one more listener of what a worker logs: that one never comes back, or panics.

use std::io;
use std::path::PathBuf;
use std::thread;

use portcullis::app::{Gateway, Options};
use portcullis::clock::Clock;
use portcullis::config::Environment;
use portcullis::reload::Source;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::harness::process::{FAULT, FAULTY, Launch, Process, wait_until};
use super::harness::{GatewayBuilder, Request, Upstream};

fn start(upstream: &Upstream, fault: &'static str) -> Process {
    let launch = Launch {
        fault: Some(fault),
        ..Launch::default()
    };
    GatewayBuilder::new(upstream)
        .route("/", "auth = \"none\"")
        .workers(2)
        .start_process(launch)
}

/// Takes its ten seconds: the limit is the one of the process, on the clock of the system.
#[test]
fn livez_fails_when_a_worker_is_silent() {
    let upstream = Upstream::start();
    let gateway = start(&upstream, "hang");
    assert_eq!(gateway.send(&Request::get("/x")).status, 200);
    assert_eq!(gateway.admin("/livez").text(), "ok\n");
    let mut last = gateway.connect();
    last.send(b"that is no HTTP\r\n\r\n");
    wait_until("livez fails", || gateway.admin("/livez").status == 503);
    let text = gateway.admin("/livez").text();
    assert!(text.starts_with("a worker has been silent for 1"), "{text}");
    // Whoever restarts it need not kill it: the second signal waits for nobody.
    gateway.signal(Signal::TERM);
    wait_until("it drains", || {
        gateway.admin("/readyz").text().contains("draining")
    });
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn a_worker_that_dies_ends_the_process_with_1() {
    let upstream = Upstream::start();
    let gateway = start(&upstream, "die");
    let _first = gateway.connect();
    let (status, _, errors) = gateway.wait();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("a worker thread died"), "{errors}");
}

/// The gateway of the tests above.
#[test]
#[ignore = "no test: a process that others start"]
#[expect(clippy::exit, reason = "a test has no other way to end with a code")]
fn faulty_gateway() {
    let (Ok(file), Ok(fault)) = (std::env::var(FAULTY), std::env::var(FAULT)) else {
        return;
    };
    let dies = fault == "die";
    let lines = fmt::layer().json().flatten_event(true);
    let lines = lines.with_writer(io::stderr).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(lines)
        .with(Fault { dies })
        .init();
    let gateway = Gateway::start(Options {
        source: Source::File(PathBuf::from(file), Environment::of_process()),
        clock: Clock::System,
        access_log: None,
    });
    let gateway = gateway.expect("a gateway");
    if dies {
        // No further descriptor: that the next connection cannot be accepted is told outside of all tasks.
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let current = Some(0);
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("less is allowed");
    }
    tracing::info!(
        listen = ?gateway.addresses(),
        admin = gateway.admin_address().map(tracing::field::display),
        "serving"
    );
    std::process::exit(i32::from(gateway.run()));
}

/// Hangs when a worker tells of a request that is none, or dies when it tells that it cannot accept.
struct Fault {
    dies: bool,
}

impl<S: Subscriber> Layer<S> for Fault {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let thread = thread::current();
        let on_worker = thread
            .name()
            .is_some_and(|name| name.starts_with("worker-"));
        let level = if self.dies { Level::WARN } else { Level::DEBUG };
        if !on_worker
            || !metadata.target().starts_with("portcullis::")
            || *metadata.level() != level
        {
            return;
        }
        assert!(!self.dies, "a worker dies (this is a test)");
        loop {
            thread::park();
        }
    }
}
