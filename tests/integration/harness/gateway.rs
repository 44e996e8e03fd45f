//! A gateway under test: its configuration, its clock, its log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis::app::{Gateway, Options};
use portcullis::clock::{Clock, UnixTime};
use portcullis::config::Environment;
use portcullis::proxy::AccessLogSink;
use portcullis::reload::{ReloadReport, Source};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Launch, Process};
use super::tokens::{AUDIENCE, ISSUER, NOW, jwk_set};
use super::{Connection, Reply, Request, Upstream};

/// Makes the configuration of a gateway: one worker, one issuer `corp` with the keys of the tests, the claim headers
/// `X-Auth-Subject`, `X-Auth-Issuer`, `X-Auth-Scope`, `X-Auth-Roles`, and what a test adds.
pub(crate) struct GatewayBuilder {
    server: String,
    limits: String,
    issuer: String,
    keys: String,
    claim_headers: String,
    upstreams: String,
    routes: String,
    sections: String,
    count: usize,
    workers: usize,
    tls: bool,
    now: i64,
}

impl GatewayBuilder {
    /// A gateway before `upstream`, which routes know as `main`.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        Self::bare().upstream("main", &upstream.url(), "")
    }

    /// A gateway without an upstream.
    pub(crate) fn bare() -> Self {
        Self {
            server: String::new(),
            limits: String::new(),
            issuer: String::new(),
            keys: jwk_set(),
            claim_headers: "\"X-Auth-Subject\" = \"sub\"\n\"X-Auth-Issuer\" = \"iss\"\n\
                 \"X-Auth-Scope\" = \"scope\"\n\
                 \"X-Auth-Roles\" = { claim = \"realm_access.roles\", array = \"csv\" }\n"
                .to_owned(),
            upstreams: String::new(),
            routes: String::new(),
            sections: String::new(),
            count: 0,
            workers: 1,
            tls: false,
            now: NOW,
        }
    }

    /// Adds an upstream.
    pub(crate) fn upstream(mut self, name: &str, url: &str, settings: &str) -> Self {
        let text = &mut self.upstreams;
        let _ = writeln!(
            text,
            "[[upstreams]]\nname = \"{name}\"\nurls = [\"{url}\"]\n{settings}"
        );
        self
    }

    /// Adds a route to `main`, with further settings.
    pub(crate) fn route(self, path: &str, settings: &str) -> Self {
        self.route_to("main", path, settings)
    }

    /// Adds a route.
    pub(crate) fn route_to(mut self, upstream: &str, path: &str, settings: &str) -> Self {
        self.count += 1;
        let (text, number) = (&mut self.routes, self.count);
        let _ = writeln!(
            text,
            "[[routes]]\nname = \"route-{number}\"\npath = \"{path}\"\nupstream = \"{upstream}\"\n{settings}"
        );
        self
    }

    /// Adds to `[server]`.
    pub(crate) fn server(mut self, settings: &str) -> Self {
        let _ = writeln!(self.server, "{settings}");
        self
    }

    /// Adds to `[server.limits]`.
    pub(crate) fn limits(mut self, settings: &str) -> Self {
        let _ = writeln!(self.limits, "{settings}");
        self
    }

    /// Adds to the issuer.
    pub(crate) fn issuer(mut self, settings: &str) -> Self {
        let _ = writeln!(self.issuer, "{settings}");
        self
    }

    /// Gives the issuer another JWK Set.
    pub(crate) fn keys(mut self, jwk_set: &str) -> Self {
        jwk_set.clone_into(&mut self.keys);
        self
    }

    /// Replaces the claim headers.
    pub(crate) fn claim_headers(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.claim_headers);
        self
    }

    /// Serves with so many workers.
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Serves over TLS.
    pub(crate) fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Adds tables of their own.
    pub(crate) fn section(mut self, text: &str) -> Self {
        let _ = writeln!(self.sections, "{text}");
        self
    }

    /// Stands at another second.
    pub(crate) fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    /// Starts the gateway.
    pub(crate) fn start(self) -> TestGateway {
        let directory = tempfile::tempdir().expect("a directory");
        let key_file = directory.path().join("jwks.json");
        std::fs::write(&key_file, &self.keys).expect("written");
        let (tls, now) = (self.tls, self.now);
        let text = self.text(&key_file);
        TestGateway::start_at(now, &text, directory, tls)
    }

    /// Starts the gateway as a process of its own, on the clock of the system.
    pub(crate) fn start_process(self, launch: Launch) -> Process {
        let directory = tempfile::tempdir().expect("a directory");
        let key_file = directory.path().join("jwks.json");
        std::fs::write(&key_file, &self.keys).expect("written");
        let text = self.text(&key_file);
        Process::start(&text, directory, launch)
    }

    fn text(&self, key_file: &Path) -> String {
        let tls = if self.tls {
            "tls = { self_signed = [\"localhost\"] }\n"
        } else {
            ""
        };
        let key_file = key_file.display();
        let algorithms = "[\"RS256\", \"PS256\", \"ES256\", \"ES384\", \"EdDSA\"]";
        let Self {
            server,
            limits,
            issuer,
            claim_headers,
            upstreams,
            routes,
            sections,
            keys: _,
            count: _,
            workers,
            tls: _,
            now: _,
        } = self;
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = {workers}\n{tls}{server}\n\
             [server.limits]\n{limits}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n\
             [[issuers]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\n\
             algorithms = {algorithms}\nkeys = {{ jwks_file = \"{key_file}\" }}\n{issuer}\n\
             {upstreams}\n{routes}\n[claim_headers]\n{claim_headers}\n{sections}"
        )
    }
}

/// A running gateway. Dropping it cuts everything off.
pub(crate) struct TestGateway {
    gateway: Gateway,
    address: SocketAddr,
    log: Lines,
    time: Arc<AtomicI64>,
    directory: TempDir,
    tls: bool,
}

impl TestGateway {
    /// Starts a gateway from a configuration. What it keeps goes to `directory`.
    pub(crate) fn start(text: &str, directory: TempDir, tls: bool) -> Self {
        Self::start_at(NOW, text, directory, tls)
    }

    fn start_at(now: i64, text: &str, directory: TempDir, tls: bool) -> Self {
        let state = directory.path().join("state");
        std::fs::create_dir_all(&state).expect("a directory");
        let state = state.to_str().expect("a path in UTF-8").to_owned();
        let variables = BTreeMap::from([("STATE_DIRECTORY".to_owned(), state)]);
        let environment = Environment(variables);
        let file = directory.path().join("gateway.toml");
        std::fs::write(&file, text).expect("written");
        let (clock, time) = Clock::manual(UnixTime::from_seconds(now));
        let log = Lines::default();
        let gateway = Gateway::start(Options {
            source: Source::File(file, environment),
            clock,
            access_log: Some(Box::new(log.clone())),
        });
        let gateway = match gateway {
            Ok(gateway) => gateway,
            Err(error) => panic!("{error}\nin\n{text}"),
        };
        Self {
            address: gateway.addresses()[0],
            gateway,
            log,
            time,
            directory,
            tls,
        }
    }

    /// Ends the gateway and starts it again on the same clock. `between` may change what is there: `gateway.toml`, and what
    /// was kept in `state`.
    pub(crate) fn restart(self, between: impl FnOnce(&Path)) -> Self {
        let Self {
            gateway,
            time,
            directory,
            tls,
            address: _,
            log: _,
        } = self;
        assert!(gateway.stop(), "something was cut off");
        between(directory.path());
        let file = directory.path().join("gateway.toml");
        let text = std::fs::read_to_string(file).expect("read");
        Self::start_at(time.load(Ordering::Relaxed), &text, directory, tls)
    }

    /// Drains as TERM does. True if nothing was cut off.
    pub(crate) fn stop(self) -> bool {
        self.gateway.stop()
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect, in the order of `listen`.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.gateway.addresses()
    }

    /// Where the operator looks.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.gateway.admin_address()
    }

    /// Replaces the issuer's JWK Set, as a mounted file is replaced: by a rename.
    pub(crate) fn replace_keys(&self, jwk_set: &str) {
        let new = self.directory.path().join("jwks.new");
        std::fs::write(&new, jwk_set).expect("written");
        std::fs::rename(new, self.directory.path().join("jwks.json")).expect("renamed");
    }

    /// Changes the configuration, in the same way.
    pub(crate) fn change_config(&self, change: impl FnOnce(&str) -> String) {
        let file = self.directory.path().join("gateway.toml");
        let text = std::fs::read_to_string(&file).expect("read");
        let new = self.directory.path().join("gateway.new");
        std::fs::write(&new, change(&text)).expect("written");
        std::fs::rename(new, file).expect("renamed");
    }

    /// Reloads, as HUP does.
    pub(crate) fn reload(&self) -> ReloadReport {
        self.gateway.reload(false)
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, seconds: i64) {
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The second at which it stands.
    pub(crate) fn now(&self) -> i64 {
        self.time.load(Ordering::Relaxed)
    }

    /// Where its files are: `gateway.toml`, `jwks.json` and `state`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the operator gets who posts to a path.
    pub(crate) fn admin_post(&self, path: &str) -> Reply {
        self.admin_post_json(path, "")
    }

    /// The same with a body.
    pub(crate) fn admin_post_json(&self, path: &str, json: &str) -> Reply {
        let address = self.admin_address().expect("an admin listener");
        let request = Request::post(path, json)
            .field("Host", "localhost")
            .field("Content-Type", "application/json");
        Connection::open(address).unchecked(&request)
    }

    /// What the operator reads at a path.
    pub(crate) fn admin(&self, path: &str) -> Reply {
        let address = self.admin_address().expect("an admin listener");
        let request = Request::get(path).field("Host", "localhost");
        Connection::open(address).unchecked(&request)
    }

    /// The sum of all samples of a metric that have these labels.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let of = |line: &&str| line.starts_with(name) && line.contains(labels);
        let samples = text.lines().filter(of);
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Connection {
        if self.tls {
            Connection::open_tls(self.address)
        } else {
            Connection::open(self.address)
        }
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Reply {
        self.connect().request(request)
    }

    /// The access-log line of a refusal.
    pub(crate) fn log_of(&self, reply: &Reply) -> Value {
        let id = reply.field("x-request-id").expect("a request id");
        self.wait_for_line(|line| line["request_id"] == id)
    }

    /// The first access-log line that `is` holds of.
    pub(crate) fn wait_for_line(&self, is: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.log.parsed();
            if let Some(line) = lines.iter().find(|line| is(line)) {
                return line.clone();
            }
            assert!(Instant::now() < end, "no such line in {lines:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything in the access log so far.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&self.log.bytes()).into_owned()
    }
}

/// Where the access log goes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("the log").clone()
    }

    fn parsed(&self) -> Vec<Value> {
        let bytes = self.bytes();
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
            .collect()
    }
}

impl AccessLogSink for Lines {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.lock().expect("the log").extend_from_slice(lines);
        Ok(())
    }
}
